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

/// What an HTTP server request is filed under.
#[derive(Clone, Copy, Debug)]
pub(in crate::telemetry) struct ServerLabels {
    pub(in crate::telemetry) method: &'static str,
    pub(in crate::telemetry) scheme: &'static str,
    pub(in crate::telemetry) route: &'static str,
    pub(in crate::telemetry) protocol_version: &'static str,
}

/// What a call to an agency is filed under.
#[derive(Clone, Debug)]
pub(in crate::telemetry) struct ClientLabels {
    pub(in crate::telemetry) agency: Arc<str>,
    pub(in crate::telemetry) server_address: Arc<str>,
    pub(in crate::telemetry) server_port: u16,
}

impl ServerLabels {
    pub(super) fn active(&self) -> [KeyValue; 2] {
        [
            KeyValue::new(name::HTTP_METHOD, self.method),
            KeyValue::new(name::URL_SCHEME, self.scheme),
        ]
    }
}
