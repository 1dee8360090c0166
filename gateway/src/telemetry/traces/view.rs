//! A kept trace as the operators' listener shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use opentelemetry::{KeyValue, Value};
use serde::Serialize;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::shelf::Numbered;
use super::span::{Span, Target};
use super::{Trace, Why, path};

/// A line of the list.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Its number, by which the list is paged.
    pub number: u64,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// When the request arrived, RFC 3339.
    pub began: String,
    /// Milliseconds until its last part had ended.
    pub took_ms: f64,
    /// Why it is kept.
    pub why: Why,
    /// The route's template.
    pub route: &'static str,
    /// The status of the answer; nothing if the caller left.
    pub status: Option<u16>,
    /// The problem's code, if it was refused.
    pub code: Option<&'static str>,
    /// Who asked.
    pub member: Option<String>,
    /// What for.
    pub purpose: Option<&'static str>,
    /// How the lookup went as a whole.
    pub overall: Option<&'static str>,
    /// The caller's own number of it.
    pub request_id: Option<Uuid>,
    /// Its audit entry.
    pub entry: Option<u64>,
    /// What became of each call, the first that ended first.
    pub calls: Vec<CallSummary>,
}

/// What became of a call to an agency.
#[derive(Debug, Serialize)]
pub struct CallSummary {
    /// The agency.
    pub agency: String,
    /// Its system.
    pub system: String,
    /// The record, or the pattern of the service's paths.
    pub target: String,
    /// The word of the lookup's answer; `cancelled` if nobody wanted it any more.
    pub outcome: &'static str,
    /// Why it failed, if it did.
    #[serde(rename = "error.type")]
    pub error_type: Option<&'static str>,
    /// Milliseconds.
    pub took_ms: f64,
}

/// All that is known of a trace.
#[derive(Debug, Serialize)]
pub struct Detail {
    /// The line of the list.
    #[serde(flatten)]
    pub summary: Summary,
    /// Its spans, the first that began first.
    pub spans: Vec<SpanView>,
    /// Its log lines.
    pub lines: Vec<Box<RawValue>>,
}

/// A span.
#[derive(Debug, Serialize)]
pub struct SpanView {
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// What it is part of.
    pub parent_span_id: Option<String>,
    /// As exported.
    pub name: String,
    /// `server`, `client` or `internal`.
    pub kind: &'static str,
    /// Milliseconds since the request arrived.
    pub begins_ms: f64,
    /// Milliseconds.
    pub took_ms: f64,
    /// Whether it failed.
    pub failed: bool,
    /// Whether the end waited for it.
    pub critical: bool,
    /// By name.
    pub attributes: BTreeMap<String, serde_json::Value>,
}

impl Summary {
    pub(super) fn of(kept: &Numbered) -> Self {
        let trace = &kept.trace;
        let served = trace.served().map(|(_, served)| served);
        Self {
            number: kept.number,
            trace_id: trace.id.to_string(),
            began: began(trace),
            took_ms: milliseconds(trace.took()),
            why: trace.why,
            route: served.map_or("", |served| served.labels.route),
            status: served.and_then(|served| served.end.status),
            code: served.and_then(|served| served.code),
            member: served.and_then(|served| served.member.as_deref().map(str::to_owned)),
            purpose: served.and_then(|served| served.purpose),
            overall: served.and_then(|served| served.overall),
            request_id: served.and_then(|served| served.request_id),
            entry: served.and_then(|served| served.entry),
            calls: trace
                .calls()
                .map(|(span, call)| {
                    let (Target::Record(target) | Target::Route(target)) = &call.target;
                    CallSummary {
                        agency: call.peer.agency().to_string(),
                        system: call.peer.system().to_string(),
                        target: target.to_string(),
                        outcome: call.outcome,
                        error_type: call.end.error_type,
                        took_ms: milliseconds(span.took),
                    }
                })
                .collect(),
        }
    }
}

impl Detail {
    pub(super) fn of(kept: &Numbered) -> Self {
        let trace = &kept.trace;
        let critical = path::critical(&trace.spans);
        let mut spans: Vec<&Span> = trace.spans.iter().collect();
        spans.sort_by_key(|span| (span.begins, span.parent.is_some()));
        let lines = trace.lines.iter();
        Self {
            summary: Summary::of(kept),
            spans: spans
                .into_iter()
                .map(|span| SpanView {
                    span_id: span.id.to_string(),
                    parent_span_id: span.parent.or(trace.caller).map(|id| id.to_string()),
                    name: span.name(),
                    kind: match span.kind() {
                        opentelemetry::trace::SpanKind::Server => "server",
                        opentelemetry::trace::SpanKind::Client => "client",
                        _ => "internal",
                    },
                    begins_ms: milliseconds(span.begins),
                    took_ms: milliseconds(span.took),
                    failed: span.failed(),
                    critical: critical.contains(&span.id),
                    attributes: span.attributes().into_iter().map(member).collect(),
                })
                .collect(),
            lines: lines
                .filter_map(|line| RawValue::from_string(line.to_string()).ok())
                .collect(),
        }
    }
}

fn member(pair: KeyValue) -> (String, serde_json::Value) {
    let value = match pair.value {
        Value::Bool(value) => value.into(),
        Value::I64(value) => value.into(),
        Value::F64(value) => value.into(),
        other => other.as_str().into_owned().into(),
    };
    (pair.key.to_string(), value)
}

fn began(trace: &Trace) -> String {
    let began = Timestamp::try_from(trace.began);
    began.map(|began| format!("{began:.6}")).unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
