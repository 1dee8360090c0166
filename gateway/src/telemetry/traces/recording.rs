//! Recording: a request's spans as they end; when nobody is left who could add one, the trace out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use loket_sdk::trace::{SpanId, TraceId};
use tokio::time::Instant;

use super::keeper::Keeper;
use super::span::{Span, Work};

/// More than any plan has legs and attempts.
const MOST_SPANS: usize = 1024;

/// A request that is under way. Whatever works on it holds it; the last to let go ends the trace.
#[derive(Debug)]
pub(in crate::telemetry) struct Recording {
    keeper: Arc<Keeper>,
    pub(super) id: TraceId,
    pub(super) caller: Option<SpanId>,
    /// Whether it is one of the share that is kept anyway.
    pub(super) sampled: bool,
    pub(super) began: SystemTime,
    started: Instant,
    spans: Mutex<Vec<Span>>,
}

impl Recording {
    pub(in crate::telemetry) fn begin(
        keeper: &Arc<Keeper>,
        id: TraceId,
        caller: Option<SpanId>,
        sampled: bool,
        started: Instant,
    ) -> Arc<Self> {
        keeper.traces().begin(id);
        Arc::new(Self {
            keeper: Arc::clone(keeper),
            id,
            caller,
            sampled,
            began: SystemTime::now(),
            started,
            spans: Mutex::default(),
        })
    }

    /// Takes a piece of work that began at `started` and ends now.
    pub(in crate::telemetry) fn ended(
        &self,
        id: SpanId,
        parent: Option<SpanId>,
        started: Instant,
        work: Work,
    ) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        // The request itself ends last, and is what a trace is found by.
        if spans.len() < MOST_SPANS || matches!(work, Work::Served(_)) {
            spans.push(Span {
                id,
                parent,
                begins: started.saturating_duration_since(self.started),
                took: started.elapsed(),
                work,
            });
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let spans = self.spans.get_mut().unwrap_or_else(PoisonError::into_inner);
        let spans = std::mem::take(spans);
        let lines = self.keeper.traces().end(&self.id);
        self.keeper.ended(self, spans, lines);
    }
}
