//! Seats: an address or a member in, a seat for its connection out, or why there is none.
//!
//! Handshakes have seats of their own: a flood of them can't take those of members that are in, and
//! a full house answers newcomers at once instead of leaving them in the backlog, where a balancer
//! takes them for served and they wait in vain.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use loket_sdk::ids::MemberId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config;
use crate::telemetry::Refused;

/// All seats of a listener.
pub(super) struct Seats {
    all: Arc<Semaphore>,
    /// One for each connection from the moment it is accepted until its handshake ends.
    anteroom: Arc<Semaphore>,
    /// One for each handshake under way.
    handshakes: Arc<Semaphore>,
    addresses: Arc<Tally<IpAddr>>,
    /// Of those in the anteroom: nobody who just knocks takes it from all others.
    visitors: Arc<Tally<IpAddr>>,
    members: Arc<Tally<Option<MemberId>>>,
}

/// A connection that was let in as far as the handshake.
pub(super) struct Visitor {
    pub(super) address: Counted<IpAddr>,
    anteroom: (OwnedSemaphorePermit, Counted<IpAddr>),
}

/// A connection that was let in.
pub(super) struct Seat {
    _all: OwnedSemaphorePermit,
    _address: Counted<IpAddr>,
    _member: Counted<Option<MemberId>>,
}

impl Seats {
    pub(super) fn new(settings: &config::Listener) -> Self {
        Self {
            all: Arc::new(Semaphore::new(settings.max_connections)),
            // As many may wait as are under way.
            anteroom: Arc::new(Semaphore::new(settings.max_handshakes.saturating_mul(2))),
            handshakes: Arc::new(Semaphore::new(settings.max_handshakes)),
            addresses: Tally::new(settings.max_connections_per_address),
            visitors: Tally::new(settings.max_handshakes_per_address),
            members: Tally::new(settings.max_connections_per_member),
        }
    }

    /// Whether a newcomer may begin a handshake, or wait for its turn.
    pub(super) fn visit(&self, address: SocketAddr) -> Result<Visitor, Refused> {
        if self.all.available_permits() == 0 {
            return Err(Refused::Full);
        }
        let anteroom = self.anteroom.clone().try_acquire_owned();
        let anteroom = anteroom.map_err(|_| Refused::Handshakes)?;
        let network = network(address.ip());
        let visitor = self.visitors.count(network).ok_or(Refused::Address)?;
        let address = self.addresses.count(network).ok_or(Refused::Address)?;
        Ok(Visitor {
            address,
            anteroom: (anteroom, visitor),
        })
    }

    /// Waits for a turn to shake hands.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        self.handshakes.clone().acquire_owned().await.ok()
    }

    /// Seats a visitor who is known by now. Those who are nobody here share the seats of one.
    pub(super) fn sit(&self, visitor: Visitor, member: Option<MemberId>) -> Result<Seat, Refused> {
        drop(visitor.anteroom);
        let all = self.all.clone().try_acquire_owned();
        Ok(Seat {
            _all: all.map_err(|_| Refused::Full)?,
            _address: visitor.address,
            _member: self.members.count(member).ok_or(Refused::Member)?,
        })
    }
}

/// Who counts as one address: with IPv6 a single machine has a whole /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(prefix).into()
        }
        v4 => v4,
    }
}

/// How many each has, up to a limit. It holds only those that have some.
struct Tally<K> {
    limit: usize,
    counts: Mutex<HashMap<K, usize>>,
}

/// Counts as one of its key's until it drops.
pub(super) struct Counted<K: Eq + Hash> {
    tally: Arc<Tally<K>>,
    key: K,
}

impl<K: Eq + Hash + Clone> Tally<K> {
    fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            counts: Mutex::default(),
        })
    }

    fn count(self: &Arc<Self>, key: K) -> Option<Counted<K>> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(key.clone()).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Counted {
            tally: self.clone(),
            key,
        })
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
    fn drop(&mut self) {
        let counts = &self.tally.counts;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
