//! Shelf: kept traces, the newest first, as many as there is room for.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loket_sdk::trace::TraceId;

use super::filter::Filter;
use super::otlp;
use super::view::{Detail, Summary};
use super::{Trace, Why};

/// Log lines of a trace that are kept with it.
const MOST_LINES: usize = 64;

/// Recent traces of this gateway; cloning it costs one counter.
#[derive(Clone, Debug)]
pub struct Traces(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    shelves: Mutex<Shelves>,
    under_way: Mutex<HashMap<TraceId, UnderWay>>,
}

/// Of a trace that is under way.
#[derive(Debug, Default)]
struct UnderWay {
    /// Requests that have its id.
    requests: usize,
    lines: Vec<Box<str>>,
}

#[derive(Debug)]
struct Shelves {
    /// The number of the next trace.
    next: u64,
    /// What failed or was slow, what broke the glass, what was refused or left, and the rest: a flood of the one
    /// pushes out none of the others.
    all: [Shelf; 4],
}

#[derive(Debug)]
struct Shelf {
    traces: VecDeque<Numbered>,
    bytes: usize,
    most: usize,
}

/// A trace and its number, by which lists are paged.
#[derive(Clone, Debug)]
pub(super) struct Numbered {
    pub(super) number: u64,
    pub(super) trace: Arc<Trace>,
}

impl Traces {
    /// Room for so many bytes.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let shelf = |share: usize| Shelf {
            traces: VecDeque::new(),
            bytes: 0,
            most: bytes / share,
        };
        Self(Arc::new(Shared {
            shelves: Mutex::new(Shelves {
                next: 1,
                all: [shelf(2), shelf(8), shelf(8), shelf(4)],
            }),
            under_way: Mutex::default(),
        }))
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        let shelves = self.0.shelves.lock();
        shelves.unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<TraceId, UnderWay>> {
        let under_way = self.0.under_way.lock();
        under_way.unwrap_or_else(PoisonError::into_inner)
    }

    /// A request of this trace begins.
    pub(super) fn begin(&self, id: TraceId) {
        self.under_way().entry(id).or_default().requests += 1;
    }

    /// A request of this trace has ended; its log lines.
    pub(super) fn end(&self, id: &TraceId) -> Vec<Box<str>> {
        let mut under_way = self.under_way();
        let Some(of) = under_way.get_mut(id) else {
            return Vec::new();
        };
        of.requests -= 1;
        let lines = std::mem::take(&mut of.lines);
        if of.requests == 0 {
            under_way.remove(id);
        }
        lines
    }

    /// Whether a trace is under way, so that its lines are wanted.
    pub(super) fn wants(&self, id: &TraceId) -> bool {
        let under_way = self.under_way();
        let of = under_way.get(id);
        of.is_some_and(|of| of.lines.len() < MOST_LINES)
    }

    /// A line of a trace that is under way.
    pub(super) fn line(&self, id: &TraceId, line: Box<str>) {
        let mut under_way = self.under_way();
        let of = under_way.get_mut(id);
        if let Some(of) = of.filter(|of| of.lines.len() < MOST_LINES) {
            of.lines.push(line);
        }
    }

    pub(super) fn keep(&self, trace: Trace) {
        let mut shelves = self.shelves();
        let number = shelves.next;
        shelves.next += 1;
        let shelf = match trace.why {
            Why::Failed | Why::Slow => &mut shelves.all[0],
            Why::BreakGlass => &mut shelves.all[1],
            Why::Left | Why::Refused => &mut shelves.all[2],
            Why::Sampled => &mut shelves.all[3],
        };
        let gone = shelf.take(number, trace);
        drop(shelves);
        // Freed when nobody waits.
        drop(gone);
    }

    /// Traces that pass, the newest first.
    #[must_use]
    pub fn list(&self, filter: &Filter) -> Vec<Summary> {
        self.found(filter).iter().map(Summary::of).collect()
    }

    /// All requests of a trace that are kept, the first first.
    #[must_use]
    pub fn show(&self, id: TraceId) -> Vec<Detail> {
        self.of(id).iter().map(Detail::of).collect()
    }

    /// A trace as OTLP's JSON, which Jaeger and Tempo import; nothing if it isn't kept.
    #[must_use]
    pub fn export(&self, id: TraceId, resource: &[(String, String)]) -> Option<serde_json::Value> {
        let parts = self.of(id);
        (!parts.is_empty()).then(|| otlp::document(&parts, resource))
    }

    /// Bytes of memory that they take, nearly.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let shelves = self.shelves();
        shelves.all.iter().map(|shelf| shelf.bytes).sum()
    }

    fn found(&self, filter: &Filter) -> Vec<Numbered> {
        // Looked through without the lock: whoever ends a request waits for it.
        let mut all: Vec<Numbered> = {
            let shelves = self.shelves();
            let shelves = shelves.all.iter();
            shelves
                .flat_map(|shelf| shelf.traces.iter().cloned())
                .collect()
        };
        all.sort_unstable_by_key(|kept| std::cmp::Reverse(kept.number));
        all.retain(|kept| filter.passes(kept));
        all.truncate(filter.limit);
        all
    }

    fn of(&self, id: TraceId) -> Vec<Numbered> {
        let shelves = self.shelves();
        let all = shelves.all.iter().flat_map(|shelf| &shelf.traces);
        let mut parts: Vec<Numbered> = all.filter(|kept| kept.trace.id == id).cloned().collect();
        drop(shelves);
        parts.sort_unstable_by_key(|kept| kept.trace.began);
        parts
    }
}

impl Shelf {
    /// Takes a trace; what had to go for it.
    fn take(&mut self, number: u64, trace: Trace) -> Vec<Numbered> {
        let bytes = trace.bytes();
        let mut gone = Vec::new();
        if bytes > self.most {
            return gone;
        }
        while self.bytes + bytes > self.most {
            let Some(oldest) = self.traces.pop_front() else {
                break;
            };
            self.bytes -= oldest.trace.bytes();
            gone.push(oldest);
        }
        self.bytes += bytes;
        let trace = Arc::new(trace);
        self.traces.push_back(Numbered { number, trace });
        gone
    }
}
