//! The span of a call to an agency.

use std::time::Duration;

use loket_sdk::trace::{SpanId, TraceContext};
use tokio::time::Instant;

use super::SpanHandle;
use crate::telemetry::ErrorType;
use crate::telemetry::metrics::{HttpEnd, Metrics, Peer, PeerAddress};
use crate::telemetry::traces::{Call, Target, Work};

/// What is called at an agency.
#[derive(Clone, Copy, Debug)]
pub enum Called<'a> {
    /// A record, `person-identity/1` for example.
    Record(&'a str),
    /// A service, by the pattern of its paths; never a path, which may name a person.
    Route {
        /// The method.
        method: &'a http::Method,
        /// The pattern.
        template: &'a str,
    },
}

impl Called<'_> {
    fn method(self) -> &'static str {
        match self {
            Self::Record(_) => "POST",
            Self::Route { method, .. } => method_word(method),
        }
    }

    fn target(self) -> Target {
        match self {
            Self::Record(record) => Target::Record(record.into()),
            Self::Route { template, .. } => Target::Route(template.into()),
        }
    }
}

fn method_word(method: &http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

/// One attempt to call an agency.
///
/// Ends with [`finish`](Self::finish); dropped before that, it was cancelled, which is no error.
#[derive(Debug)]
pub struct ClientSpan {
    handle: SpanHandle,
    parent: SpanId,
    metrics: Metrics,
    address: PeerAddress,
    method: &'static str,
    /// Nothing if nobody would know of it.
    target: Option<Target>,
    started: Instant,
    finished: bool,
}

impl ClientSpan {
    pub(in crate::telemetry) fn start(
        metrics: Metrics,
        parent: &SpanHandle,
        address: &PeerAddress,
        called: Called<'_>,
    ) -> Self {
        Self {
            handle: parent.child(),
            parent: parent.span_id,
            metrics,
            address: address.clone(),
            method: called.method(),
            target: parent.recording.is_some().then(|| called.target()),
            started: Instant::now(),
            finished: false,
        }
    }

    /// A handle for children, and the ids to send to the agency.
    pub fn handle(&self) -> &SpanHandle {
        &self.handle
    }

    /// When it began.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The `traceparent` to send to the agency.
    pub fn trace_context(&self) -> TraceContext {
        self.handle.trace_context()
    }

    /// The agency answered, or won't any more.
    ///
    /// `outcome` and `reason` are the words of the lookup's answer, `resend_count` says which
    /// attempt this was, from 0. It is a failure with an `error_type` or a status from 400 up; an
    /// honest "no such record" has neither.
    pub fn finish(
        &mut self,
        status: Option<u16>,
        outcome: &'static str,
        reason: &str,
        error_type: Option<&'static str>,
        resend_count: u32,
    ) {
        self.finished = true;
        let bad_status = status.filter(|&code| code >= 400);
        let error_type = error_type.or(bad_status.map(|code| ErrorType::Status(code).as_str()));
        if error_type.is_none() && status.is_some() {
            self.metrics.agency_succeeded(&self.address.peer);
        }
        let end = HttpEnd { status, error_type };
        self.end(end, outcome, Some(reason), resend_count);
    }

    fn end(&mut self, end: HttpEnd, outcome: &'static str, reason: Option<&str>, resend: u32) {
        let elapsed = self.started.elapsed();
        if let Some(target) = self.target.take() {
            let call = || {
                Work::Called(Box::new(Call {
                    peer: self.address.peer.clone(),
                    address: Some(self.address.clone()),
                    method: self.method,
                    target,
                    end,
                    outcome,
                    reason: reason.map(word),
                    resend,
                    cancelled: reason.is_none(),
                }))
            };
            self.handle.ended(Some(self.parent), self.started, call);
        }
        self.metrics
            .client_ended(self.method, &self.address, end, elapsed);
        self.metrics
            .agency_call(&self.address.peer, outcome, end.error_type, elapsed);
    }
}

impl Drop for ClientSpan {
    fn drop(&mut self) {
        if !self.finished {
            let end = HttpEnd {
                status: None,
                error_type: None,
            };
            self.end(end, "cancelled", None, 0);
        }
    }
}

/// A call that wasn't sent, as the breaker or a limit refused it.
pub(in crate::telemetry) fn unsent(
    metrics: &Metrics,
    parent: &SpanHandle,
    peer: &Peer,
    called: Called<'_>,
    outcome: &'static str,
    reason: &str,
    error_type: &'static str,
) {
    let end = HttpEnd {
        status: None,
        error_type: Some(error_type),
    };
    if parent.recording.is_some() {
        let call = || {
            Work::Called(Box::new(Call {
                peer: peer.clone(),
                address: None,
                method: called.method(),
                target: called.target(),
                end,
                outcome,
                reason: Some(word(reason)),
                resend: 0,
                cancelled: false,
            }))
        };
        let handle = parent.child();
        handle.ended(Some(parent.span_id), Instant::now(), call);
    }
    metrics.agency_call(peer, outcome, Some(error_type), Duration::ZERO);
}

/// A word of the vocabulary as it is; anything else was written by somebody.
fn word(text: &str) -> Box<str> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if text.len() <= 32 && text.bytes().all(plain) {
        text.into()
    } else {
        "other".into()
    }
}
