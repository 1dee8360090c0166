//! Breaker: after too many failures a source isn't asked for a while, then once.
//!
//! It opens on failures in a row, and on a share of failures over a while. As long as all is well
//! nothing is locked.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::directory::Breaking;

/// The share of failures is taken over this time.
const WINDOW: Duration = Duration::from_secs(10);
/// Fewer than this many say nothing of a share.
const ENOUGH: u32 = 20;

/// What is new of an agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// The first failure after a success.
    Failing,
    /// It isn't asked for a while.
    Opened,
    /// The first success after a failure.
    Well {
        /// Whether it wasn't asked before.
        was_open: bool,
    },
}

#[derive(Debug)]
pub(super) struct Breaker {
    rule: Breaking,
    /// Whether nothing failed since the last success, and it is closed.
    calm: AtomicBool,
    /// Successes of the window, as far as they passed without the lock.
    successes: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_a_row: u32,
    /// The window: since when, and how many failed.
    since: Option<Instant>,
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
}

impl Breaker {
    pub(super) fn new(rule: Breaking) -> Self {
        Self {
            rule,
            calm: AtomicBool::new(true),
            successes: AtomicU32::new(0),
            state: Mutex::default(),
        }
    }

    /// Leave to ask, or how long to wait. Once the time is over, one asks for all the others.
    pub(super) fn allow(self: &Arc<Self>, now: Instant) -> Result<Leave, Duration> {
        let mut probe = false;
        if !self.calm.load(Ordering::Acquire) {
            let mut state = self.state();
            probe = match state.open_until {
                None => false,
                Some(until) if now < until => return Err(until - now),
                Some(_) if state.probing => return Err(self.rule.open_for),
                Some(_) => true,
            };
            state.probing = probe;
        }
        Ok(Leave {
            breaker: self.clone(),
            probe,
            finished: false,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn succeeded(&self, probe: bool) -> Option<Change> {
        self.successes.fetch_add(1, Ordering::Relaxed);
        if self.calm.load(Ordering::Acquire) {
            return None;
        }
        let mut state = self.state();
        let was_open = state.open_until.is_some();
        if was_open && !probe {
            return None;
        }
        let was_failing = state.in_a_row > 0;
        state.in_a_row = 0;
        if was_open {
            *state = State::default();
        }
        self.calm.store(true, Ordering::Release);
        (was_failing || was_open).then_some(Change::Well { was_open })
    }

    fn failed(&self, probe: bool, now: Instant) -> Option<Change> {
        let mut state = self.state();
        let was_open = state.open_until.is_some();
        if was_open && !probe {
            // It was asked before the breaker opened; the probe knows better.
            return None;
        }
        self.calm.store(false, Ordering::Release);
        if state.since.is_none_or(|since| now - since >= WINDOW) {
            self.successes.store(0, Ordering::Relaxed);
            (state.since, state.failures) = (Some(now), 0);
        }
        state.probing = false;
        state.failures += 1;
        state.in_a_row = state.in_a_row.saturating_add(1);
        let all = state.failures + self.successes.load(Ordering::Relaxed);
        let share = all >= ENOUGH && state.failures * 100 >= all * u32::from(self.rule.percent);
        if !was_open && !share && state.in_a_row < self.rule.failures.get() {
            return (state.in_a_row == 1).then_some(Change::Failing);
        }
        state.open_until = Some(now + self.rule.open_for);
        (!was_open).then_some(Change::Opened)
    }
}

/// Leave to ask once. Dropped unfinished it proves nothing, and another may probe.
#[derive(Debug)]
pub(super) struct Leave {
    breaker: Arc<Breaker>,
    probe: bool,
    finished: bool,
}

impl Leave {
    /// Whether it is the one that tries.
    pub(super) fn is_probe(&self) -> bool {
        self.probe
    }

    /// Counts a success or failure; what operations should hear of it.
    pub(super) fn finish(mut self, failed: bool, now: Instant) -> Option<Change> {
        self.finished = true;
        if failed {
            self.breaker.failed(self.probe, now)
        } else {
            self.breaker.succeeded(self.probe)
        }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if self.probe && !self.finished {
            self.breaker.state().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Arc<Breaker> {
        Arc::new(Breaker::new(Breaking::default()))
    }

    fn threshold() -> u32 {
        Breaking::default().failures.get()
    }

    fn open_for() -> Duration {
        Breaking::default().open_for
    }

    fn fail(breaker: &Arc<Breaker>, now: Instant) -> Option<Change> {
        breaker.allow(now).unwrap().finish(true, now)
    }

    #[test]
    fn opens_after_failures_in_a_row_and_probes_once() {
        let (breaker, now) = (breaker(), Instant::now());
        let early = breaker.allow(now).unwrap();
        let late = breaker.allow(now).unwrap();
        assert_eq!(fail(&breaker, now), Some(Change::Failing));
        for _ in 2..threshold() {
            assert_eq!(fail(&breaker, now), None);
        }
        assert_eq!(fail(&breaker, now), Some(Change::Opened));
        assert!(breaker.allow(now).is_err());

        let later = now + open_for();
        let probe = breaker.allow(later).unwrap();
        assert!(breaker.allow(later).is_err(), "one probe at a time");
        drop(early);
        assert_eq!(late.finish(false, later), None);
        assert!(
            breaker.allow(later).is_err(),
            "a call of before is no probe"
        );
        assert_eq!(probe.finish(true, later), None);
        assert!(breaker.allow(later).is_err());

        let later = later + open_for();
        drop(breaker.allow(later).unwrap());
        let probe = breaker.allow(later).unwrap();
        let well = Some(Change::Well { was_open: true });
        assert_eq!(probe.finish(false, later), well);
        assert!(breaker.allow(later).is_ok());
    }

    #[test]
    fn a_success_starts_the_count_anew() {
        let (breaker, now) = (breaker(), Instant::now());
        for round in 0..3 {
            let now = now + round * WINDOW;
            for _ in 1..threshold() {
                fail(&breaker, now);
            }
            for _ in 0..20 {
                let change = breaker.allow(now).unwrap().finish(false, now);
                assert!(change.is_none_or(|it| it == Change::Well { was_open: false }));
            }
        }
    }

    #[test]
    fn half_of_enough_opens_it_though_never_in_a_row() {
        let (breaker, now) = (breaker(), Instant::now());
        let mut opened_after = 0;
        while breaker.allow(now).is_ok() {
            breaker.allow(now).unwrap().finish(false, now);
            fail(&breaker, now);
            opened_after += 2;
            assert!(opened_after < 100);
        }
        assert_eq!(opened_after, 22, "the first success came before the window");
    }
}
