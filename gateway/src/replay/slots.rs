//! Slots: what is known of each id; about a hundred bytes each. Nothing here waits.

use std::collections::VecDeque;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::REPLAYED_FOR;
use crate::telemetry::{Replayed, Telemetry};

/// Keyed hash of a member and its id.
pub(super) type Id = [u8; 16];
/// Keyed hash of a body.
pub(super) type Mac = [u8; 8];

/// Where a sealed answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) offset: u32,
    pub(super) length: u32,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    mac: Mac,
    /// When it was answered, in seconds; of one that is busy, when that began.
    at: u32,
    busy: bool,
    place: Option<Place>,
}

/// Every id of the last 24 hours, within a bound.
#[derive(Debug)]
pub(super) struct Slots {
    known: Mutex<Known>,
    max: usize,
    telemetry: Telemetry,
}

#[derive(Debug, Default)]
struct Known {
    slots: HashMap<Id, Slot>,
    /// Oldest first. One that was answered anew since stands here twice, and counts by its last.
    order: VecDeque<(u32, Id)>,
}

/// What an id comes to.
#[derive(Debug)]
pub(super) enum Verdict {
    Taken(Hold),
    Answered(Option<Place>),
    AnotherBody,
    Busy,
}

/// An id that is taken. Dropped unsettled it is again what it was.
#[derive(Debug)]
pub(super) struct Hold {
    slots: Arc<Slots>,
    id: Id,
    mac: Mac,
    before: Option<Slot>,
    settled: bool,
}

fn is_over(at: u32, now: u32) -> bool {
    now.saturating_sub(at) >= REPLAYED_FOR
}

impl Slots {
    pub(super) fn new(max: usize, telemetry: Telemetry) -> Self {
        Self {
            known: Mutex::default(),
            max,
            telemetry,
        }
    }

    pub(super) fn meet(self: &Arc<Self>, id: Id, mac: Mac, now: u32) -> Verdict {
        let mut known = self.known();
        let evicted = known.tidy(self.max, now);
        let verdict = match known.slots.entry(id) {
            Entry::Occupied(slot) if slot.get().mac != mac && !slot.get().is_stale(now) => {
                Verdict::AnotherBody
            }
            Entry::Occupied(slot) if slot.get().busy => Verdict::Busy,
            Entry::Occupied(slot) if !slot.get().is_stale(now) => {
                Verdict::Answered(slot.get().place)
            }
            entry => {
                entry.insert_entry(Slot::busy(mac, now));
                Verdict::Taken(self.hold(id, mac, None))
            }
        };
        drop(known);
        self.count(evicted);
        verdict
    }

    /// Takes an id that was answered; nothing when somebody else has.
    pub(super) fn take_again(self: &Arc<Self>, id: Id, mac: Mac, now: u32) -> Option<Hold> {
        let mut known = self.known();
        let before = match known.slots.get(&id) {
            Some(slot) if slot.busy || slot.mac != mac => return None,
            before => before.copied(),
        };
        known.slots.insert(id, Slot::busy(mac, now));
        drop(known);
        Some(self.hold(id, mac, before))
    }

    /// What was known before this process. A place is better than none, and the later better than
    /// the earlier.
    pub(super) fn learn(&self, id: Id, mac: Mac, at: u32, place: Option<Place>, now: u32) {
        if is_over(at, now) {
            return;
        }
        let mut known = self.known();
        let newer = known
            .slots
            .get(&id)
            .is_none_or(|slot| place.is_some() && (slot.place.is_none() || slot.at <= at));
        if newer {
            let busy = false;
            known.slots.insert(
                id,
                Slot {
                    mac,
                    at,
                    busy,
                    place,
                },
            );
            known.order.push_back((at, id));
        }
        let evicted = known.tidy(self.max, now);
        drop(known);
        self.count(evicted);
    }

    fn hold(self: &Arc<Self>, id: Id, mac: Mac, before: Option<Slot>) -> Hold {
        Hold {
            slots: self.clone(),
            id,
            mac,
            before,
            settled: false,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, evicted: u64) {
        if evicted > 0 {
            self.telemetry.metrics().replay(Replayed::Evicted, evicted);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.known().slots.len()
    }
}

impl Slot {
    fn busy(mac: Mac, now: u32) -> Self {
        Self {
            mac,
            at: now,
            busy: true,
            place: None,
        }
    }

    fn is_stale(&self, now: u32) -> bool {
        !self.busy && is_over(self.at, now)
    }
}

impl Known {
    /// Drops what is over, and the oldest beyond the bound; how many of the latter.
    fn tidy(&mut self, max: usize, now: u32) -> u64 {
        let mut evicted = 0;
        while let Some(&(at, id)) = self.order.front() {
            let over = is_over(at, now);
            if !over && self.slots.len() <= max {
                break;
            }
            self.order.pop_front();
            let is_it = self
                .slots
                .get(&id)
                .is_some_and(|slot| !slot.busy && slot.at == at);
            if is_it {
                self.slots.remove(&id);
                evicted += u64::from(!over);
            }
        }
        evicted
    }
}

impl Hold {
    pub(super) fn id(&self) -> &Id {
        &self.id
    }

    pub(super) fn mac(&self) -> &Mac {
        &self.mac
    }

    /// It is answered; where the answer is, if it was kept.
    pub(super) fn settle(mut self, at: u32, place: Option<Place>) {
        let (mac, busy) = (self.mac, false);
        let mut known = self.slots.known();
        known.slots.insert(
            self.id,
            Slot {
                mac,
                at,
                busy,
                place,
            },
        );
        known.order.push_back((at, self.id));
        drop(known);
        self.settled = true;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let mut known = self.slots.known();
        match self.before {
            Some(slot) => {
                known.slots.insert(self.id, slot);
                known.order.push_back((slot.at, self.id));
            }
            None => {
                known.slots.remove(&self.id);
            }
        }
    }
}
