//! Slots: how long the slowest source held each lookup, by the lookup's number.
//!
//! The number stands in the last 48 bits of the `request_id`, which the gateway passes on to the
//! sources, so that stub and load meet without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use uuid::Uuid;

const NUMBER: u128 = (1 << 48) - 1;

/// One slot per lookup of all runs.
#[derive(Clone)]
pub(crate) struct Slots(Arc<[AtomicU32]>);

impl Slots {
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).map(|_| AtomicU32::new(0)).collect())
    }

    /// A source held this lookup so long.
    pub(crate) fn held(&self, request_id: &Uuid, time: Duration) {
        let number = usize::try_from(request_id.as_u128() & NUMBER).ok();
        if let Some(slot) = number.and_then(|number| self.0.get(number)) {
            let micros = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
            slot.fetch_max(micros, Ordering::Relaxed);
        }
    }

    /// The longest that a source held it.
    pub(crate) fn longest(&self, number: usize) -> Duration {
        let micros = self.0.get(number).map(|slot| slot.load(Ordering::Relaxed));
        Duration::from_micros(micros.unwrap_or_default().into())
    }
}

/// The id of a lookup with this number.
pub(crate) fn request_id(number: usize) -> Uuid {
    let fresh = Uuid::now_v7().as_u128();
    Uuid::from_u128(fresh & !NUMBER | (number as u128 & NUMBER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_source_counts() {
        let slots = Slots::new(8);
        let id = request_id(7);
        assert_eq!(id.get_version_num(), 7);
        for ms in [3, 20, 5] {
            slots.held(&id, Duration::from_millis(ms));
        }
        slots.held(&request_id(8), Duration::from_secs(1));
        assert_eq!(slots.longest(7), Duration::from_millis(20));
        assert_eq!(slots.longest(6), Duration::ZERO);
    }
}
