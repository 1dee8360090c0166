//! How far a long reading has got, for whoever waits at a terminal or reads a job's log.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// So often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// So often the bar moves.
const BAR_EVERY: Duration = Duration::from_millis(100);
const WIDTH: u64 = 30;

pub(super) struct Progress {
    total: u64,
    terminal: bool,
    told: Instant,
    shown: bool,
}

impl Progress {
    pub(super) fn of(total: u64) -> Self {
        Self {
            total,
            terminal: std::io::stderr().is_terminal(),
            told: Instant::now(),
            shown: false,
        }
    }

    pub(super) fn at(&mut self, done: u64) {
        let every = if self.terminal { BAR_EVERY } else { LINE_EVERY };
        if self.told.elapsed() < every {
            return;
        }
        self.told = Instant::now();
        self.shown = true;
        let mut to = std::io::stderr();
        // Nobody is left to tell when standard error is gone.
        let _ = match self.terminal {
            true => write!(to, "\r{}", bar(done, self.total)),
            false => writeln!(to, "{done} of {} entries", self.total),
        };
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if self.terminal && self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn bar(done: u64, total: u64) -> String {
    let done = done.min(total);
    let share = |of: u64| (u128::from(done) * u128::from(of) / u128::from(total.max(1))) as usize;
    let full = share(WIDTH);
    let empty = WIDTH as usize - full;
    format!(
        "[{}{}] {:3} %  {done} of {total} entries",
        "#".repeat(full),
        ".".repeat(empty),
        share(100)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_fills() {
        assert_eq!(
            bar(0, 0),
            format!("[{}]   0 %  0 of 0 entries", ".".repeat(30))
        );
        let half = format!(
            "[{}{}]  50 %  2 of 4 entries",
            "#".repeat(15),
            ".".repeat(15)
        );
        assert_eq!(bar(2, 4), half);
        assert_eq!(
            bar(9, 4),
            format!("[{}] 100 %  4 of 4 entries", "#".repeat(30))
        );
    }
}
