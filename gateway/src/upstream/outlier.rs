//! Outlier: whether an endpoint is left out because it failed, and when it may try again.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::directory::Ejection;
use crate::telemetry::InFlight;

const LONGEST: Duration = Duration::from_secs(300);

/// Where an endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is asked.
    In,
    /// It isn't.
    Out,
    /// Its time is over: one request may try.
    Due,
}

pub(super) struct Outlier {
    rule: Ejection,
    start: Instant,
    failures: AtomicU32,
    /// Milliseconds since the start until which it is out; 0 when it is in.
    until: AtomicU64,
    times: AtomicU32,
    probing: AtomicBool,
    counted: Mutex<Option<InFlight>>,
}

impl Outlier {
    pub(super) fn new(rule: Ejection) -> Self {
        Self {
            rule,
            start: Instant::now(),
            failures: AtomicU32::new(0),
            until: AtomicU64::new(0),
            times: AtomicU32::new(0),
            probing: AtomicBool::new(false),
            counted: Mutex::new(None),
        }
    }

    pub(super) fn standing(&self, now: Instant) -> Standing {
        match self.until.load(Ordering::Acquire) {
            0 => Standing::In,
            until if self.at(now) < until || self.probing.load(Ordering::Acquire) => Standing::Out,
            _ => Standing::Due,
        }
    }

    /// Whether this is the one request that tries.
    pub(super) fn probe(&self) -> bool {
        !self.probing.swap(true, Ordering::AcqRel)
    }

    pub(super) fn give_up_probe(&self) {
        self.probing.store(false, Ordering::Release);
    }

    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.until.load(Ordering::Acquire) != 0 {
            self.until.store(0, Ordering::Release);
            self.times.store(0, Ordering::Relaxed);
            self.probing.store(false, Ordering::Release);
            self.count(None);
        }
    }

    /// Whether this failure ejects it; `count` tells of it as long as it is out.
    pub(super) fn failed(&self, now: Instant, count: impl FnOnce() -> InFlight) -> bool {
        let was_out = self.until.load(Ordering::Acquire) != 0;
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let probed = was_out && self.probing.swap(false, Ordering::AcqRel);
        // What was asked before it was ejected proves nothing new.
        if (was_out && !probed) || (!was_out && failures < self.rule.failures.get()) {
            return false;
        }
        let times = self.times.fetch_add(1, Ordering::Relaxed).min(16);
        let wait = self.rule.first.saturating_mul(1 << times).min(LONGEST);
        self.until
            .store(self.at(now + wait).max(1), Ordering::Release);
        self.failures.store(0, Ordering::Relaxed);
        if !was_out {
            self.count(Some(count()));
        }
        !was_out
    }

    fn count(&self, counted: Option<InFlight>) {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = counted;
    }

    fn at(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::telemetry::Peer;

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_eject_and_each_failed_probe_doubles_the_time() {
        let telemetry = crate::fixture::world::telemetry();
        let count = || {
            telemetry
                .metrics()
                .agency_ejected(&Peer::new("djp", "core"))
        };
        let gauge = |value: u8| {
            let text = telemetry.prometheus_text();
            assert!(
                text.lines()
                    .any(|line| line.starts_with("loket_agency_ejected{")
                        && line.ends_with(&format!(" {value}"))),
                "{text}"
            );
        };
        let first = Duration::from_secs(10);
        let outlier = Outlier::new(Ejection {
            failures: NonZeroU32::new(2).unwrap(),
            first,
        });
        let fail = || outlier.failed(Instant::now(), count);
        let standing = || outlier.standing(Instant::now());
        assert!(!fail());
        outlier.succeeded();
        assert!(!fail(), "a success starts the count anew");
        assert!(fail());
        assert!(!fail(), "a late failure ejects nobody twice");
        assert_eq!(standing(), Standing::Out);
        gauge(1);
        for wait in [first, 2 * first, 4 * first] {
            tokio::time::advance(wait - Duration::from_millis(1)).await;
            assert_eq!(standing(), Standing::Out);
            tokio::time::advance(Duration::from_millis(1)).await;
            assert_eq!(standing(), Standing::Due);
            assert!(outlier.probe());
            assert_eq!(standing(), Standing::Out, "one tries at a time");
            assert!(!fail());
        }
        tokio::time::advance(8 * first).await;
        assert!(outlier.probe());
        outlier.give_up_probe();
        assert_eq!(standing(), Standing::Due);
        outlier.succeeded();
        assert_eq!(standing(), Standing::In);
        gauge(0);
    }
}
