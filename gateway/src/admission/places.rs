//! Places: how many requests are open at once, and whose.
//!
//! While less than half are taken, whoever comes gets one. Beyond that a member gets no more than
//! its share: as much as every other member that has requests open. The last eighth is in no share,
//! so that a member that has none yet finds one free. A request without a place is shed before
//! anything of its body is read.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use loket_sdk::ids::MemberId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use crate::telemetry::Shed;

/// The places of one gateway.
#[derive(Debug)]
pub struct Places {
    capacity: usize,
    per_member: usize,
    free: Arc<Semaphore>,
    /// For requests that are shed while the rest of their body is taken.
    rests: Semaphore,
    /// Members that have requests open.
    active: Arc<AtomicUsize>,
    /// Of members with open connections; bounded by them.
    shares: Mutex<HashMap<Option<MemberId>, Weak<Share>>>,
}

/// The places that one member holds.
#[derive(Debug)]
pub struct Share {
    held: AtomicUsize,
    active: Arc<AtomicUsize>,
}

/// A place, until it drops.
#[derive(Debug)]
pub struct Place {
    share: Arc<Share>,
    _permit: OwnedSemaphorePermit,
}

/// Room for the rest of one body, until it drops.
#[derive(Debug)]
pub struct Room<'a>(#[expect(dead_code, reason = "held")] Option<SemaphorePermit<'a>>);

impl Places {
    /// So many in all, and so many for one member at most.
    #[must_use]
    pub fn new(capacity: usize, per_member: usize) -> Self {
        Self {
            capacity,
            per_member,
            free: Arc::new(Semaphore::new(capacity)),
            rests: Semaphore::new(capacity),
            active: Arc::default(),
            shares: Mutex::default(),
        }
    }

    /// A member's share, the same for all its connections; those who are nobody here have one
    /// together.
    #[must_use]
    pub fn share(&self, member: Option<MemberId>) -> Arc<Share> {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = shares.get(&member).and_then(Weak::upgrade) {
            return share;
        }
        shares.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share {
            held: AtomicUsize::new(0),
            active: self.active.clone(),
        });
        shares.insert(member, Arc::downgrade(&share));
        share
    }

    /// A place for one request.
    ///
    /// # Errors
    /// When none is free, or the member has its share.
    pub fn take(&self, share: &Arc<Share>) -> Result<Place, Shed> {
        let permit = self.free.clone().try_acquire_owned();
        let permit = permit.map_err(|_| Shed::Full)?;
        let held = share.held.fetch_add(1, Ordering::Relaxed);
        if held == 0 {
            share.active.fetch_add(1, Ordering::Relaxed);
        }
        let place = Place {
            share: share.clone(),
            _permit: permit,
        };
        let taken = self.capacity - self.free.available_permits();
        let scarce = taken > self.capacity.div_ceil(2);
        if held >= self.per_member || (scarce && held >= self.fair()) {
            return Err(Shed::Share);
        }
        Ok(place)
    }

    /// Room to take the rest of a refused request's body, until it drops. A request that has a place
    /// has it. Of those that were shed not all have when they are very many: what waits for the rest
    /// of a body costs memory.
    #[must_use]
    pub fn room_for_rest(&self, shed: Option<Shed>) -> Option<Room<'_>> {
        match shed {
            None => Some(Room(None)),
            Some(_) => self.rests.try_acquire().ok().map(|room| Room(Some(room))),
        }
    }

    /// Waits until no request is open.
    pub async fn all_free(&self) {
        let all = u32::try_from(self.capacity).unwrap_or(u32::MAX);
        // The semaphore is never closed, and the permits return at once.
        let _ = self.free.acquire_many(all).await;
    }

    fn fair(&self) -> usize {
        let active = self.active.load(Ordering::Relaxed).max(1);
        ((self.capacity - self.capacity / 8) / active).max(1)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.share.held.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.share.active.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
