//! A span: what is known of one piece of work, kept as it is known. Attributes are made when somebody asks.

use std::net::SocketAddr;
use std::time::Duration;

use loket_sdk::trace::SpanId;
use uuid::Uuid;

use crate::telemetry::metrics::{HttpEnd, Peer, PeerAddress, ServerLabels};

/// A piece of work that has ended.
#[derive(Debug)]
pub(in crate::telemetry) struct Span {
    pub(in crate::telemetry) id: SpanId,
    /// What it was part of; nothing for the request itself.
    pub(in crate::telemetry) parent: Option<SpanId>,
    /// Since the request arrived.
    pub(in crate::telemetry) begins: Duration,
    pub(in crate::telemetry) took: Duration,
    pub(in crate::telemetry) work: Work,
}

#[derive(Debug)]
pub(in crate::telemetry) enum Work {
    Served(Box<Served>),
    Called(Box<Call>),
    /// A room of the pipeline that takes time.
    Room(&'static str),
}

/// A caller's request.
#[derive(Debug)]
pub(in crate::telemetry) struct Served {
    pub(in crate::telemetry) labels: ServerLabels,
    pub(in crate::telemetry) path: Box<str>,
    pub(in crate::telemetry) peer: Option<SocketAddr>,
    pub(in crate::telemetry) end: HttpEnd,
    /// The caller left.
    pub(in crate::telemetry) abandoned: bool,
    pub(in crate::telemetry) member: Option<Box<str>>,
    pub(in crate::telemetry) purpose: Option<&'static str>,
    pub(in crate::telemetry) overall: Option<&'static str>,
    /// The problem's code.
    pub(in crate::telemetry) code: Option<&'static str>,
    pub(in crate::telemetry) request_id: Option<Uuid>,
    /// The number of its audit entry.
    pub(in crate::telemetry) entry: Option<u64>,
    pub(in crate::telemetry) broke_glass: bool,
}

/// A call to an agency.
#[derive(Debug)]
pub(in crate::telemetry) struct Call {
    pub(in crate::telemetry) peer: Peer,
    /// Nothing if it was never sent.
    pub(in crate::telemetry) address: Option<PeerAddress>,
    pub(in crate::telemetry) method: &'static str,
    pub(in crate::telemetry) target: Target,
    pub(in crate::telemetry) end: HttpEnd,
    pub(in crate::telemetry) outcome: &'static str,
    /// A word of the vocabulary, or `other`.
    pub(in crate::telemetry) reason: Option<Box<str>>,
    /// Which attempt it was, from 0.
    pub(in crate::telemetry) resend: u32,
    /// Nobody wanted its answer any more.
    pub(in crate::telemetry) cancelled: bool,
}

/// What was called.
#[derive(Debug)]
pub(in crate::telemetry) enum Target {
    /// A record, `person-identity/1` for example.
    Record(Box<str>),
    /// A service, by the pattern of its paths.
    Route(Box<str>),
}

impl Served {
    /// There was no room for it, or the gateway drains: nothing of its own failed.
    pub(super) fn was_shed(&self) -> bool {
        matches!(self.code, Some("overloaded" | "draining"))
    }
}

impl Call {
    /// What a service answers to its caller, as that there is no such thing, is between the two.
    fn failed(&self) -> bool {
        let theirs = |status| (400..500).contains(&status) && status != 429;
        let between =
            matches!(self.target, Target::Route(_)) && self.end.status.is_some_and(theirs);
        self.end.error_type.is_some() && !between
    }
}

impl Span {
    pub(super) fn ends(&self) -> Duration {
        self.begins + self.took
    }

    /// Whether its work failed; a refusal is the caller's.
    pub(super) fn failed(&self) -> bool {
        match &self.work {
            Work::Served(served) => served.end.status.is_some_and(|status| status >= 500),
            Work::Called(call) => call.failed(),
            Work::Room(_) => false,
        }
    }

    pub(super) fn name(&self) -> String {
        match &self.work {
            Work::Served(served) => {
                // The conventions name a span of an unknown method `HTTP`.
                let method = match served.labels.method {
                    "_OTHER" => "HTTP",
                    method => method,
                };
                format!("{method} {}", served.labels.route)
            }
            Work::Called(call) if call.address.is_none() => "not sent".to_owned(),
            Work::Called(call) => call.method.to_owned(),
            Work::Room(name) => (*name).to_owned(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        let len = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let work = match &self.work {
            Work::Served(served) => size_of::<Served>() + served.path.len() + len(&served.member),
            Work::Called(call) => {
                let (Target::Record(target) | Target::Route(target)) = &call.target;
                size_of::<Call>() + target.len() + len(&call.reason)
            }
            Work::Room(_) => 0,
        };
        size_of::<Self>() + work
    }
}
