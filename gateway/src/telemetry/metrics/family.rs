//! Instruments already bound to their labels: a label set in, its instrument out, without a lock or
//! an allocation once the set was met before.
//!
//! A set is bound when it is first counted, not before: what is bound is exposed, and a count that
//! nobody made would look like one.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// As many sets as the SDK keeps apart in one instrument.
const LIMIT: usize = 2000;

/// What was bound so far, in order of its keys.
pub(super) struct Family<K, V>(ArcSwap<Vec<(K, V)>>);

impl<K, V> Default for Family<K, V> {
    fn default() -> Self {
        Self(ArcSwap::from_pointee(Vec::new()))
    }
}

impl<K: Clone, V: Clone> Family<K, V> {
    /// Hands what is bound to the set to `act`, or binds it first. `order` says how a key stands to
    /// the one that is looked for.
    pub(super) fn with<R>(
        &self,
        order: impl Fn(&K) -> Ordering,
        bind: impl FnOnce() -> (K, V),
        act: impl FnOnce(&V) -> R,
    ) -> R {
        let sets = self.0.load();
        if let Ok(place) = sets.binary_search_by(|(key, _)| order(key)) {
            return act(&sets[place].1);
        }
        drop(sets);
        let (key, value) = bind();
        self.0.rcu(|sets| {
            match sets.binary_search_by(|(key, _)| order(key)) {
                // Another thread was quicker; both are bound to the same count.
                Ok(_) => Arc::clone(sets),
                Err(_) if sets.len() >= LIMIT => Arc::clone(sets),
                Err(place) => {
                    let mut more = Vec::with_capacity(sets.len() + 1);
                    more.extend_from_slice(&sets[..place]);
                    more.push((key.clone(), value.clone()));
                    more.extend_from_slice(&sets[place..]);
                    Arc::new(more)
                }
            }
        });
        act(&value)
    }
}

impl<K: Clone + Ord, V: Clone> Family<K, V> {
    /// The same, for a key that costs nothing to make.
    pub(super) fn of<R>(&self, key: K, bind: impl FnOnce() -> V, act: impl FnOnce(&V) -> R) -> R {
        self.with(|other| other.cmp(&key), || (key.clone(), bind()), act)
    }
}

impl<K, V> fmt::Debug for Family<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Family").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::thread;

    use super::*;

    #[test]
    fn binds_each_set_once() {
        let family = Family::default();
        let bound = AtomicUsize::new(0);
        let get = |key: u32| {
            let bind = || {
                bound.fetch_add(1, Relaxed);
                key * 10
            };
            family.of(key, bind, |value| *value)
        };
        for key in [3, 1, 2, 3, 1, 2] {
            assert_eq!(get(key), key * 10);
        }
        assert_eq!(bound.load(Relaxed), 3);
    }

    #[test]
    fn sets_met_at_once_are_all_kept() {
        let family = Family::default();
        thread::scope(|scope| {
            for first in 0..4 {
                let family = &family;
                scope.spawn(move || {
                    for key in (0..100).map(|step| step * 4 + first) {
                        assert_eq!(family.of(key, || key, |value| *value), key);
                    }
                });
            }
        });
        let sets = family.0.load();
        let keys: Vec<i32> = sets.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, (0..400).collect::<Vec<_>>());
    }

    #[test]
    fn keeps_no_more_than_the_sdk() {
        let family = Family::default();
        for key in 0..LIMIT + 5 {
            assert_eq!(family.of(key, || key, |value| *value), key);
        }
        assert_eq!(family.0.load().len(), LIMIT);
    }
}
