//! The span of a call to an agency.

use std::fmt::Write as _;
use std::sync::Arc;

use loket_sdk::trace::TraceContext;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanKind};
use opentelemetry_sdk::trace::Span;
use tokio::time::Instant;

use super::{Recorder, SpanHandle, Started, set_error};
use crate::telemetry::ErrorType;
use crate::telemetry::metrics::{HttpEnd, Metrics, PeerAddress};
use crate::telemetry::names as name;

/// What the gateway calls at an agency.
const RECORD_TEMPLATE: &str = "/v1/records/{record}/{major}";

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
    span: Option<Box<Span>>,
    handle: SpanHandle,
    metrics: Metrics,
    address: PeerAddress,
    method: &'static str,
    started: Instant,
    finished: bool,
}

impl ClientSpan {
    pub(in crate::telemetry) fn start(
        recorder: &Recorder,
        metrics: Metrics,
        parent: &SpanHandle,
        address: &PeerAddress,
        called: Called<'_>,
    ) -> Self {
        let method = called.method();
        let Started { handle, mut span } = recorder.child(method, SpanKind::Client, parent);
        if let Some(span) = &mut span {
            span.set_attributes(call_attributes(address, called));
        }
        Self {
            span,
            handle,
            metrics,
            address: address.clone(),
            method,
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
        if let Some(span) = &mut self.span {
            span.set_attributes(
                [
                    Some(KeyValue::new(name::OUTCOME, outcome)),
                    Some(KeyValue::new(name::REASON, word(reason))),
                    status.map(|code| KeyValue::new(name::HTTP_STATUS, i64::from(code))),
                    (resend_count > 0)
                        .then(|| KeyValue::new(name::HTTP_RESEND_COUNT, i64::from(resend_count))),
                ]
                .into_iter()
                .flatten(),
            );
            set_error(span, error_type.is_some(), error_type);
        }
        if error_type.is_none() && status.is_some() {
            self.metrics.agency_succeeded(&self.address.peer);
        }
        self.end(HttpEnd { status, error_type }, outcome);
    }

    fn end(&mut self, end: HttpEnd, outcome: &'static str) {
        if let Some(span) = &mut self.span {
            span.end();
        }
        let elapsed = self.started.elapsed();
        self.metrics
            .client_ended(self.method, &self.address, end, elapsed);
        self.metrics
            .agency_call(&self.address.peer, outcome, end.error_type, elapsed);
    }
}

impl Drop for ClientSpan {
    fn drop(&mut self) {
        if !self.finished {
            if let Some(span) = &mut self.span {
                span.set_attribute(KeyValue::new(name::CANCELLED, true));
            }
            let end = HttpEnd {
                status: None,
                error_type: None,
            };
            self.end(end, "cancelled");
        }
    }
}

fn call_attributes(
    address: &PeerAddress,
    called: Called<'_>,
) -> impl Iterator<Item = KeyValue> + use<> {
    let mut url = String::from("https://");
    let host = &address.host;
    // Writing to a String can't fail.
    let _ = match host.contains(':') {
        true => write!(url, "[{host}]"),
        false => write!(url, "{host}"),
    };
    let _ = write!(url, ":{}", address.port);
    let (template, record) = match called {
        Called::Record(record) => {
            let _ = write!(url, "/v1/records/{record}");
            (RECORD_TEMPLATE.to_owned(), Some(record.to_owned()))
        }
        Called::Route { template, .. } => {
            url.push_str(template);
            (template.to_owned(), None)
        }
    };
    [
        KeyValue::new(name::HTTP_METHOD, called.method()),
        KeyValue::new(name::SERVER_ADDRESS, Arc::clone(&address.host)),
        KeyValue::new(name::SERVER_PORT, i64::from(address.port)),
        KeyValue::new(name::URL_FULL, url),
        KeyValue::new(name::URL_TEMPLATE, template),
        KeyValue::new(name::PEER, Arc::clone(address.peer.agency())),
        KeyValue::new(name::PEER_DEPRECATED, Arc::clone(address.peer.agency())),
        KeyValue::new(name::SYSTEM, Arc::clone(address.peer.system())),
    ]
    .into_iter()
    .chain(record.map(|record| KeyValue::new(name::RECORD, record)))
}

/// A word of the vocabulary as it is; anything else was written by somebody.
fn word(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if text.len() <= 32 && text.bytes().all(plain) {
        text.to_owned()
    } else {
        "other".to_owned()
    }
}
