//! What metrics are filed under, where more than one label or a choice of words is at stake.

use std::sync::Arc;

use opentelemetry::KeyValue;

use crate::telemetry::names as name;

/// Whose limit a request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateScope {
    /// One counter's.
    Counter,
    /// The whole mall's.
    Mall,
    /// One agency's.
    Agency,
}

/// What a limit or the grants said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// All of it.
    Allowed,
    /// Some of it.
    Narrowed,
    /// None of it.
    Denied,
}

/// Where an agency's breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// Calls are refused at once.
    Open,
    /// One call at a time tries whether the agency is back.
    HalfOpen,
}

impl RateScope {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Mall => "mall",
            Self::Agency => "agency",
        }
    }
}

impl Decision {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Narrowed => "narrowed",
            Self::Denied => "denied",
        }
    }
}

impl BreakerState {
    pub(super) const ALL: [(Self, &'static str); 3] = [
        (Self::Closed, "closed"),
        (Self::Open, "open"),
        (Self::HalfOpen, "half_open"),
    ];
}

/// Why a call was made again, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resend {
    /// The kept connection was gone before anything was sent.
    Stale,
    /// The first wasn't answered.
    Retry,
    /// The first takes long.
    Hedge,
    /// It would have been, and the budget is spent.
    NoBudget,
}

impl Resend {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::Retry => "retry",
            Self::Hedge => "hedge",
            Self::NoBudget => "no_budget",
        }
    }
}

/// A system of an agency, as metrics name it; cloning it costs two counters.
#[derive(Clone, Debug)]
pub struct Peer {
    pub(in crate::telemetry) agency: Arc<str>,
    pub(in crate::telemetry) system: Arc<str>,
}

impl Peer {
    /// An agency's system.
    pub fn new(agency: &str, system: &str) -> Self {
        Self {
            agency: agency.into(),
            system: system.into(),
        }
    }

    pub(in crate::telemetry) fn labels(&self) -> [KeyValue; 2] {
        [
            KeyValue::new(name::PEER, Arc::clone(&self.agency)),
            KeyValue::new(name::SYSTEM, Arc::clone(&self.system)),
        ]
    }
}

/// One address of a system.
#[derive(Clone, Debug)]
pub struct PeerAddress {
    pub(in crate::telemetry) peer: Peer,
    pub(in crate::telemetry) host: Arc<str>,
    pub(in crate::telemetry) port: u16,
}

impl PeerAddress {
    /// Where a system is called.
    pub fn new(peer: Peer, host: &str, port: u16) -> Self {
        Self {
            peer,
            host: host.into(),
            port,
        }
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

/// What an HTTP server request is filed under.
#[derive(Clone, Copy, Debug)]
pub(in crate::telemetry) struct ServerLabels {
    pub(in crate::telemetry) method: &'static str,
    pub(in crate::telemetry) scheme: &'static str,
    pub(in crate::telemetry) route: &'static str,
    pub(in crate::telemetry) protocol_version: &'static str,
}

impl ServerLabels {
    pub(super) fn active(&self) -> [KeyValue; 2] {
        [
            KeyValue::new(name::HTTP_METHOD, self.method),
            KeyValue::new(name::URL_SCHEME, self.scheme),
        ]
    }
}
