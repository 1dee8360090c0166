//! The span of a caller's request.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, Version};
use loket_sdk::trace::TraceContext;
use opentelemetry::trace::Span as _;
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::trace::Span;
use tokio::time::Instant;

use super::{Recorder, SpanHandle, Started, set_error};
use crate::telemetry::ErrorType;
use crate::telemetry::metrics::{HttpEnd, Metrics, ServerLabels};
use crate::telemetry::names as name;

/// A request that a caller sent to the gateway.
///
/// Ends with [`finish`](Self::finish); dropped before that, the caller left.
#[derive(Debug)]
pub struct ServerSpan {
    span: Option<Box<Span>>,
    handle: SpanHandle,
    metrics: Metrics,
    labels: ServerLabels,
    started: Instant,
    finished: bool,
}

/// What is known of a request before it is read.
pub(in crate::telemetry) struct Arrival<'a> {
    pub(in crate::telemetry) method: &'a Method,
    pub(in crate::telemetry) route: &'static str,
    pub(in crate::telemetry) parent: Option<&'a TraceContext>,
    pub(in crate::telemetry) path: &'a str,
    pub(in crate::telemetry) scheme: &'static str,
    pub(in crate::telemetry) version: Version,
    pub(in crate::telemetry) peer: Option<SocketAddr>,
}

impl ServerSpan {
    pub(in crate::telemetry) fn start(
        recorder: &Recorder,
        metrics: Metrics,
        arrival: &Arrival<'_>,
    ) -> Self {
        let labels = ServerLabels {
            method: known_method(arrival.method),
            scheme: arrival.scheme,
            route: arrival.route,
            protocol_version: version_number(arrival.version),
        };
        let Started { handle, mut span } = recorder.root(arrival.route, arrival.parent);
        if let Some(span) = &mut span {
            span.update_name(format!("{} {}", span_method(labels.method), arrival.route));
            span.set_attributes(arrival_attributes(&labels, arrival));
        }
        metrics.server_started(&labels);
        Self {
            span,
            handle,
            metrics,
            labels,
            started: Instant::now(),
            finished: false,
        }
    }

    /// A handle for the rooms and tasks that work on this request.
    pub fn handle(&self) -> &SpanHandle {
        &self.handle
    }

    /// When it arrived.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The id of the whole trace; never all zeros.
    pub fn trace_id(&self) -> [u8; 16] {
        self.handle.trace_id()
    }

    /// The id of this span; never all zeros.
    pub fn span_id(&self) -> [u8; 8] {
        self.handle.span_id()
    }

    /// Whether the trace is recorded.
    pub fn sampled(&self) -> bool {
        self.handle.sampled()
    }

    /// The trace id as 32 hexadecimal digits.
    pub fn trace_id_hex(&self) -> String {
        self.handle.trace_id_hex()
    }

    /// The purpose, once it is known to be a configured one.
    pub fn purpose(&mut self, purpose: &str) {
        self.set(name::PURPOSE, purpose);
    }

    /// The member organisation that the certificate names.
    pub fn member(&mut self, member: &str) {
        self.set(name::MEMBER, member);
    }

    /// How the lookup went as a whole.
    pub fn overall(&mut self, overall: &str) {
        self.set(name::OVERALL, overall);
    }

    /// The answer left, or its head did; how long that took. A 5xx without an `error_type` has its
    /// code as one.
    pub fn finish(mut self, status: u16, error_type: Option<&'static str>) -> Duration {
        self.finished = true;
        let failed = status >= 500;
        let error_type = error_type.or_else(|| failed.then(|| ErrorType::Status(status).as_str()));
        if let Some(span) = &mut self.span {
            span.set_attribute(KeyValue::new(name::HTTP_STATUS, i64::from(status)));
            set_error(span, failed, error_type);
        }
        let status = Some(status);
        self.end(HttpEnd { status, error_type })
    }

    fn end(&mut self, end: HttpEnd) -> Duration {
        if let Some(span) = &mut self.span {
            span.end();
        }
        let elapsed = self.started.elapsed();
        self.metrics.server_ended(&self.labels, end, elapsed);
        elapsed
    }

    fn set(&mut self, key: &'static str, value: &str) {
        if let Some(span) = &mut self.span {
            span.set_attribute(KeyValue::new(key, value.to_owned()));
        }
    }
}

impl Drop for ServerSpan {
    fn drop(&mut self) {
        if !self.finished {
            if let Some(span) = &mut self.span {
                span.set_attribute(KeyValue::new(name::ABANDONED, true));
            }
            self.end(HttpEnd {
                status: None,
                error_type: None,
            });
        }
    }
}

fn arrival_attributes(labels: &ServerLabels, arrival: &Arrival<'_>) -> Vec<KeyValue> {
    let mut all = vec![
        KeyValue::new(name::HTTP_METHOD, labels.method),
        KeyValue::new(name::HTTP_ROUTE, labels.route),
        KeyValue::new(name::URL_PATH, scrubbed(arrival.path, 256)),
        KeyValue::new(name::URL_SCHEME, labels.scheme),
        KeyValue::new(name::PROTOCOL_VERSION, labels.protocol_version),
    ];
    if labels.method == OTHER_METHOD {
        let original = scrubbed(arrival.method.as_str(), 32);
        all.push(KeyValue::new(name::HTTP_METHOD_ORIGINAL, original));
    }
    if let Some(peer) = arrival.peer {
        let address: Value = peer.ip().to_string().into();
        all.push(KeyValue::new(name::CLIENT_ADDRESS, address.clone()));
        all.push(KeyValue::new(name::PEER_ADDRESS, address));
        all.push(KeyValue::new(name::PEER_PORT, i64::from(peer.port())));
    }
    all
}

const OTHER_METHOD: &str = "_OTHER";

fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => OTHER_METHOD,
    }
}

/// The conventions name a span of an unknown method `HTTP`.
fn span_method(method: &'static str) -> &'static str {
    if method == OTHER_METHOD {
        "HTTP"
    } else {
        method
    }
}

fn version_number(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => "1.1",
    }
}

/// Text a caller wrote, without what could be a citizen's number.
///
/// Identity numbers have 15 or 16 digits; the longest run in a UUID is 12.
fn scrubbed(text: &str, limit: usize) -> String {
    const LONGEST: usize = 12;
    let mut clean = String::with_capacity(text.len().min(limit));
    let mut digits = String::new();
    for letter in text.chars().chain([' ']) {
        if letter.is_ascii_digit() {
            digits.push(letter);
            continue;
        }
        if digits.len() > LONGEST {
            clean.push('*');
        } else {
            clean.push_str(&digits);
        }
        digits.clear();
        if clean.len() >= limit {
            break;
        }
        clean.push(letter);
    }
    // The blank that ended the last run of digits.
    if clean.ends_with(' ') {
        clean.pop();
    }
    clean
}
