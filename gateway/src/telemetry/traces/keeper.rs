//! Keeper: a trace that has ended in; kept and sent on if it is worth it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::SpanProcessor;

use super::recording::Recording;
use super::shelf::Traces;
use super::span::{Span, Work};
use super::{Trace, Why};
use crate::telemetry::exemplars::{Exemplar, Exemplars};
use crate::telemetry::metrics::{SECONDS, SLOWER_SECONDS, lookup_labels};
use crate::telemetry::names as name;

/// What decides, and where what it keeps goes.
pub(in crate::telemetry) struct Keeper {
    traces: Traces,
    /// What takes longer is slow.
    slow: Duration,
    /// The way to the collector.
    processor: Option<Box<dyn SpanProcessor>>,
    scope: InstrumentationScope,
    exemplars: Arc<Exemplars>,
    born: Instant,
    /// Milliseconds since then when exemplars were taken last; [`NEVER`] before.
    noted: AtomicU64,
}

/// No time at all.
const NEVER: u64 = u64::MAX;

impl Keeper {
    pub(in crate::telemetry) fn new(
        traces: Traces,
        slow: Duration,
        processor: Option<Box<dyn SpanProcessor>>,
        scope: InstrumentationScope,
        exemplars: Arc<Exemplars>,
    ) -> Self {
        Self {
            traces,
            slow,
            processor,
            scope,
            exemplars,
            born: Instant::now(),
            noted: AtomicU64::new(NEVER),
        }
    }

    pub(in crate::telemetry) fn traces(&self) -> &Traces {
        &self.traces
    }

    pub(in crate::telemetry) fn processor(&self) -> Option<&dyn SpanProcessor> {
        self.processor.as_deref()
    }

    pub(super) fn ended(&self, recording: &Recording, spans: Vec<Span>, lines: Vec<Box<str>>) {
        let Some(why) = self.why(recording, &spans) else {
            return;
        };
        let trace = Trace {
            id: recording.id,
            caller: recording.caller,
            began: recording.began,
            why,
            spans,
            lines,
        };
        if let Some(processor) = &self.processor {
            for span in &trace.spans {
                processor.on_end(span.exported(&trace, &self.scope));
            }
        }
        if self.has_time_for_exemplars(why) {
            for span in &trace.spans {
                self.note(span, &trace);
            }
        }
        self.traces.keep(trace);
    }

    /// A scrape comes every few seconds and takes one exemplar a bucket: those of ten ordinary traces a second
    /// are plenty.
    fn has_time_for_exemplars(&self, why: Why) -> bool {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(NEVER - 1);
        let pause = match why {
            Why::Failed | Why::BreakGlass | Why::Slow => 10,
            Why::Left | Why::Refused | Why::Sampled => 100,
        };
        let last = self.noted.load(Relaxed);
        let is_due = last == NEVER || now.saturating_sub(last) >= pause;
        is_due
            && self
                .noted
                .compare_exchange(last, now, Relaxed, Relaxed)
                .is_ok()
    }

    /// Has the histograms that a span was counted in lead to its trace.
    fn note(&self, span: &Span, trace: &Trace) {
        let exemplar = Exemplar {
            trace_id: trace.id,
            value: span.took.as_secs_f64(),
            at: trace.began + span.ends(),
        };
        let note = |histogram, labels: &[KeyValue], bounds: &[f64]| {
            self.exemplars.note(histogram, labels, bounds, exemplar);
        };
        match &span.work {
            Work::Served(served) => {
                let labels = served.labels.ended(served.end);
                note(name::SERVER_DURATION, &labels, &SECONDS);
                if let (Some(purpose), Some(overall)) = (served.purpose, served.overall) {
                    let labels = lookup_labels(purpose, overall);
                    note(name::LOOKUP_DURATION, &labels, &SLOWER_SECONDS);
                }
            }
            Work::Called(call) => {
                let labels = call.peer.called_labels(call.outcome, call.end.error_type);
                note(name::AGENCY_DURATION, &labels, &SLOWER_SECONDS);
                if let Some(address) = &call.address {
                    let labels = address.called_labels(call.method, call.end);
                    note(name::CLIENT_DURATION, &labels, &SLOWER_SECONDS);
                }
            }
            Work::Room(_) => {}
        }
    }

    /// Why a trace is worth keeping, the weightiest reason first.
    fn why(&self, recording: &Recording, spans: &[Span]) -> Option<Why> {
        let mut why = recording.sampled.then_some(Why::Sampled);
        for span in spans {
            let found = match &span.work {
                // Whoever asks too much must not push out what failed.
                Work::Served(served) if served.was_shed() => Why::Refused,
                Work::Served(served) if served.abandoned => Why::Left,
                _ if span.failed() => Why::Failed,
                Work::Served(served) if served.broke_glass => Why::BreakGlass,
                Work::Served(_) | Work::Called(_) if span.took >= self.slow => Why::Slow,
                Work::Served(served) if served.end.status.is_some_and(|status| status >= 400) => {
                    Why::Refused
                }
                _ => continue,
            };
            why = Some(why.map_or(found, |why| why.weightier(found)));
        }
        why
    }
}

impl Why {
    fn weightier(self, other: Self) -> Self {
        if (other as u8) < self as u8 {
            other
        } else {
            self
        }
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}
