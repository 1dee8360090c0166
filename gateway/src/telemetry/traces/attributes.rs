//! A span's attributes, under the names of the telemetry contract, and the span as it is exported.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, SpanId, TraceId, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::Trace;
use super::span::{Call, Served, Span, Target, Work};
use crate::telemetry::metrics::PeerAddress;
use crate::telemetry::names as name;

/// What the gateway calls at an agency.
const RECORD_TEMPLATE: &str = "/v1/records/{record}/{major}";

impl Span {
    pub(super) fn kind(&self) -> SpanKind {
        match &self.work {
            Work::Served(_) => SpanKind::Server,
            Work::Called(call) if call.address.is_some() => SpanKind::Client,
            // Nobody at the other end can have a part in it.
            Work::Called(_) => SpanKind::Internal,
            Work::Room(_) => SpanKind::Internal,
        }
    }

    pub(super) fn attributes(&self) -> Vec<KeyValue> {
        match &self.work {
            Work::Served(served) => served.attributes(),
            Work::Called(call) => call.attributes(),
            Work::Room(_) => Vec::new(),
        }
    }

    /// The span as the SDK's exporters take it.
    pub(super) fn exported(&self, trace: &Trace, scope: &InstrumentationScope) -> SpanData {
        let id = SpanId::from_bytes(self.id.to_bytes());
        let trace_id = TraceId::from_bytes(trace.id.to_bytes());
        let state = TraceState::NONE;
        let parent = self.parent.or(trace.caller);
        let since = |offset: Duration| trace.began + offset;
        SpanData {
            // What is kept is exported, whatever was decided when it began.
            span_context: SpanContext::new(trace_id, id, TraceFlags::SAMPLED, false, state),
            parent_span_id: parent.map_or(SpanId::INVALID, |id| SpanId::from_bytes(id.to_bytes())),
            parent_span_is_remote: self.parent.is_none() && trace.caller.is_some(),
            span_kind: self.kind(),
            name: self.name().into(),
            start_time: since(self.begins),
            end_time: since(self.ends()),
            attributes: self.attributes(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            // No description: `error.type` and the status code already say it.
            status: if self.failed() {
                Status::error("")
            } else {
                Status::Unset
            },
            instrumentation_scope: scope.clone(),
        }
    }
}

fn text(name: &'static str, value: Option<&str>) -> Option<KeyValue> {
    value.map(|value| KeyValue::new(name, value.to_owned()))
}

fn word(name: &'static str, value: Option<&'static str>) -> Option<KeyValue> {
    value.map(|value| KeyValue::new(name, value))
}

fn number(name: &'static str, value: Option<u64>) -> Option<KeyValue> {
    value.map(|value| KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX)))
}

fn flag(name: &'static str, set: bool) -> Option<KeyValue> {
    set.then(|| KeyValue::new(name, true))
}

impl Served {
    fn attributes(&self) -> Vec<KeyValue> {
        let labels = &self.labels;
        let mut all = vec![
            KeyValue::new(name::HTTP_METHOD, labels.method),
            KeyValue::new(name::HTTP_ROUTE, labels.route),
            KeyValue::new(name::URL_PATH, self.path.to_string()),
            KeyValue::new(name::URL_SCHEME, labels.scheme),
            KeyValue::new(name::PROTOCOL_VERSION, labels.protocol_version),
        ];
        if let Some(peer) = self.peer {
            let address: Value = peer.ip().to_string().into();
            all.push(KeyValue::new(name::CLIENT_ADDRESS, address.clone()));
            all.push(KeyValue::new(name::PEER_ADDRESS, address));
            all.push(KeyValue::new(name::PEER_PORT, i64::from(peer.port())));
        }
        let request_id = self.request_id.map(|id| id.to_string());
        let more = [
            number(name::HTTP_STATUS, self.end.status.map(u64::from)),
            word(name::ERROR_TYPE, self.end.error_type),
            flag(name::ABANDONED, self.abandoned),
            text(name::MEMBER, self.member.as_deref()),
            word(name::PURPOSE, self.purpose),
            word(name::OVERALL, self.overall),
            word(name::CODE, self.code),
            text(name::REQUEST_ID, request_id.as_deref()),
            number(name::AUDIT_ENTRY, self.entry),
            flag(name::BROKE_GLASS, self.broke_glass),
        ];
        all.extend(more.into_iter().flatten());
        all
    }
}

impl Call {
    fn attributes(&self) -> Vec<KeyValue> {
        let (template, record) = match &self.target {
            Target::Record(record) => (RECORD_TEMPLATE, Some(&**record)),
            Target::Route(template) => (&**template, None),
        };
        let mut all = vec![
            KeyValue::new(name::PEER, Arc::clone(self.peer.agency())),
            KeyValue::new(name::PEER_DEPRECATED, Arc::clone(self.peer.agency())),
            KeyValue::new(name::SYSTEM, Arc::clone(self.peer.system())),
            KeyValue::new(name::URL_TEMPLATE, template.to_owned()),
        ];
        if let Some(address) = &self.address {
            let path = record.map_or(template.to_owned(), |record| {
                format!("/v1/records/{record}")
            });
            all.extend([
                KeyValue::new(name::HTTP_METHOD, self.method),
                KeyValue::new(name::SERVER_ADDRESS, Arc::clone(&address.host)),
                KeyValue::new(name::SERVER_PORT, i64::from(address.port)),
                KeyValue::new(name::URL_FULL, url(address, &path)),
            ]);
        }
        let outcome = (!self.cancelled).then_some(self.outcome);
        let resend = (self.resend > 0).then_some(u64::from(self.resend));
        let more = [
            text(name::RECORD, record),
            word(name::OUTCOME, outcome),
            text(name::REASON, self.reason.as_deref()),
            number(name::HTTP_STATUS, self.end.status.map(u64::from)),
            number(name::HTTP_RESEND_COUNT, resend),
            word(name::ERROR_TYPE, self.end.error_type),
            flag(name::CANCELLED, self.cancelled),
        ];
        all.extend(more.into_iter().flatten());
        all
    }
}

fn url(address: &PeerAddress, path: &str) -> String {
    let (host, port) = (&address.host, address.port);
    match host.contains(':') {
        true => format!("https://[{host}]:{port}{path}"),
        false => format!("https://{host}:{port}{path}"),
    }
}
