//! A trace in OTLP's JSON encoding (<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>).

use std::time::{Duration, SystemTime};

use opentelemetry::trace::SpanKind;
use opentelemetry::{KeyValue, Value};
use serde_json::{Value as Json, json};

use super::Trace;
use super::shelf::Numbered;
use super::span::Span;
use crate::telemetry::names;

/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// The requests of one trace as an `ExportTraceServiceRequest`.
pub(super) fn document(parts: &[Numbered], resource: &[(String, String)]) -> Json {
    let spans = parts.iter().flat_map(|kept| {
        let trace = &kept.trace;
        trace.spans.iter().map(|span| exported(span, trace))
    });
    let resource = resource
        .iter()
        .map(|(key, value)| json!({"key": key, "value": {"stringValue": value}}));
    json!({"resourceSpans": [{
        "resource": {"attributes": resource.collect::<Vec<_>>()},
        "scopeSpans": [{
            "scope": {"name": names::NAMESPACE},
            "spans": spans.collect::<Vec<_>>(),
        }],
    }]})
}

fn exported(span: &Span, trace: &Trace) -> Json {
    let mut document = json!({
        "traceId": trace.id.to_string(),
        "spanId": span.id.to_string(),
        "name": span.name(),
        "kind": kind(&span.kind()),
        "startTimeUnixNano": nanoseconds(trace.began, span.begins),
        "endTimeUnixNano": nanoseconds(trace.began, span.ends()),
        "attributes": span.attributes().into_iter().map(attribute).collect::<Vec<_>>(),
        "status": {},
    });
    if let Some(parent) = span.parent.or(trace.caller) {
        document["parentSpanId"] = parent.to_string().into();
    }
    if span.failed() {
        document["status"] = json!({"code": ERROR});
    }
    document
}

fn kind(kind: &SpanKind) -> u8 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Producer => 4,
        SpanKind::Consumer => 5,
    }
}

/// 64-bit numbers are strings there.
fn nanoseconds(began: SystemTime, offset: Duration) -> String {
    let since = (began + offset).duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_nanos().to_string()
}

fn attribute(pair: KeyValue) -> Json {
    let value = match pair.value {
        Value::Bool(value) => json!({"boolValue": value}),
        Value::I64(value) => json!({"intValue": value.to_string()}),
        Value::F64(value) => json!({"doubleValue": value}),
        other => json!({"stringValue": other.as_str()}),
    };
    json!({"key": pair.key.as_str(), "value": value})
}
