//! Traces: requests that ended in, those worth looking at out, by what is known of them.
//!
//! Every request is recorded while it is under way, in a few hundred bytes. When its last part has ended it is
//! decided whether it is kept: what failed, was refused, was slow or broke the glass always, of the others the
//! share that is sampled. What is kept goes to the collector, if there is one, and stays in memory for the
//! operators' listener, within bounds: what failed the longest.
//!
//! Refused: anything personal. A span holds names from the configuration and words of closed lists.

mod attributes;
mod filter;
mod keeper;
mod lines;
mod otlp;
mod path;
mod recording;
mod shelf;
mod span;
mod view;

#[cfg(test)]
mod tests;

pub use self::filter::{Filter, FilterError};
pub use self::lines::TracedLines;
pub use self::shelf::Traces;
pub use self::view::{Detail, Summary};

pub(super) use self::keeper::Keeper;
pub(super) use self::recording::Recording;
pub(super) use self::span::{Call, Served, Span, Target, Work};

use std::time::{Duration, SystemTime};

use loket_sdk::trace::{SpanId, TraceId};

/// Why a trace is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The gateway or an agency failed.
    Failed,
    /// It broke the glass.
    BreakGlass,
    /// It took longer than `[telemetry] slow`.
    Slow,
    /// The caller left.
    Left,
    /// The caller was refused, or there was no room for it.
    Refused,
    /// It is one of the share that is sampled.
    Sampled,
}

/// One request's way through this gateway. Others of its trace, here or at agencies, aren't in it.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) id: TraceId,
    /// Where the caller was in its own trace.
    pub(super) caller: Option<SpanId>,
    pub(super) began: SystemTime,
    pub(super) why: Why,
    pub(super) spans: Vec<Span>,
    /// Log lines, each a JSON object.
    pub(super) lines: Vec<Box<str>>,
}

impl Trace {
    /// The caller's request.
    fn served(&self) -> Option<(&Span, &Served)> {
        self.spans.iter().find_map(|span| match &span.work {
            Work::Served(served) => Some((span, &**served)),
            Work::Called(_) | Work::Room(_) => None,
        })
    }

    /// Calls to agencies, in the order in which they ended.
    fn calls(&self) -> impl Iterator<Item = (&Span, &Call)> {
        self.spans.iter().filter_map(|span| match &span.work {
            Work::Called(call) => Some((span, &**call)),
            Work::Served(_) | Work::Room(_) => None,
        })
    }

    /// From the request's arrival to the end of the last of its parts.
    fn took(&self) -> Duration {
        let ends = self.spans.iter().map(Span::ends);
        ends.max().unwrap_or_default()
    }

    /// Bytes of memory, nearly.
    fn bytes(&self) -> usize {
        let lines = self
            .lines
            .iter()
            .map(|line| line.len() + size_of::<Box<str>>());
        let spans = self.spans.iter().map(Span::bytes);
        size_of::<Self>() + lines.sum::<usize>() + spans.sum::<usize>()
    }
}
