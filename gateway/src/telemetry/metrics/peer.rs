//! A system of an agency, and one of its addresses, with the instruments that are bound to them.
//!
//! Whoever calls the system keeps them, so that a call counts without a lock or an allocation.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    BoundCounter, BoundGauge, BoundHistogram, BoundUpDownCounter, UpDownCounter,
};

use super::family::Family;
use super::instruments::Instruments;
use super::labels::HttpEnd;
use super::{Metrics, Resend};
use crate::telemetry::names as name;

/// A system of an agency, as metrics name it; cloning it costs one counter.
#[derive(Clone, Debug)]
pub struct Peer(Arc<System>);

#[derive(Debug)]
struct System {
    agency: Arc<str>,
    system: Arc<str>,
    levels: [OnceLock<BoundUpDownCounter<i64>>; 4],
    shared: OnceLock<BoundCounter<u64>>,
    last_success: OnceLock<BoundGauge<u64>>,
    durations: Family<(&'static str, Option<&'static str>), BoundHistogram<f64>>,
}

/// What is counted as long as it lasts.
#[derive(Clone, Copy, Debug)]
enum Level {
    InFlight,
    Queued,
    Connected,
    Ejected,
}

impl Level {
    fn of(self, instruments: &Instruments) -> &UpDownCounter<i64> {
        match self {
            Self::InFlight => &instruments.agency_in_flight,
            Self::Queued => &instruments.agency_queued,
            Self::Connected => &instruments.agency_connections,
            Self::Ejected => &instruments.agency_ejected,
        }
    }
}

impl Peer {
    /// An agency's system.
    pub fn new(agency: &str, system: &str) -> Self {
        Self(Arc::new(System {
            agency: agency.into(),
            system: system.into(),
            levels: Default::default(),
            shared: OnceLock::new(),
            last_success: OnceLock::new(),
            durations: Family::default(),
        }))
    }

    pub(in crate::telemetry) fn agency(&self) -> &Arc<str> {
        &self.0.agency
    }

    pub(in crate::telemetry) fn system(&self) -> &Arc<str> {
        &self.0.system
    }

    /// What a call is filed under.
    pub(in crate::telemetry) fn called_labels(
        &self,
        outcome: &'static str,
        error_type: Option<&'static str>,
    ) -> Vec<KeyValue> {
        let mut labels = self.labels().to_vec();
        labels.push(KeyValue::new(name::OUTCOME, outcome));
        labels.extend(error_type.map(|word| KeyValue::new(name::ERROR_TYPE, word)));
        labels
    }

    pub(super) fn labels(&self) -> [KeyValue; 2] {
        [
            KeyValue::new(name::PEER, Arc::clone(&self.0.agency)),
            KeyValue::new(name::SYSTEM, Arc::clone(&self.0.system)),
        ]
    }
}

impl Metrics {
    /// A call to an agency ended without an HTTP exchange of its own, such as one that the
    /// breaker refused. Calls with a [`ClientSpan`](crate::telemetry::ClientSpan) are counted by it.
    pub fn agency_call(
        &self,
        peer: &Peer,
        outcome: &'static str,
        error_type: Option<&'static str>,
        elapsed: Duration,
    ) {
        let bind = || {
            let labels = peer.called_labels(outcome, error_type);
            self.0.instruments.agency_duration.bind(&labels)
        };
        let durations = &peer.0.durations;
        durations.of((outcome, error_type), bind, |duration| {
            duration.record(elapsed.as_secs_f64());
        });
    }

    /// A call to the agency is under way until the guard drops.
    #[must_use = "the call counts as ended once this drops"]
    pub fn agency_in_flight(&self, peer: &Peer) -> InFlight {
        self.raise(peer, Level::InFlight)
    }

    /// A call waits for its turn until the guard drops.
    #[must_use = "the wait counts as over once this drops"]
    pub fn agency_queued(&self, peer: &Peer) -> InFlight {
        self.raise(peer, Level::Queued)
    }

    /// A connection to the agency is open until the guard drops.
    #[must_use = "the connection counts as closed once this drops"]
    pub fn agency_connected(&self, peer: &Peer) -> InFlight {
        self.raise(peer, Level::Connected)
    }

    /// An endpoint of the agency is left out until the guard drops.
    #[must_use = "the endpoint counts as back once this drops"]
    pub fn agency_ejected(&self, peer: &Peer) -> InFlight {
        self.raise(peer, Level::Ejected)
    }

    fn raise(&self, peer: &Peer, level: Level) -> InFlight {
        let bind = || level.of(&self.0.instruments).bind(&peer.labels());
        peer.0.levels[level as usize].get_or_init(bind).add(1);
        InFlight {
            peer: peer.clone(),
            level,
        }
    }

    /// A call was made again, or would have been.
    pub fn agency_resent(&self, peer: &Peer, why: Resend) {
        let [agency, system] = peer.labels();
        let labels = [agency, system, KeyValue::new(name::KIND, why.as_str())];
        self.0.instruments.agency_resends.add(1, &labels);
    }

    /// A question shares the answer to one that is under way.
    pub fn agency_shared(&self, peer: &Peer) {
        let bind = || self.0.instruments.agency_shared.bind(&peer.labels());
        peer.0.shared.get_or_init(bind).add(1);
    }

    pub(in crate::telemetry) fn agency_succeeded(&self, peer: &Peer) {
        let bind = || self.0.instruments.agency_last_success.bind(&peer.labels());
        peer.0.last_success.get_or_init(bind).record(unix_now());
    }

    pub(in crate::telemetry) fn client_ended(
        &self,
        method: &'static str,
        address: &PeerAddress,
        end: HttpEnd,
        elapsed: Duration,
    ) {
        let bind = || {
            let labels = address.called_labels(method, end);
            self.0.instruments.client_duration.bind(&labels)
        };
        address.durations.of((end, method), bind, |duration| {
            duration.record(elapsed.as_secs_f64());
        });
    }
}

/// Something that is counted as long as it lasts.
#[derive(Debug)]
pub struct InFlight {
    peer: Peer,
    level: Level,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        // It was bound when the guard was made.
        if let Some(level) = self.peer.0.levels[self.level as usize].get() {
            level.add(-1);
        }
    }
}

/// One address of a system.
#[derive(Clone, Debug)]
pub struct PeerAddress {
    pub(in crate::telemetry) peer: Peer,
    pub(in crate::telemetry) host: Arc<str>,
    pub(in crate::telemetry) port: u16,
    durations: Arc<Family<(HttpEnd, &'static str), BoundHistogram<f64>>>,
}

impl PeerAddress {
    /// Where a system is called.
    pub fn new(peer: Peer, host: &str, port: u16) -> Self {
        Self {
            peer,
            host: host.into(),
            port,
            durations: Arc::default(),
        }
    }

    /// What an exchange is filed under.
    pub(in crate::telemetry) fn called_labels(
        &self,
        method: &'static str,
        end: HttpEnd,
    ) -> Vec<KeyValue> {
        let mut labels = vec![
            KeyValue::new(name::HTTP_METHOD, method),
            KeyValue::new(name::SERVER_ADDRESS, Arc::clone(&self.host)),
            KeyValue::new(name::SERVER_PORT, i64::from(self.port)),
        ];
        labels.extend(end.labels());
        labels
    }

    /// Its host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

pub(super) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
