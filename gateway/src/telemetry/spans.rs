//! Spans of the hot path, made by hand: no context is activated, and a trace that isn't recorded
//! pays for its ids and nothing else.

mod client;
mod sampling;
mod server;

use loket_sdk::trace::{SpanId as WireSpanId, TraceContext, TraceId as WireTraceId};
use opentelemetry::trace::{
    Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceState,
    Tracer as _,
};
use opentelemetry::{Context, KeyValue, SpanId, TraceId};
use opentelemetry_sdk::trace::{IdGenerator, SdkTracer, Span};

pub use self::client::{Called, ClientSpan};
pub(super) use self::sampling::Sampling;
pub(super) use self::server::Arrival;
pub use self::server::ServerSpan;
use super::names as name;

/// Makes spans; it has no tracer where nobody would take them.
#[derive(Debug)]
pub(super) struct Recorder {
    tracer: Option<SdkTracer>,
    sampling: Sampling,
}

impl Recorder {
    pub(super) fn new(tracer: Option<SdkTracer>, sampling: Sampling) -> Self {
        Self { tracer, sampling }
    }

    /// The span of a request, with the caller's position in its trace if it told one.
    fn root(&self, name: &'static str, parent: Option<&TraceContext>) -> Started {
        let sampled = self.sampling.decide(parent);
        let recording = self.tracer.as_ref().filter(|_| sampled).and_then(|tracer| {
            let context = match parent {
                Some(parent) => Context::new().with_remote_span_context(remote(parent)),
                None => Context::new(),
            };
            build(tracer, name, SpanKind::Server, &context)
        });
        recording.unwrap_or_else(|| Started {
            handle: SpanHandle {
                trace_id: parent.map_or_else(new_trace_id, |parent| parent.trace_id),
                span_id: new_span_id(),
                sampled,
                recorded: false,
            },
            span: None,
        })
    }

    /// A span within the trace of `parent`, recorded if that is.
    fn child(&self, name: &'static str, kind: SpanKind, parent: &SpanHandle) -> Started {
        let recording = self
            .tracer
            .as_ref()
            .filter(|_| parent.recorded)
            .and_then(|tracer| build(tracer, name, kind, &parent.child_context()));
        recording.unwrap_or_else(|| Started {
            handle: SpanHandle {
                span_id: new_span_id(),
                recorded: false,
                ..parent.clone()
            },
            span: None,
        })
    }
}

/// Where a span stands, and the span itself if it is recorded.
struct Started {
    handle: SpanHandle,
    // Boxed: hardly any is recorded, and futures that hold one are moved about.
    span: Option<Box<Span>>,
}

/// Nothing after shutdown: the SDK hands out zeros then, but answers still need an id to quote.
fn build(
    tracer: &SdkTracer,
    name: &'static str,
    kind: SpanKind,
    parent: &Context,
) -> Option<Started> {
    let builder = tracer.span_builder(name).with_kind(kind);
    let span = tracer.build_with_context(builder, parent);
    let context = span.span_context();
    let handle = SpanHandle {
        trace_id: WireTraceId::from_bytes(context.trace_id().to_bytes())?,
        span_id: WireSpanId::from_bytes(context.span_id().to_bytes())?,
        sampled: true,
        recorded: true,
    };
    let span = Some(Box::new(span));
    Some(Started { handle, span })
}

/// Where a request stands in its trace: enough to start children from any task.
#[derive(Clone, Debug)]
pub struct SpanHandle {
    trace_id: WireTraceId,
    span_id: WireSpanId,
    sampled: bool,
    /// Sampled, and there is someone to take its spans.
    recorded: bool,
}

impl SpanHandle {
    /// The parent of what the gateway does of itself: each is a trace of its own.
    pub(super) fn alone() -> Self {
        Self {
            trace_id: new_trace_id(),
            span_id: new_span_id(),
            sampled: false,
            recorded: false,
        }
    }

    fn child_context(&self) -> Context {
        let context = SpanContext::new(
            TraceId::from_bytes(self.trace_id()),
            SpanId::from_bytes(self.span_id()),
            flags(self.sampled),
            false,
            TraceState::NONE,
        );
        Context::new().with_remote_span_context(context)
    }

    /// The id of the whole trace.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id.to_bytes()
    }

    /// The id of this span.
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id.to_bytes()
    }

    /// Whether the trace is recorded.
    pub fn sampled(&self) -> bool {
        self.sampled
    }

    /// The trace id as answers, audit entries and log lines show it: 32 hexadecimal digits.
    pub fn trace_id_hex(&self) -> String {
        self.trace_id.to_string()
    }

    /// What to send on, so that the other end joins the trace.
    pub fn trace_context(&self) -> TraceContext {
        TraceContext {
            trace_id: self.trace_id,
            span_id: self.span_id,
            sampled: self.sampled,
            tracestate: None,
        }
    }
}

/// A room that takes time; ends when dropped.
#[derive(Debug)]
#[must_use = "the span ends once this drops"]
pub struct RoomSpan {
    // The SDK's span ends itself when dropped.
    _span: Option<Box<Span>>,
}

impl RoomSpan {
    pub(super) fn start(recorder: &Recorder, parent: &SpanHandle, room: &'static str) -> Self {
        // Nobody asks for a room's ids.
        let started = parent
            .recorded
            .then(|| recorder.child(room, SpanKind::Internal, parent));
        Self {
            _span: started.and_then(|started| started.span),
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
        flags(context.sampled),
        true,
        // What a caller writes there isn't for us to export.
        TraceState::NONE,
    )
}

fn flags(sampled: bool) -> TraceFlags {
    if sampled {
        TraceFlags::SAMPLED
    } else {
        TraceFlags::default()
    }
}

/// Ids from the thread's cryptographic generator, for the SDK's spans as well: answers quote them,
/// and one must not tell the next.
#[derive(Debug)]
pub(super) struct Ids;

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceId::from_bytes(new_trace_id().to_bytes())
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from_bytes(new_span_id().to_bytes())
    }
}

fn new_trace_id() -> WireTraceId {
    WireTraceId::from_bytes(rand::random()).unwrap_or_else(WireTraceId::random)
}

fn new_span_id() -> WireSpanId {
    WireSpanId::from_bytes(rand::random()).unwrap_or_else(WireSpanId::random)
}
