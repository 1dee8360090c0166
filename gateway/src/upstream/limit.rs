//! Limit: how many requests are with a source at once, and a short line before that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::directory::Backend;

/// An adaptive limit sinks at most once in this time: one fault is seen by many requests.
const PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Limit {
    slots: Arc<Semaphore>,
    queued: AtomicUsize,
    max_queued: usize,
    patience: Duration,
    most: usize,
    adaptive: Option<Mutex<Adaptive>>,
}

/// Additive increase while it is used, multiplicative decrease when the source can't keep up.
struct Adaptive {
    limit: usize,
    successes: usize,
    /// Slots that are to go once they are free.
    debt: usize,
    sank: Option<Instant>,
}

/// Leave to have one request with the source.
pub(super) struct Slot {
    limit: Arc<Limit>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Limit {
    pub(super) fn new(backend: &Backend) -> Self {
        let most = backend.max_in_flight.get();
        Self {
            slots: Arc::new(Semaphore::new(most)),
            queued: AtomicUsize::new(0),
            max_queued: backend.max_queued,
            patience: backend.queue_timeout,
            most,
            adaptive: backend.adaptive.then(|| {
                Mutex::new(Adaptive {
                    limit: most,
                    successes: 0,
                    debt: 0,
                    sank: None,
                })
            }),
        }
    }

    /// A slot that is free now.
    pub(super) fn free(self: &Arc<Self>) -> Option<Slot> {
        let permit = self.slots.clone().try_acquire_owned().ok()?;
        Some(Slot {
            limit: self.clone(),
            permit: Some(permit),
        })
    }

    /// Waits for a slot, not beyond the deadline nor the patience, and in a short line only.
    pub(super) async fn wait(self: &Arc<Self>, deadline: Option<Instant>) -> Option<Slot> {
        struct Queued<'a>(&'a AtomicUsize);
        impl Drop for Queued<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let before = self.queued.fetch_add(1, Ordering::Relaxed);
        let _queued = Queued(&self.queued);
        if before >= self.max_queued {
            return None;
        }
        let until = Instant::now() + self.patience;
        let until = deadline.map_or(until, |deadline| deadline.min(until));
        let permit = tokio::time::timeout_at(until, self.slots.clone().acquire_owned());
        Some(Slot {
            limit: self.clone(),
            permit: Some(permit.await.ok()?.ok()?),
        })
    }

    /// Notes how a request went; the new limit, when there is one.
    pub(super) fn note(&self, overloaded: bool, now: Instant) -> Option<usize> {
        let mut state = lock(self.adaptive.as_ref()?);
        if overloaded {
            if state.sank.is_some_and(|sank| now - sank < PAUSE) || state.limit == 1 {
                return None;
            }
            let lower = (state.limit * 3 / 4).max(1);
            let fewer = state.limit - lower;
            state.debt += fewer - self.slots.forget_permits(fewer);
            state.limit = lower;
            state.successes = 0;
            state.sank = Some(now);
            return Some(lower);
        }
        // A limit that nobody meets says nothing of the source.
        let used = state.limit.saturating_sub(self.slots.available_permits());
        if state.limit == self.most || used * 2 < state.limit {
            return None;
        }
        state.successes += 1;
        if state.successes < state.limit {
            return None;
        }
        state.successes = 0;
        state.limit += 1;
        if state.debt > 0 {
            state.debt -= 1;
        } else {
            self.slots.add_permits(1);
        }
        Some(state.limit)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(adaptive) = &self.limit.adaptive else {
            return;
        };
        let mut state = lock(adaptive);
        if state.debt > 0
            && let Some(permit) = self.permit.take()
        {
            state.debt -= 1;
            permit.forget();
        }
    }
}

fn lock(adaptive: &Mutex<Adaptive>) -> MutexGuard<'_, Adaptive> {
    adaptive.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;

    fn limit(change: impl FnOnce(&mut Backend)) -> Arc<Limit> {
        let mut backend = Backend {
            max_in_flight: NonZeroUsize::new(8).unwrap(),
            max_queued: 1,
            ..Backend::default()
        };
        change(&mut backend);
        Arc::new(Limit::new(&backend))
    }

    #[tokio::test(start_paused = true)]
    async fn the_line_is_short_and_patience_ends() {
        let limit = limit(|backend| backend.max_in_flight = NonZeroUsize::MIN);
        let slot = limit.free().unwrap();
        assert!(limit.free().is_none());
        let mut waiting = Box::pin(limit.wait(None));
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("nothing is free"),
            refused = limit.wait(None) => assert!(refused.is_none()),
        }
        drop(slot);
        let slot = waiting.await.unwrap();
        let started = Instant::now();
        assert!(limit.wait(None).await.is_none());
        assert_eq!(started.elapsed().as_millis(), 100);
        let soon = Instant::now() + Duration::from_millis(10);
        assert!(limit.wait(Some(soon)).await.is_none());
        assert_eq!(started.elapsed().as_millis(), 110);
        drop(slot);
        assert!(limit.free().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn an_adaptive_limit_sinks_at_once_and_rises_slowly() {
        let limit = limit(|backend| backend.adaptive = true);
        let mut slots: Vec<_> = (0..8).map(|_| limit.free().unwrap()).collect();
        assert_eq!(limit.note(true, Instant::now()), Some(6));
        assert_eq!(
            limit.note(true, Instant::now()),
            None,
            "one fault, one step"
        );
        slots.truncate(6);
        assert!(limit.free().is_none(), "two slots are gone");
        slots.pop();
        assert!(limit.free().is_some());
        slots.push(limit.free().unwrap());
        for _ in 0..5 {
            assert_eq!(limit.note(false, Instant::now()), None);
        }
        assert_eq!(limit.note(false, Instant::now()), Some(7));
        assert!(limit.free().is_some());
        tokio::time::advance(PAUSE).await;
        for lower in [5, 3, 2, 1] {
            assert_eq!(limit.note(true, Instant::now()), Some(lower));
            tokio::time::advance(PAUSE).await;
        }
        assert_eq!(limit.note(true, Instant::now()), None, "one is always let");
    }
}
