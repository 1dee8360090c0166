//! What metrics are filed under, where more than one label or a choice of words is at stake.

use opentelemetry::KeyValue;

use crate::telemetry::names as name;

/// Whose limit a request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RateScope {
    /// One counter's.
    Counter,
    /// The whole mall's.
    Mall,
    /// One agency's.
    Agency,
}

/// What a limit or the grants said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// What became of an id that came again, or of one that was known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It had the same answer again.
    Replayed,
    /// It came with another body.
    Conflict,
    /// Its lookup was under way.
    InProgress,
    /// It was asked again: there was no answer that could be opened and is still granted.
    AskedAgain,
    /// It was forgotten before its time, for want of room.
    Evicted,
    /// Its answer couldn't be read, or not in time.
    Unreadable,
    /// It stood among the kept answers, and this gateway hadn't written it.
    Forged,
}

impl Replayed {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Replayed => "replayed",
            Self::Conflict => "conflict",
            Self::InProgress => "in_progress",
            Self::AskedAgain => "asked_again",
            Self::Evicted => "evicted",
            Self::Unreadable => "unreadable",
            Self::Forged => "forged",
        }
    }
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

    pub(in crate::telemetry) fn ended(&self, end: HttpEnd) -> Vec<KeyValue> {
        let mut all = Vec::with_capacity(6);
        all.extend(self.active());
        all.push(KeyValue::new(name::HTTP_ROUTE, self.route));
        all.push(KeyValue::new(name::PROTOCOL_VERSION, self.protocol_version));
        all.extend(end.labels());
        all
    }

    /// What tells one label set from another, the most telling first.
    pub(super) fn key(&self, end: HttpEnd) -> ServerKey {
        let Self {
            method,
            scheme,
            route,
            protocol_version,
        } = *self;
        (end, route, method, protocol_version, scheme)
    }
}

pub(super) type ServerKey = (
    HttpEnd,
    &'static str,
    &'static str,
    &'static str,
    &'static str,
);

/// How an HTTP exchange ended: its status, and its error if it was one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::telemetry) struct HttpEnd {
    pub(in crate::telemetry) status: Option<u16>,
    pub(in crate::telemetry) error_type: Option<&'static str>,
}

impl HttpEnd {
    pub(super) fn labels(self) -> impl Iterator<Item = KeyValue> {
        let status = self
            .status
            .map(|code| KeyValue::new(name::HTTP_STATUS, i64::from(code)));
        let error_type = self
            .error_type
            .map(|word| KeyValue::new(name::ERROR_TYPE, word));
        status.into_iter().chain(error_type)
    }
}
