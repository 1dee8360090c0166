//! Spans of the hot path, made by hand: no context is activated, so an unsampled request pays for
//! its ids and little else.

mod client;
mod server;

use loket_sdk::trace::{SpanId as WireSpanId, TraceContext, TraceId as WireTraceId};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue, SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator, SdkTracer, Span};

pub use self::client::{Called, ClientSpan};
pub(super) use self::server::Arrival;
pub use self::server::ServerSpan;
use super::names as name;

/// Where a request stands in its trace: enough to start children from any task.
#[derive(Clone, Debug)]
pub struct SpanHandle(SpanContext);

impl SpanHandle {
    fn of(span: &Span, parent: Option<TraceId>) -> Self {
        let context = span.span_context();
        if context.is_valid() {
            return Self(context.clone());
        }
        // After shutdown the SDK hands out zeros, but answers still need an id to quote.
        let ids = RandomIdGenerator::default();
        Self(SpanContext::new(
            parent.unwrap_or_else(|| ids.new_trace_id()),
            ids.new_span_id(),
            TraceFlags::default(),
            false,
            TraceState::NONE,
        ))
    }

    /// What belongs to no request.
    pub(super) fn none() -> Self {
        Self(SpanContext::NONE)
    }

    fn child_context(&self) -> Context {
        Context::new().with_remote_span_context(self.0.clone())
    }

    /// The id of the whole trace.
    pub fn trace_id(&self) -> [u8; 16] {
        self.0.trace_id().to_bytes()
    }

    /// The id of this span.
    pub fn span_id(&self) -> [u8; 8] {
        self.0.span_id().to_bytes()
    }

    /// Whether the trace is recorded.
    pub fn sampled(&self) -> bool {
        self.0.is_sampled()
    }

    /// The trace id as answers, audit entries and log lines show it: 32 hexadecimal digits.
    pub fn trace_id_hex(&self) -> String {
        self.0.trace_id().to_string()
    }

    /// What to send on, so that the other end joins the trace.
    pub fn trace_context(&self) -> TraceContext {
        TraceContext {
            // A handle's ids are never zero.
            trace_id: WireTraceId::from_bytes(self.trace_id()).unwrap_or_else(WireTraceId::random),
            span_id: WireSpanId::from_bytes(self.span_id()).unwrap_or_else(WireSpanId::random),
            sampled: self.sampled(),
            tracestate: None,
        }
    }
}

/// A room that takes time; ends when dropped.
#[derive(Debug)]
#[must_use = "the span ends once this drops"]
pub struct RoomSpan {
    // The SDK's span ends itself when dropped.
    _span: Span,
}

impl RoomSpan {
    pub(super) fn start(tracer: &SdkTracer, parent: &SpanHandle, room: &'static str) -> Self {
        let builder = tracer.span_builder(room).with_kind(SpanKind::Internal);
        Self {
            _span: tracer.build_with_context(builder, &parent.child_context()),
        }
    }
}

/// No description: `error.type` and the status code already say it.
fn set_error(span: &mut Span, failed: bool, error_type: Option<&'static str>) {
    if let Some(word) = error_type {
        span.set_attribute(KeyValue::new(name::ERROR_TYPE, word));
    }
    if failed {
        span.set_status(Status::error(""));
    }
}

/// The caller's position in its trace, as OpenTelemetry has it.
fn remote(context: &TraceContext) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(context.trace_id.to_bytes()),
        SpanId::from_bytes(context.span_id.to_bytes()),
        if context.sampled {
            TraceFlags::SAMPLED
        } else {
            TraceFlags::default()
        },
        true,
        // What a caller writes there isn't for us to export.
        TraceState::NONE,
    )
}
