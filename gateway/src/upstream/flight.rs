//! Flight: identical questions under way share one answer.
//!
//! Whoever waits drives the shared question, so that one who leaves takes no other's answer with
//! it; when the last has left, the question is cancelled.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{Shared, WeakShared};

use super::{Answered, Failure};

/// Names a question: who asks, for what, whom, and which fields.
pub(super) type Key = [u8; 32];
type Asking = Pin<Box<dyn Future<Output = Landed> + Send>>;
/// What all who waited get.
pub(super) type Landed = Result<Answered, Failure>;

#[derive(Default)]
pub(super) struct Flights(Arc<Mutex<Airborne>>);

#[derive(Default)]
struct Airborne {
    number: u64,
    flights: HashMap<Key, (u64, WeakShared<Asking>)>,
}

/// Takes a flight off the list when it has ended, or nobody waits for it.
struct Listed {
    all: Arc<Mutex<Airborne>>,
    key: Key,
    number: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        let mut all = lock(&self.all);
        if all
            .flights
            .get(&self.key)
            .is_some_and(|it| it.0 == self.number)
        {
            all.flights.remove(&self.key);
        }
    }
}

impl Flights {
    /// The flight of this question, and whether it was under way already.
    pub(super) fn join<F>(&self, key: Key, ask: impl FnOnce() -> F) -> (Shared<Asking>, bool)
    where
        F: Future<Output = Landed> + Send + 'static,
    {
        let mut all = lock(&self.0);
        if let Some(flight) = all.flights.get(&key).and_then(|(_, weak)| weak.upgrade()) {
            return (flight, true);
        }
        all.number += 1;
        let listed = Listed {
            all: self.0.clone(),
            key,
            number: all.number,
        };
        let asking = ask();
        let flight: Asking = Box::pin(async move {
            let _listed = listed;
            asking.await
        });
        let flight = flight.shared();
        if let Some(weak) = flight.downgrade() {
            let number = all.number;
            all.flights.insert(key, (number, weak));
        }
        (flight, false)
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        lock(&self.0).flights.len()
    }
}

fn lock(all: &Mutex<Airborne>) -> MutexGuard<'_, Airborne> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}
