//! A process under measurement: started, watched through `/proc`, stopped.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Ticks a second in `/proc/PID/stat`: 100 on every Linux that Rust's targets run on.
const TICKS: u64 = 100;

/// A child that doesn't outlive this program.
pub(crate) struct Process {
    child: Child,
    name: String,
}

/// What the system says of a process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time of all threads since the start.
    pub(crate) cpu: Duration,
    /// Resident now, in KiB.
    pub(crate) resident_kib: u64,
    /// The most that was ever resident, in KiB.
    pub(crate) peak_kib: u64,
    /// Threads.
    pub(crate) threads: u64,
}

impl Process {
    /// Starts a program whose output goes to a file.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start(program: &Path, args: &[&str], output: &Path) -> anyhow::Result<Self> {
        let file = File::create(output)?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{} can't be started", program.display()))?;
        Ok(Self {
            child,
            name: program.display().to_string(),
        })
    }

    /// Waits until a line of the output is what `find` looks for.
    ///
    /// # Errors
    /// When the process ends first, or it takes more than ten seconds.
    pub(crate) fn wait_for<T>(
        &mut self,
        output: &Path,
        find: impl Fn(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let text = fs::read_to_string(output)?;
            if let Some(found) = text.lines().find_map(&find) {
                return Ok(found);
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || Instant::now() > until {
                let tail: Vec<&str> = text.lines().rev().take(20).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                bail!("{} didn't start:\n{}", self.name, tail.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the system says of it now.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let file = |name: &str| {
            let path = format!("/proc/{}/{name}", self.child.id());
            fs::read_to_string(&path).with_context(|| format!("{path} can't be read"))
        };
        Ok(Usage {
            cpu: cpu(&file("stat")?).context("stat isn't as expected")?,
            ..status(&file("status")?)
        })
    }

    /// Waits for its end; what hasn't ended by then is killed.
    ///
    /// # Errors
    /// When it had to be killed.
    pub(crate) fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{} didn't stop when told to", self.name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended can't be killed, and that is well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cpu(stat: &str) -> Option<Duration> {
    // The name, in brackets, may contain spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS))
}

fn status(text: &str) -> Usage {
    let number = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    Usage {
        cpu: Duration::ZERO,
        resident_kib: number("VmRSS:").unwrap_or_default(),
        peak_kib: number("VmHWM:").unwrap_or_default(),
        threads: number("Threads:").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_are_read() {
        let stat = "17 (a (b) c) S 1 17 17 0 -1 4194560 90 0 0 0 250 50 0 0 20 0 3 0 1 1 1";
        assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
        let usage = status("Name:\tloket\nVmHWM:\t   65536 kB\nVmRSS:\t   4096 kB\nThreads:\t5\n");
        assert_eq!(
            (usage.peak_kib, usage.resident_kib, usage.threads),
            (65_536, 4_096, 5)
        );
    }
}
