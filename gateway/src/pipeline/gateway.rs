//! Gateway: what all requests share, and a request as it arrives.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Request;
use hyper::body::Incoming;
use loket_sdk::ids::MemberId;
use rustls::pki_types::UnixTime;

use crate::admission::places::{Places, Share};
use crate::audit::Audit;
use crate::break_glass::Waiting;
use crate::config::Limits;
use crate::identity::{self, Peer};
use crate::last_good::LastGood;
use crate::replay::Replay;
use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;

/// What all requests share.
pub struct Gateway {
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) audit: Audit,
    pub(super) replay: Replay,
    pub(super) telemetry: Telemetry,
    pub(super) limits: Limits,
    pub(super) places: Places,
    pub(super) last_good: Arc<LastGood>,
    pub(super) waiting: Waiting,
    pub(super) draining: Arc<AtomicBool>,
}

impl Gateway {
    /// A gateway that sees `snapshot`, records in `audit` and keeps answers in `replay`.
    #[must_use]
    pub fn new(
        snapshot: Snapshot,
        audit: Audit,
        replay: Replay,
        telemetry: Telemetry,
        limits: Limits,
    ) -> Arc<Self> {
        Arc::new(Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            audit,
            replay,
            telemetry,
            places: Places::new(limits.max_requests, limits.max_requests_per_member),
            last_good: Arc::new(LastGood::new(limits.stale_entries, limits.stale_for)),
            limits,
            waiting: Waiting::default(),
            draining: Arc::new(AtomicBool::new(false)),
        })
    }

    /// What requests see from now on.
    pub fn swap(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// What requests see now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// The stage of trust that requests go by; see [`identity::Trust::stage`].
    #[must_use]
    pub fn stage(&self, now: UnixTime) -> u64 {
        self.snapshot.load().trust.stage(now)
    }

    /// Where exchanges are recorded.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Answers that are kept.
    #[must_use]
    pub fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Spans and metrics.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Waits until no request is open, at most so long.
    pub async fn quiet(&self, within: Duration) {
        // In time or not, what follows is the same.
        let _ = tokio::time::timeout(within, self.places.all_free()).await;
    }

    /// The places for requests.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Whose connection it is, to count by.
    #[must_use]
    pub fn member(&self, peer: &Peer) -> Option<MemberId> {
        identity::member(peer.certificate.as_ref()?, &self.snapshot.load().directory)
    }

    /// The lookups that wait for a second person.
    #[must_use]
    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// Makes known what the log says of those.
    #[must_use]
    pub fn with_waiting(self: Arc<Self>, waiting: Waiting) -> Arc<Self> {
        match Arc::try_unwrap(self) {
            Ok(gateway) => Arc::new(Self { waiting, ..gateway }),
            Err(shared) => shared,
        }
    }

    /// Set when new requests are to be refused.
    #[must_use]
    pub fn draining(&self) -> &Arc<AtomicBool> {
        &self.draining
    }
}

/// A request with its peer, as the listener hands it over.
pub struct Arrival {
    /// Who is at the other end.
    pub peer: Arc<Peer>,
    /// Its share of the places.
    pub share: Arc<Share>,
    /// The peer's address.
    pub address: std::net::SocketAddr,
    /// The request.
    pub request: Request<Incoming>,
}
