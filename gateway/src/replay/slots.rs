//! Slots: what is known of each id; about a hundred bytes each. Nothing here waits.
//!
//! Beyond the bound the oldest of whoever has the most goes, so that a member with less than its share
//! loses nothing to another.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::REPLAYED_FOR;
use crate::telemetry::{Replayed, Telemetry};

/// Keyed hash of a member and its id; the first bytes are the member's.
pub(super) type Id = [u8; 16];
/// Keyed hash of a member: whose share it counts against.
pub(super) type Owner = [u8; 4];
/// Keyed hash of a body.
pub(super) type Mac = [u8; 8];

pub(super) fn owner(id: &Id) -> Owner {
    [id[0], id[1], id[2], id[3]]
}

/// Where a sealed answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) offset: u32,
    /// None has no length, so that no place needs no room of its own.
    pub(super) length: NonZero<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    mac: Mac,
    /// When it was answered, in seconds; of one that is busy, when that began.
    at: u32,
    /// Which of the same second; nothing while it is busy.
    number: Option<NonZero<u32>>,
    place: Option<Place>,
}

/// When, and which of the same second.
type Order = (u32, NonZero<u32>);
/// An id without its owner.
type Rest = [u8; 12];

fn whole(owner: Owner, rest: &Rest) -> Id {
    let mut id = [0; 16];
    id[..owner.len()].copy_from_slice(&owner);
    id[owner.len()..].copy_from_slice(rest);
    id
}

fn rest(id: &Id) -> Rest {
    super::first(&id[size_of::<Owner>()..])
}

/// Every id of the last 24 hours, within a bound.
#[derive(Debug)]
pub(super) struct Slots {
    known: Mutex<Known>,
    max: usize,
    telemetry: Telemetry,
}

#[derive(Debug)]
struct Known {
    slots: HashMap<Id, Slot>,
    /// Of each member the ids that aren't busy, once each, oldest first.
    settled: HashMap<Owner, BTreeMap<Order, Rest>>,
    next: NonZero<u32>,
    /// When what is over was last dropped.
    tidied: u32,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            settled: HashMap::new(),
            next: NonZero::<u32>::MIN,
            tidied: 0,
        }
    }
}

/// What an id comes to.
#[derive(Debug)]
pub(super) enum Verdict {
    Taken(Hold),
    /// When, and where the answer is.
    Answered(u32, Option<Place>),
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

/// Also one of a day later: a clock ran ahead.
fn is_over(at: u32, now: u32) -> bool {
    now.abs_diff(at) >= REPLAYED_FOR
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
        let verdict = match known.slots.get(&id).filter(|slot| !slot.is_stale(now)) {
            Some(slot) if slot.mac != mac => Verdict::AnotherBody,
            Some(slot) if slot.is_busy() => Verdict::Busy,
            Some(slot) => Verdict::Answered(slot.at, slot.place),
            None => {
                known.take_busy(id, mac, now);
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
            Some(slot) if slot.is_busy() || slot.mac != mac => return None,
            before => before.copied(),
        };
        known.take_busy(id, mac, now);
        drop(known);
        Some(self.hold(id, mac, before))
    }

    /// What was known before this process, of the disk first and then of the audit log, which has no
    /// places. The later is better than the earlier; of the same body a place is better than none.
    pub(super) fn learn(&self, id: Id, mac: Mac, at: u32, place: Option<Place>, now: u32) {
        if is_over(at, now) {
            return;
        }
        let mut known = self.known();
        let newer = known.slots.get(&id).is_none_or(|slot| {
            let is_other = slot.mac != mac || slot.place.is_none() || place.is_some();
            slot.at <= at && is_other
        });
        if newer {
            known.settle(id, mac, at, place);
        }
        let evicted = known.tidy(self.max, now);
        drop(known);
        self.count(evicted);
    }

    /// Where an answer is whose id was settled before it was written.
    pub(super) fn found(&self, id: Id, mac: Mac, at: u32, place: Place) {
        if let Some(slot) = self.known().slots.get_mut(&id)
            && (slot.mac, slot.at, slot.is_busy()) == (mac, at, false)
        {
            slot.place = Some(place);
        }
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

    /// How many stand in an order.
    #[cfg(test)]
    pub(super) fn ordered(&self) -> usize {
        self.known().settled.values().map(BTreeMap::len).sum()
    }
}

impl Slot {
    fn busy(mac: Mac, now: u32) -> Self {
        Self {
            mac,
            at: now,
            number: None,
            place: None,
        }
    }

    fn is_busy(&self) -> bool {
        self.number.is_none()
    }

    fn is_stale(&self, now: u32) -> bool {
        !self.is_busy() && is_over(self.at, now)
    }
}

impl Known {
    fn take_busy(&mut self, id: Id, mac: Mac, now: u32) {
        self.take(&id);
        self.slots.insert(id, Slot::busy(mac, now));
    }

    fn settle(&mut self, id: Id, mac: Mac, at: u32, place: Option<Place>) {
        self.take(&id);
        self.next = self.next.checked_add(1).unwrap_or(NonZero::<u32>::MIN);
        let number = self.next;
        let own = self.settled.entry(owner(&id)).or_default();
        own.insert((at, number), rest(&id));
        let slot = Slot {
            mac,
            at,
            number: Some(number),
            place,
        };
        self.slots.insert(id, slot);
    }

    fn take(&mut self, id: &Id) {
        let Some(slot) = self.slots.remove(id) else {
            return;
        };
        let owner = owner(id);
        if let Some(number) = slot.number
            && let Some(own) = self.settled.get_mut(&owner)
        {
            own.remove(&(slot.at, number));
            if own.is_empty() {
                self.settled.remove(&owner);
            }
        }
    }

    /// Drops what is over, and beyond the bound the oldest of whoever has the most; how many of the
    /// latter.
    fn tidy(&mut self, max: usize, now: u32) -> u64 {
        if self.tidied != now {
            self.tidied = now;
            let over = |((at, _), _): &(&Order, &Rest)| is_over(*at, now);
            let ids = self.settled.iter().flat_map(|(owner, own)| {
                let over = own.iter().take_while(over);
                over.map(|(_, rest)| whole(*owner, rest))
            });
            for id in ids.collect::<Vec<_>>() {
                self.take(&id);
            }
        }
        let mut evicted = 0;
        while self.slots.len() > max {
            let largest = self.settled.iter().max_by_key(|(_, own)| own.len());
            let first = largest.and_then(|(owner, own)| {
                let (_, rest) = own.first_key_value()?;
                Some(whole(*owner, rest))
            });
            let Some(id) = first else {
                break;
            };
            self.take(&id);
            evicted += 1;
        }
        evicted
    }
}

impl Hold {
    pub(super) fn mac(&self) -> &Mac {
        &self.mac
    }

    /// It is answered; where the answer is, if it was kept.
    pub(super) fn settle(mut self, at: u32, place: Option<Place>) {
        let mut known = self.slots.known();
        known.settle(self.id, self.mac, at, place);
        drop(known);
        self.settled = true;
    }

    /// Lets whoever writes the answer settle it, as long as the loan lasts.
    pub(super) fn lend(self, at: u32) -> (Loan, Lent) {
        let (slots, id, mac) = (self.slots.clone(), self.id, self.mac);
        let hold = Arc::new(Mutex::new(Some(self)));
        let lent = Lent {
            hold: hold.clone(),
            slots,
            id,
            mac,
            at,
        };
        (Loan { hold, at }, lent)
    }
}

/// A hold that was lent. When this drops the id is answered, and isn't busy for as long as a disk hangs.
#[derive(Debug)]
pub(super) struct Loan {
    hold: Arc<Mutex<Option<Hold>>>,
    at: u32,
}

impl Drop for Loan {
    fn drop(&mut self) {
        if let Some(hold) = take(&self.hold) {
            hold.settle(self.at, None);
        }
    }
}

/// What the writer knows of an id.
#[derive(Debug)]
pub(super) struct Lent {
    hold: Arc<Mutex<Option<Hold>>>,
    slots: Arc<Slots>,
    pub(super) id: Id,
    pub(super) mac: Mac,
    pub(super) at: u32,
}

impl Lent {
    /// Where the answer is, if it was kept; also when nobody waits for it any more.
    pub(super) fn settle(self, place: Option<Place>) {
        match (take(&self.hold), place) {
            (Some(hold), place) => hold.settle(self.at, place),
            (None, Some(place)) => self.slots.found(self.id, self.mac, self.at, place),
            (None, None) => {}
        }
    }
}

fn take(hold: &Mutex<Option<Hold>>) -> Option<Hold> {
    hold.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let mut known = self.slots.known();
        match self.before {
            Some(slot) => known.settle(self.id, slot.mac, slot.at, slot.place),
            None => known.take(&self.id),
        }
    }
}
