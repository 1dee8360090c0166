//! Log lines that name a trace under way: kept with it, as they are written.

use std::fmt;

use loket_sdk::trace::TraceId;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::Context;

use super::shelf::Traces;
use crate::telemetry::logs::json;

/// Hands lines to the traces that they are about.
#[derive(Clone, Debug)]
pub struct TracedLines(Traces);

impl Traces {
    /// What hands log lines to these traces, once it is part of the process's subscriber.
    #[must_use]
    pub fn lines(&self) -> TracedLines {
        TracedLines(self.clone())
    }
}

impl<S: Subscriber> Layer<S> for TracedLines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        if event.metadata().fields().field("trace_id").is_none() {
            return;
        }
        let mut found = Id(None);
        event.record(&mut found);
        let Some(id) = found.0.filter(|id| self.0.wants(id)) else {
            return;
        };
        let mut line = String::new();
        if json::write(event, &mut Writer::new(&mut line)).is_ok() {
            line.truncate(line.trim_end().len());
            self.0.line(&id, line.into());
        }
    }
}

struct Id(Option<TraceId>);

impl Visit for Id {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "trace_id" {
            self.0 = value.parse().ok();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "trace_id" {
            self.0 = format!("{value:?}").parse().ok();
        }
    }
}
