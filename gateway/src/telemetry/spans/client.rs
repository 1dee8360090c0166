//! The span of a call to an agency.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use loket_sdk::trace::TraceContext;
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanKind};
use opentelemetry_sdk::trace::Span;

use super::{Recorder, SpanHandle, Started, set_error};
use crate::telemetry::ErrorType;
use crate::telemetry::metrics::{HttpEnd, Peer};
use crate::telemetry::names as name;

/// What the gateway calls at an agency.
const RECORD_TEMPLATE: &str = "/v1/records/{record}/{major}";

/// One attempt to fetch a record from an agency.
///
/// Ends with [`finish`](Self::finish); dropped before that, it was cancelled, which is no error.
#[derive(Debug)]
pub struct ClientSpan {
    span: Option<Box<Span>>,
    handle: SpanHandle,
    peer: Arc<Peer>,
    started: Instant,
    finished: bool,
}

impl ClientSpan {
    pub(in crate::telemetry) fn start(
        recorder: &Recorder,
        parent: &SpanHandle,
        peer: Arc<Peer>,
        record: &str,
    ) -> Self {
        let Started { handle, mut span } = recorder.child("POST", SpanKind::Client, parent);
        if let Some(span) = &mut span {
            span.set_attributes(call_attributes(&peer, record));
        }
        Self {
            span,
            handle,
            peer,
            started: Instant::now(),
            finished: false,
        }
    }

    /// A handle for children, and the ids to send to the agency.
    pub fn handle(&self) -> &SpanHandle {
        &self.handle
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
        mut self,
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
            self.peer.agency().succeeded();
        }
        self.end(HttpEnd { status, error_type }, outcome);
    }

    fn end(&mut self, end: HttpEnd, outcome: &'static str) {
        if let Some(span) = &mut self.span {
            span.end();
        }
        let elapsed = self.started.elapsed();
        self.peer.exchanged(end, elapsed);
        self.peer.agency().called(outcome, end.error_type, elapsed);
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

fn call_attributes(peer: &Peer, record: &str) -> [KeyValue; 8] {
    let mut url = String::from("https://");
    let (host, port, agency) = (peer.address(), peer.port(), peer.agency().name());
    // Writing to a String can't fail.
    let _ = match host.contains(':') {
        true => write!(url, "[{host}]"),
        false => write!(url, "{host}"),
    };
    let _ = write!(url, ":{port}/v1/records/{record}");
    [
        KeyValue::new(name::HTTP_METHOD, "POST"),
        KeyValue::new(name::SERVER_ADDRESS, Arc::clone(host)),
        KeyValue::new(name::SERVER_PORT, i64::from(port)),
        KeyValue::new(name::URL_FULL, url),
        KeyValue::new(name::URL_TEMPLATE, RECORD_TEMPLATE),
        KeyValue::new(name::PEER, Arc::clone(agency)),
        KeyValue::new(name::PEER_DEPRECATED, Arc::clone(agency)),
        KeyValue::new(name::RECORD, record.to_owned()),
    ]
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
