//! Breaker: after too many failures in a row a source isn't asked for a while, then once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open it.
const THRESHOLD: u32 = 8;
/// How long it stays open.
const OPEN_FOR: Duration = Duration::from_secs(5);

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

#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    open_until: Option<Instant>,
    probing: bool,
}

impl Breaker {
    /// Leave to ask, or how long to wait. Once the time is over, one asks for all the others.
    pub(super) fn allow(&self, now: Instant) -> Result<Leave<'_>, Duration> {
        let mut state = self.state();
        let probe = match state.open_until {
            None => false,
            Some(until) if now < until => return Err(until - now),
            Some(_) if state.probing => return Err(OPEN_FOR),
            Some(_) => true,
        };
        state.probing = probe;
        Ok(Leave {
            breaker: self,
            probe,
            finished: false,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leave to ask once. Dropped unfinished it proves nothing, and another may probe.
pub(super) struct Leave<'a> {
    breaker: &'a Breaker,
    probe: bool,
    finished: bool,
}

impl Leave<'_> {
    /// Counts a success or failure; what operations should hear of it.
    pub(super) fn finish(mut self, failed: bool, now: Instant) -> Option<Change> {
        self.finished = true;
        let mut state = self.breaker.state();
        let was_open = state.open_until.is_some();
        let was_failing = state.failures > 0;
        if was_open && !self.probe {
            // It was asked before the breaker opened; the probe knows better.
            return None;
        }
        if !failed {
            *state = State::default();
            return (was_failing || was_open).then_some(Change::Well { was_open });
        }
        state.probing = false;
        state.failures = state.failures.saturating_add(1);
        if state.failures < THRESHOLD {
            return (!was_failing).then_some(Change::Failing);
        }
        state.open_until = Some(now + OPEN_FOR);
        (!was_open).then_some(Change::Opened)
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        if self.probe && !self.finished {
            self.breaker.state().probing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, now: Instant) -> Option<Change> {
        breaker.allow(now).unwrap().finish(true, now)
    }

    #[test]
    fn opens_after_failures_in_a_row_and_probes_once() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        let early = breaker.allow(now).unwrap();
        let late = breaker.allow(now).unwrap();
        assert_eq!(fail(&breaker, now), Some(Change::Failing));
        for _ in 2..THRESHOLD {
            assert_eq!(fail(&breaker, now), None);
        }
        assert_eq!(fail(&breaker, now), Some(Change::Opened));
        assert!(breaker.allow(now).is_err());

        let later = now + OPEN_FOR;
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

        let later = later + OPEN_FOR;
        drop(breaker.allow(later).unwrap());
        let probe = breaker.allow(later).unwrap();
        let well = Some(Change::Well { was_open: true });
        assert_eq!(probe.finish(false, later), well);
        assert!(breaker.allow(later).is_ok());
    }

    #[test]
    fn a_success_starts_the_count_anew() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        for _ in 0..3 {
            for _ in 1..THRESHOLD {
                fail(&breaker, now);
            }
            let well = Some(Change::Well { was_open: false });
            assert_eq!(breaker.allow(now).unwrap().finish(false, now), well);
        }
    }
}
