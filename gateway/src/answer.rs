//! Answer: the parts of a lookup in, compared and recorded, the whole answer out.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::client::event::AcceptedRecord;
use loket_sdk::message::{
    Answer, BrokenGlass, Locale, Obligation, Outcome, Overall, RecordRef, SourceResult,
};
use loket_sdk::schema;
use uuid::Uuid;

use crate::audit::Kind;
use crate::fanout::FanOut;
use crate::findings::{self, Telling};
use crate::policy::Permitted;
use crate::refusal::Refusal;
use crate::replay::basis::Basis;
use crate::replay::{Claim, Kept};
use crate::snapshot::Snapshot;
use crate::trail::Trail;

/// Waits for every part.
///
/// # Errors
/// When the exchange can't be recorded.
pub async fn collect(
    lookup: &Lookup,
    mut fan_out: FanOut,
    trail: &mut Trail,
) -> Result<Answer, Refusal> {
    let mut results: Vec<Option<SourceResult>> = Vec::new();
    results.resize_with(lookup.legs(), || None);
    while let Some(part) = fan_out.next().await {
        if part.asked {
            lookup.first_result(trail);
        }
        trail.answered(part.leg, part.entry);
        results[part.leg] = Some(part.result);
    }
    finish(lookup, results.into_iter().flatten().collect(), trail).await
}

/// Compares what came, records, and makes the answer.
///
/// # Errors
/// When the exchange can't be recorded.
pub async fn finish(
    lookup: &Lookup,
    mut results: Vec<SourceResult>,
    trail: &mut Trail,
) -> Result<Answer, Refusal> {
    let findings = findings::compare(&results, &lookup.comparison);
    // How a name differs is for the finding to say, not for the claim.
    results
        .iter_mut()
        .flat_map(|result| &mut result.claims)
        .for_each(|claim| claim.name_match = None);
    let minor = findings::shows_minor(&findings, &results, &lookup.tellings);
    if minor {
        trail.minor();
    }
    let overall = overall(&results);
    let receipt = trail.close(Kind::Lookup).await?;
    let metrics = trail.telemetry().metrics();
    let elapsed = trail.started().elapsed();
    metrics.lookup_finished(
        lookup.comparison.purpose.as_str(),
        overall.as_str(),
        elapsed,
    );
    Ok(Answer {
        request_id: lookup.request_id,
        trace_id: trail.trace_id().to_owned(),
        answered_at: Timestamp::now(),
        overall,
        required_missing: lookup.required_missing(&results),
        obligations: obligations(&results, minor, lookup.broken.is_some()),
        results,
        findings,
        break_glass: lookup.broken.clone(),
        receipt,
    })
}

/// The right to answer under the lookup's id, and what the answer rests on.
#[derive(Debug)]
pub struct Keeping {
    /// The right.
    pub claim: Claim,
    /// The decisions.
    pub basis: Basis,
}

impl Keeping {
    /// Keeps an answer that was recorded, before it leaves; its text.
    pub async fn keep(self, answer: &Answer, trail: &Trail) -> Bytes {
        // An answer serialises: maps have string keys.
        let text = Bytes::from(serde_json::to_vec(answer).unwrap_or_default());
        let kept = Kept {
            entry: answer.receipt.entry,
            sources: trail.sources().to_vec(),
            answer: text.clone(),
        };
        self.claim.keep(&kept, self.basis).await;
        text
    }
}

/// A lookup on its way, without what only its sources need.
#[derive(Debug)]
pub struct Lookup {
    request_id: Uuid,
    required: Vec<RecordRef>,
    asked: Vec<AcceptedRecord>,
    legs: usize,
    comparison: findings::Context,
    tellings: Vec<Telling>,
    broken: Option<BrokenGlass>,
    first: AtomicBool,
}

impl Lookup {
    /// Keeps what the answer needs of a permitted lookup.
    #[must_use]
    pub fn of(
        permitted: &Permitted,
        snapshot: &Snapshot,
        today: Date,
        broken: Option<BrokenGlass>,
    ) -> Self {
        let routed = permitted.routed();
        let lookup = routed.lookup();
        let asked = routed
            .legs()
            .iter()
            .map(|leg| AcceptedRecord {
                record: leg.schema.record.clone(),
                source: leg
                    .source
                    .map(|index| snapshot.upstreams[index].name().clone()),
            })
            .collect();
        let mut required: Vec<RecordRef> = Vec::new();
        for query in lookup.records.iter().filter(|query| query.required) {
            if !required.contains(&query.record) {
                required.push(query.record.clone());
            }
        }
        Self {
            request_id: lookup.request_id,
            required,
            asked,
            legs: routed.legs().len(),
            comparison: findings::Context {
                purpose: lookup.purpose,
                subject: routed.subject().clone(),
                today,
                locale: lookup.locale.unwrap_or(Locale::Id),
            },
            tellings: findings::tellings(&lookup.records, today),
            broken,
            first: AtomicBool::new(true),
        }
    }

    /// The lookup's id.
    #[must_use]
    pub fn request_id(&self) -> Uuid {
        self.request_id
    }

    /// What is asked of whom, for the `accepted` event.
    #[must_use]
    pub fn asked(&self) -> &[AcceptedRecord] {
        &self.asked
    }

    /// How many parts there will be.
    #[must_use]
    pub fn legs(&self) -> usize {
        self.legs
    }

    /// Counts the time to the first part.
    pub fn first_result(&self, trail: &Trail) {
        if self.first.swap(false, Ordering::Relaxed) {
            let purpose = self.comparison.purpose.as_str();
            trail
                .telemetry()
                .metrics()
                .first_card(purpose, trail.started().elapsed());
        }
    }

    fn required_missing(&self, results: &[SourceResult]) -> Vec<RecordRef> {
        let found = |record: &RecordRef| {
            results
                .iter()
                .any(|r| r.record == *record && r.outcome == Outcome::Found)
        };
        self.required
            .iter()
            .filter(|record| !found(record))
            .cloned()
            .collect()
    }
}

fn overall(results: &[SourceResult]) -> Overall {
    let answered =
        |result: &&SourceResult| matches!(result.outcome, Outcome::Found | Outcome::NotFound);
    match results.iter().filter(answered).count() {
        0 => Overall::None,
        count if count == results.len() => Overall::Complete,
        _ => Overall::Partial,
    }
}

/// What goes with the data: no onward transfer, ever; shown only, where its class is specific. A
/// child's data is, and who comes with the child is checked.
fn obligations(results: &[SourceResult], minor: bool, broken: bool) -> Vec<Obligation> {
    let disclosed = results
        .iter()
        .any(|result| result.outcome == Outcome::Found);
    // Asked is asked, whatever came of it.
    let second_person = broken.then_some(Obligation::SecondPersonWithin24h);
    if !disclosed {
        return Vec::from_iter(second_person);
    }
    let specific = results.iter().any(|result| {
        let Some(schema) = schema::record(&result.record) else {
            return false;
        };
        result
            .data
            .iter()
            .flat_map(|data| data.expose().keys())
            .any(|name| {
                schema
                    .field(name)
                    .is_some_and(|f| f.class_id.as_deref() == Some("specific"))
            })
    });
    let mut obligations = Vec::new();
    if specific || minor {
        obligations.extend([Obligation::ShowOnly, Obligation::DoNotStore]);
    }
    obligations.extend([Obligation::DeleteAfterCase, Obligation::NoOnwardTransfer]);
    if minor {
        obligations.push(Obligation::GuardianCheck);
    }
    obligations.extend(second_person);
    obligations
}
