//! Spans of the hot path, made by hand: no context is activated, and nothing becomes an attribute before it is
//! known that its trace is kept.

mod client;
mod sampling;
mod server;

use std::sync::Arc;

use loket_sdk::trace::{SpanId, TraceContext, TraceId};
use tokio::time::Instant;

pub(super) use self::client::unsent;
pub use self::client::{Called, ClientSpan};
pub(super) use self::sampling::Sampling;
pub(super) use self::server::Arrival;
pub use self::server::{Known, ServerSpan};
use super::traces::{Keeper, Recording, Work};

/// Begins traces; it has no keeper where nobody would take them.
#[derive(Debug)]
pub(super) struct Recorder {
    keeper: Option<Arc<Keeper>>,
    sampling: Sampling,
}

impl Recorder {
    pub(super) fn new(keeper: Option<Arc<Keeper>>, sampling: Sampling) -> Self {
        Self { keeper, sampling }
    }

    pub(super) fn keeper(&self) -> Option<&Arc<Keeper>> {
        self.keeper.as_ref()
    }

    /// Where a request stands, with the caller's position in its trace if it told one.
    fn root(&self, parent: Option<&TraceContext>, started: Instant) -> SpanHandle {
        let sampled = self.sampling.decide(parent);
        let trace_id = parent.map_or_else(new_trace_id, |parent| parent.trace_id);
        let caller = parent.map(|parent| parent.span_id);
        SpanHandle {
            trace_id,
            span_id: new_span_id(),
            sampled,
            recording: self
                .keeper
                .as_ref()
                .map(|keeper| Recording::begin(keeper, trace_id, caller, sampled, started)),
        }
    }
}

/// Where a request stands in its trace: enough to start children from any task.
#[derive(Clone, Debug)]
pub struct SpanHandle {
    trace_id: TraceId,
    span_id: SpanId,
    sampled: bool,
    /// Held by all that work on the request: the last to let go ends the trace.
    recording: Option<Arc<Recording>>,
}

impl SpanHandle {
    /// The parent of what the gateway does of itself: each is a trace of its own.
    pub(super) fn alone() -> Self {
        Self {
            trace_id: new_trace_id(),
            span_id: new_span_id(),
            sampled: false,
            recording: None,
        }
    }

    /// A part of this.
    fn child(&self) -> Self {
        Self {
            span_id: new_span_id(),
            ..self.clone()
        }
    }

    /// What was part of `parent` has ended.
    fn ended(&self, parent: Option<SpanId>, started: Instant, work: impl FnOnce() -> Work) {
        if let Some(recording) = &self.recording {
            recording.ended(self.span_id, parent, started, work());
        }
    }

    /// The id of the whole trace.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id.to_bytes()
    }

    /// The id of this span.
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id.to_bytes()
    }

    /// Whether the trace is one of the share that is sampled; others are kept for how they end.
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
    /// Where it stands, what it is part of and when it began; nothing if nobody would know of it.
    recorded: Option<(SpanHandle, SpanId, Instant)>,
    room: &'static str,
}

impl RoomSpan {
    pub(super) fn start(parent: &SpanHandle, room: &'static str) -> Self {
        let recorded = parent.recording.is_some();
        Self {
            recorded: recorded.then(|| (parent.child(), parent.span_id, Instant::now())),
            room,
        }
    }
}

impl Drop for RoomSpan {
    fn drop(&mut self) {
        if let Some((handle, parent, started)) = self.recorded.take() {
            handle.ended(Some(parent), started, || Work::Room(self.room));
        }
    }
}

/// From the thread's cryptographic generator: answers quote ids, and one must not tell the next.
fn new_trace_id() -> TraceId {
    TraceId::from_bytes(rand::random()).unwrap_or_else(TraceId::random)
}

/// As [`new_trace_id`].
fn new_span_id() -> SpanId {
    SpanId::from_bytes(rand::random()).unwrap_or_else(SpanId::random)
}
