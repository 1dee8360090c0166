//! Load: how long an endpoint takes, as a peak that fades, times the requests that wait on it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How fast an old peak fades.
const DECAY: Duration = Duration::from_secs(10);
/// What a failure counts as: else an endpoint that fails at once would look like the fastest.
const FAILURE: Duration = Duration::from_secs(1);

pub(super) struct Load {
    start: Instant,
    pending: AtomicUsize,
    micros: AtomicU64,
    /// Microseconds since the start.
    seen: AtomicU64,
}

impl Load {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            pending: AtomicUsize::new(0),
            micros: AtomicU64::new(0),
            seen: AtomicU64::new(0),
        }
    }

    pub(super) fn begin(&self) {
        self.pending.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.pending.fetch_sub(1, Ordering::Relaxed);
    }

    /// Two that see at once may lose one of the two: it is an estimate.
    pub(super) fn observe(&self, took: Duration, failed: bool, now: Instant) {
        let took = if failed { took.max(FAILURE) } else { took };
        let took = took.as_micros() as f64;
        let (old, weight) = (self.micros.load(Ordering::Relaxed) as f64, self.weight(now));
        let new = if took > old {
            took
        } else {
            old * weight + took * (1.0 - weight)
        };
        self.micros.store(new as u64, Ordering::Relaxed);
        self.seen.store(self.at(now), Ordering::Relaxed);
    }

    pub(super) fn cost(&self, now: Instant) -> f64 {
        let fading = self.micros.load(Ordering::Relaxed) as f64 * self.weight(now);
        (fading + 1.0) * (self.pending.load(Ordering::Relaxed) + 1) as f64
    }

    fn weight(&self, now: Instant) -> f64 {
        let age = self
            .at(now)
            .saturating_sub(self.seen.load(Ordering::Relaxed));
        (-(age as f64) / DECAY.as_micros() as f64).exp()
    }

    fn at(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.start).as_micros() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peak_counts_at_once_and_fades() {
        let load = Load::new();
        load.observe(Duration::from_millis(1), false, Instant::now());
        load.observe(Duration::from_millis(100), false, Instant::now());
        let peak = load.cost(Instant::now());
        assert!(peak > 99_000.0, "{peak}");
        load.begin();
        assert_eq!(load.cost(Instant::now()), 2.0 * peak);
        load.end();
        tokio::time::advance(DECAY).await;
        let faded = load.cost(Instant::now());
        assert!((0.3..0.4).contains(&(faded / peak)), "{faded}");
        load.observe(Duration::from_millis(1), false, Instant::now());
        assert!(load.cost(Instant::now()) < faded * 1.2);
        load.observe(Duration::ZERO, true, Instant::now());
        assert!(load.cost(Instant::now()) >= 1e6);
    }
}
