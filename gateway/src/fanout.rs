//! Fan-out: a permitted lookup in, each source's part out as it comes.
//!
//! All sources are asked at once under one deadline. A part never waits for another, and one that
//! fails takes none with it. Dropping the fan-out cancels what still runs.

mod leg;
mod plan;
mod told;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use loket_sdk::message::{DEFAULT_DEADLINE_MS, Reason, SourceResult};
use tokio::time::Instant;

use crate::audit::SourceEntry;
use crate::last_good::LastGood;
use crate::policy::{Denied, Permit, Permitted};
use crate::route::Routed;
use crate::snapshot::Snapshot;
use crate::telemetry::{Decision, RateScope, SpanHandle, Telemetry};

pub use plan::{Quotas, Unasked, plan};

/// What one source said of one record, for the caller and for the log.
#[derive(Debug)]
pub struct Part {
    /// Position among the legs.
    pub leg: usize,
    /// Whether a source was asked for it.
    pub asked: bool,
    /// For the caller.
    pub result: SourceResult,
    /// For the log.
    pub entry: SourceEntry,
}

/// The parts that are still to come.
pub struct FanOut {
    ready: VecDeque<Part>,
    running: FuturesUnordered<Pin<Box<dyn Future<Output = Part> + Send>>>,
}

/// What every question of a lookup shares.
#[derive(Debug)]
pub struct Context {
    /// Members, limits, sources.
    pub snapshot: Arc<Snapshot>,
    /// Answers that may stand in.
    pub last_good: Arc<LastGood>,
    /// Spans and metrics.
    pub telemetry: Telemetry,
    /// The request's span.
    pub span: SpanHandle,
    /// Longest that any lookup waits.
    pub longest: Duration,
    /// Now.
    pub now: Timestamp,
}

struct Asking {
    context: Context,
    routed: Routed,
    /// What all questions have in common; see [`leg::opening`].
    opening: Option<Vec<u8>>,
    deadline: Instant,
    asked: Arc<[AtomicBool]>,
}

/// What is about to be asked, for the log.
#[derive(Debug, Default)]
pub struct Plan {
    /// One entry per leg, not attempted unless it is known better.
    pub entries: Vec<SourceEntry>,
    /// Set for each leg once its source may have the question.
    pub asked: Arc<[AtomicBool]>,
}

/// Asks every permitted source, once the fan-out is polled.
#[must_use]
pub fn ask(permitted: Permitted, context: Context) -> (Plan, FanOut) {
    let (routed, decisions) = permitted.into_parts();
    let wanted = routed.lookup().deadline_ms.unwrap_or(DEFAULT_DEADLINE_MS);
    let deadline = Instant::now() + context.longest.min(Duration::from_millis(wanted.into()));
    let asked: Arc<[AtomicBool]> = routed
        .legs()
        .iter()
        .map(|_| AtomicBool::new(false))
        .collect();
    let asking = Arc::new(Asking {
        context,
        opening: leg::opening(&routed),
        routed,
        deadline,
        asked: asked.clone(),
    });
    let mut entries = Vec::new();
    let mut fan_out = FanOut {
        ready: VecDeque::new(),
        running: FuturesUnordered::new(),
    };
    for (leg, plan) in asking.plan(decisions).into_iter().enumerate() {
        match plan {
            Ok(permit) => {
                let unknown = asking.result(leg, Reason::CallerLeft);
                entries.push(asking.entry(leg, Some(&permit), &unknown));
                fan_out
                    .running
                    .push(Box::pin(asking.clone().ask_one(leg, permit)));
            }
            Err(unasked) => {
                let part = asking.unasked(leg, unasked);
                entries.push(part.entry.clone());
                fan_out.ready.push_back(part);
            }
        }
    }
    (Plan { entries, asked }, fan_out)
}

/// What is put on record of a lookup of which nothing is granted.
#[must_use]
pub fn denied(denied: &Denied, snapshot: &Snapshot) -> Plan {
    let entries = denied
        .legs()
        .map(|(leg, reason)| SourceEntry {
            record: leg.schema.record.clone(),
            agency: leg
                .source
                .map(|s| snapshot.directory.sources()[s].agency.clone()),
            grants: Vec::new(),
            fields: Vec::new(),
            claims: Vec::new(),
            outcome: reason.outcome(),
            reason,
            elapsed_ms: 0,
            signature: None,
        })
        .collect();
    Plan {
        entries,
        asked: Arc::default(),
    }
}

impl FanOut {
    /// The next part; none when all have come.
    pub async fn next(&mut self) -> Option<Part> {
        match self.ready.pop_front() {
            Some(part) => Some(part),
            None => self.running.next().await,
        }
    }
}

/// Draws on the quotas themselves.
struct Drawing<'a>(&'a Context);

impl Quotas for Drawing<'_> {
    fn draw(&mut self, permit: &Permit) -> Result<(), Unasked> {
        let Context { snapshot, now, .. } = self.0;
        let drawn = snapshot.admission.draw(permit.grants(), *now);
        let decision = if drawn.is_ok() {
            Decision::Allowed
        } else {
            Decision::Denied
        };
        self.0
            .telemetry
            .metrics()
            .rate_limited(RateScope::Agency, decision);
        drawn.map_err(|used_up| Unasked {
            reason: Reason::QuotaUsedUp,
            retry_after_s: Some(used_up.retry_after.as_secs().max(1)),
        })
    }

    fn give_back(&mut self, permit: &Permit) {
        let Context { snapshot, now, .. } = self.0;
        snapshot.admission.give_back(permit.grants(), *now);
    }
}

impl Asking {
    fn plan(&self, decisions: Vec<Result<Permit, Reason>>) -> Vec<Result<Permit, Unasked>> {
        let (legs, lookup) = (self.routed.legs(), self.routed.lookup());
        plan(
            &lookup.records,
            legs,
            decisions,
            &mut Drawing(&self.context),
        )
    }

    fn unasked(&self, leg: usize, unasked: Unasked) -> Part {
        let mut result = self.result(leg, unasked.reason);
        result.retry_after_s = unasked.retry_after_s;
        let entry = self.entry(leg, None, &result);
        Part {
            leg,
            asked: false,
            result,
            entry,
        }
    }
}

#[cfg(test)]
mod tests;
