//! The span of a caller's request.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, Version};
use loket_sdk::trace::TraceContext;
use tokio::time::Instant;
use uuid::Uuid;

use super::{Recorder, SpanHandle};
use crate::telemetry::ErrorType;
use crate::telemetry::metrics::{HttpEnd, Metrics, ServerLabels};
use crate::telemetry::traces::{Served, Work};

/// A request that a caller sent to the gateway.
///
/// Ends with [`finish`](Self::finish); dropped before that, the caller left.
#[derive(Debug)]
pub struct ServerSpan {
    handle: SpanHandle,
    /// Nothing if nobody would know of it.
    served: Option<Box<Served>>,
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
        let started = Instant::now();
        let handle = recorder.root(arrival.parent, started);
        let recorded = handle.recording.is_some();
        metrics.server_started(&labels);
        Self {
            handle,
            served: recorded.then(|| Box::new(served(labels, arrival))),
            metrics,
            labels,
            started,
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

    /// What is known of the request by now, for its trace.
    pub fn knows(&mut self, known: impl FnOnce(&mut Known<'_>)) {
        if let Some(served) = &mut self.served {
            known(&mut Known(served));
        }
    }

    /// The answer left, or its head did; how long that took. A 5xx without an `error_type` has its
    /// code as one.
    pub fn finish(mut self, status: u16, error_type: Option<&'static str>) -> Duration {
        self.finished = true;
        let failed = status >= 500;
        let error_type = error_type.or_else(|| failed.then(|| ErrorType::Status(status).as_str()));
        let status = Some(status);
        self.end(HttpEnd { status, error_type }, false)
    }

    fn end(&mut self, end: HttpEnd, abandoned: bool) -> Duration {
        let elapsed = self.started.elapsed();
        if let Some(mut served) = self.served.take() {
            served.end = end;
            served.abandoned = abandoned;
            self.handle
                .ended(None, self.started, || Work::Served(served));
        }
        self.metrics.server_ended(&self.labels, end, elapsed);
        elapsed
    }
}

impl Drop for ServerSpan {
    fn drop(&mut self) {
        if !self.finished {
            let end = HttpEnd {
                status: None,
                error_type: None,
            };
            self.end(end, true);
        }
    }
}

/// What may be known of a request. Each is a name from the configuration, a word of a closed list or a number.
#[derive(Debug)]
pub struct Known<'a>(&'a mut Served);

impl Known<'_> {
    /// The member organisation that the certificate names.
    pub fn member(&mut self, member: &str) {
        self.0.member = Some(member.into());
    }

    /// What is asked, once the purpose is known to be a configured one.
    pub fn lookup(&mut self, purpose: &'static str, request_id: Uuid) {
        (self.0.purpose, self.0.request_id) = (Some(purpose), Some(request_id));
    }

    /// The number of its audit entry.
    pub fn entry(&mut self, entry: u64) {
        self.0.entry = Some(entry);
    }

    /// It broke the glass.
    pub fn broke_glass(&mut self) {
        self.0.broke_glass = true;
    }

    /// How the lookup went as a whole.
    pub fn overall(&mut self, overall: &'static str) {
        self.0.overall = Some(overall);
    }

    /// The code of the problem that is answered.
    pub fn code(&mut self, code: &'static str) {
        self.0.code = Some(code);
    }
}

fn served(labels: ServerLabels, arrival: &Arrival<'_>) -> Served {
    Served {
        labels,
        path: scrubbed(arrival.path, 256).into(),
        peer: arrival.peer,
        end: HttpEnd {
            status: None,
            error_type: None,
        },
        abandoned: false,
        member: None,
        purpose: None,
        overall: None,
        code: None,
        request_id: None,
        entry: None,
        broke_glass: false,
    }
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
