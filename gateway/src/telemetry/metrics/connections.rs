//! What the listener counts: connections, handshakes, and requests that found no place.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter, UpDownCounter};

use super::Metrics;
use crate::telemetry::names as name;

#[derive(Debug)]
pub(super) struct Connections {
    open: UpDownCounter<i64>,
    refused: Counter<u64>,
    ended: Counter<u64>,
    handshaking: UpDownCounter<i64>,
    accept_failures: Counter<u64>,
    shed: Counter<u64>,
}

/// Why a connection wasn't let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refused {
    /// There are as many connections as there may be.
    Full,
    /// As many handshakes as may wait are waiting.
    Handshakes,
    /// The peer's address has as many connections as it may have.
    Address,
    /// The member has as many connections as it may have.
    Member,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The peer left.
    Peer,
    /// Nothing was asked for long.
    Idle,
    /// It was old.
    Aged,
    /// The gateway stops.
    Drained,
    /// A request's head took too long.
    SlowHead,
    /// The peer took nothing of what was sent.
    SlowReader,
    /// What came wasn't HTTP as agreed.
    Malformed,
    /// A request showed that no other of the peer's can be answered.
    Dismissed,
}

/// Why a request found no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shed {
    /// All places are taken.
    Full,
    /// The member has its share of them, and others may need the rest.
    Share,
}

impl Refused {
    /// The label, also for log lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Handshakes => "handshakes",
            Self::Address => "address",
            Self::Member => "member",
        }
    }
}

impl Ending {
    fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Idle => "idle",
            Self::Aged => "aged",
            Self::Drained => "drained",
            Self::SlowHead => "slow_head",
            Self::SlowReader => "slow_reader",
            Self::Malformed => "malformed",
            Self::Dismissed => "dismissed",
        }
    }
}

impl Shed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Share => "share",
        }
    }
}

impl Connections {
    pub(super) fn new(meter: &Meter) -> Self {
        let counter = |name, about| meter.u64_counter(name).with_description(about).build();
        let level = |name, about| {
            let counter = meter.i64_up_down_counter(name).with_description(about);
            counter.build()
        };
        Self {
            open: level(
                name::CONNECTIONS_OPEN,
                "Connections of callers that are open.",
            ),
            refused: counter(
                name::CONNECTIONS_REFUSED,
                "Connections that weren't let in.",
            ),
            ended: counter(
                name::CONNECTIONS_ENDED,
                "Connections that ended, by the cause.",
            ),
            handshaking: level(
                name::TLS_HANDSHAKES_ACTIVE,
                "TLS handshakes with callers under way.",
            ),
            accept_failures: counter(
                name::ACCEPT_FAILURES,
                "Times that no connection could be accepted for want of resources.",
            ),
            shed: counter(
                name::REQUESTS_SHED,
                "Requests turned away because no place was free for them.",
            ),
        }
    }
}

impl Metrics {
    /// A connection is open until the guard ends it. `version` is `1.1` or `2`.
    #[must_use = "the connection counts as ended once this drops"]
    pub fn connection_opened(&self, version: &'static str) -> Open {
        let labels = [KeyValue::new(name::PROTOCOL_VERSION, version)];
        self.0.instruments.connections.open.add(1, &labels);
        Open {
            metrics: self.clone(),
            labels,
        }
    }

    /// A connection ended.
    pub fn connection_ended(&self, why: Ending) {
        let labels = [KeyValue::new(name::CAUSE, why.as_str())];
        self.0.instruments.connections.ended.add(1, &labels);
    }

    /// A connection wasn't let in.
    pub fn connection_refused(&self, why: Refused) {
        let labels = [KeyValue::new(name::CAUSE, why.as_str())];
        self.0.instruments.connections.refused.add(1, &labels);
    }

    /// A handshake is under way until the guard drops.
    #[must_use = "the handshake counts as ended once this drops"]
    pub fn handshake_began(&self) -> Handshaking {
        self.0.instruments.connections.handshaking.add(1, &[]);
        Handshaking(self.clone())
    }

    /// No connection could be accepted for want of resources.
    pub fn accept_failed(&self) {
        self.0.instruments.connections.accept_failures.add(1, &[]);
    }

    /// A request was turned away.
    pub fn request_shed(&self, why: Shed) {
        let labels = [KeyValue::new(name::CAUSE, why.as_str())];
        self.0.instruments.connections.shed.add(1, &labels);
    }
}

/// An open connection; see [`Metrics::connection_opened`].
#[derive(Debug)]
pub struct Open {
    metrics: Metrics,
    labels: [KeyValue; 1],
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics
            .0
            .instruments
            .connections
            .open
            .add(-1, &self.labels);
    }
}

/// A handshake under way; see [`Metrics::handshake_began`].
#[derive(Debug)]
pub struct Handshaking(Metrics);

impl Drop for Handshaking {
    fn drop(&mut self) {
        self.0.0.instruments.connections.handshaking.add(-1, &[]);
    }
}
