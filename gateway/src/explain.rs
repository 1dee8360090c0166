//! Explain: a lookup that isn't carried out in, why it would or wouldn't be, step by step, out.
//!
//! The stages are policy's and the plan is the fan-out's, on quotas that are only looked at, so that an
//! explanation can't be another decision than the lookup's. A caller is told of its own grants and of
//! agencies that gave it one; what else stands in the way it asks the operator for, who sees all.

mod says;

use std::collections::{HashMap, HashSet};

use loket_sdk::message::{
    ExplainedRecord, ExplainedStep, Explanation, LegalBasisKind, Reason, Step, Verdict,
};
use uuid::Uuid;

use crate::audit::SourceEntry;
use crate::directory::{Directory, GrantIndex};
use crate::fanout::{Plan, Quotas, Unasked, plan};
use crate::policy::{self, Asked, Permit};
use crate::route::Leg;
use says::Says;

pub use says::{admitted, refused};

/// Who reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Whoever asks: it learns nothing of others.
    Caller,
    /// Whoever runs the gateway.
    Operator,
}

/// What is to be explained.
#[derive(Debug, Clone, Copy)]
pub struct Inquiry<'a> {
    /// What the questions have in common.
    pub asked: Asked<'a>,
    /// One per record and source.
    pub legs: &'a [Leg],
    /// By which right, if that is said.
    pub legal_basis: Option<LegalBasisKind>,
    /// Whether a subject is named, so that a hold would be seen.
    pub subject_named: bool,
    /// Who reads it.
    pub audience: Audience,
}

/// An explanation's own names.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The lookup's id.
    pub request_id: Uuid,
    /// 32 hexadecimal digits.
    pub trace_id: &'a str,
}

/// Of a caller that isn't let in: the steps end at the one that fails.
#[must_use]
pub fn shut_out(names: Names<'_>, steps: Vec<ExplainedStep>) -> Explanation {
    Explanation {
        request_id: names.request_id,
        trace_id: names.trace_id.to_owned(),
        verdict: Verdict::Denied,
        first_failing: first_failing(&steps),
        steps,
        records: Vec::new(),
    }
}

/// Of a caller that is let in, as `steps` say. `left` is how many questions a grant has left today;
/// none where it has no quota, or nobody knows.
#[must_use]
pub fn explain(
    names: Names<'_>,
    mut steps: Vec<ExplainedStep>,
    inquiry: &Inquiry<'_>,
    directory: &Directory,
    left: &dyn Fn(GrantIndex) -> Option<u64>,
) -> Explanation {
    let says = Says {
        inquiry,
        directory,
        trace_id: names.trace_id,
    };
    steps.extend(says.legal_basis());
    let records = records(inquiry, directory, &says, left);
    let verdicts = || records.iter().map(|record| record.verdict);
    let verdict = match verdicts().next() {
        Some(first) if verdicts().all(|verdict| verdict == first) => first,
        _ => Verdict::InPart,
    };
    let failing = records.iter().filter_map(|record| record.first_failing);
    Explanation {
        request_id: names.request_id,
        trace_id: names.trace_id.to_owned(),
        verdict,
        first_failing: failing.min(),
        steps,
        records: match inquiry.audience {
            Audience::Operator => records,
            Audience::Caller => without_repetitions(records),
        },
    }
}

/// What is put on record: which questions wouldn't be asked and why. What would be drawn is left out,
/// since nothing is.
#[must_use]
pub fn on_record(explanation: &Explanation) -> Plan {
    let entry = |record: &ExplainedRecord| {
        let reason = record.reason?;
        Some(SourceEntry {
            signature: None,
            record: record.record.clone(),
            agency: record.source.as_ref().map(|source| source.agency.clone()),
            grants: Vec::new(),
            fields: Vec::new(),
            claims: Vec::new(),
            outcome: reason.outcome(),
            reason,
            elapsed_ms: 0,
        })
    };
    Plan {
        entries: explanation.records.iter().filter_map(entry).collect(),
        ..Plan::default()
    }
}

fn records(
    inquiry: &Inquiry<'_>,
    directory: &Directory,
    says: &Says<'_>,
    left: &dyn Fn(GrantIndex) -> Option<u64>,
) -> Vec<ExplainedRecord> {
    let mut walked = Vec::new();
    let mut decisions = Vec::new();
    for leg in inquiry.legs {
        let mut steps = Vec::new();
        let question = inquiry.asked.question(directory, leg);
        let decision = match &question {
            None => Err(Reason::NoGrant),
            Some(question) => policy::examine(directory, question, &mut |stage, grants| {
                steps.push(says.passed(stage, grants));
            }),
        };
        steps.push(match &decision {
            Ok(permit) => says.fields(permit),
            Err(reason) => says.failed(*reason, question.as_ref()),
        });
        walked.push(steps);
        decisions.push(decision);
    }
    let mut tally = Tally {
        left,
        drawn: HashMap::new(),
    };
    let records = inquiry.asked.records;
    let plans = plan(records, inquiry.legs, decisions.clone(), &mut tally);
    let some_required = records.iter().any(|record| record.required);
    let legs = inquiry.legs.iter().zip(walked);
    legs.zip(decisions.iter().zip(plans))
        .map(|((leg, mut steps), (decision, plan))| {
            if let Ok(permit) = decision {
                let reason = plan.as_ref().err().map(|unasked| unasked.reason);
                let used_up = reason == Some(Reason::QuotaUsedUp);
                steps.push(says.quota(permit, left, used_up));
                if some_required && !used_up {
                    steps.push(says.required(reason.is_some()));
                }
            }
            ExplainedRecord {
                record: leg.schema.record.clone(),
                source: says.source(leg),
                verdict: match &plan {
                    Err(_) => Verdict::Denied,
                    Ok(permit) if is_whole(permit) => Verdict::Allowed,
                    Ok(_) => Verdict::InPart,
                },
                reason: plan.err().map(|unasked| unasked.reason),
                first_failing: first_failing(&steps),
                steps,
            }
        })
        .collect()
}

fn is_whole(permit: &Permit) -> bool {
    permit.withheld().is_empty() && permit.refused().is_empty()
}

fn first_failing(steps: &[ExplainedStep]) -> Option<Step> {
    let failing = steps.iter().find(|step| !step.passed);
    failing.map(|step| step.step)
}

/// How many agencies there are that gave no grant is nobody's business.
fn without_repetitions(records: Vec<ExplainedRecord>) -> Vec<ExplainedRecord> {
    let mut seen = HashSet::new();
    records
        .into_iter()
        .filter(|record| record.source.is_some() || seen.insert(record.record.clone()))
        .collect()
}

/// Quotas that are looked at: what this lookup would draw counts, and nothing is kept.
struct Tally<'a> {
    left: &'a dyn Fn(GrantIndex) -> Option<u64>,
    drawn: HashMap<GrantIndex, u64>,
}

impl Quotas for Tally<'_> {
    fn draw(&mut self, permit: &Permit) -> Result<(), Unasked> {
        let is_used_up = |grant: &GrantIndex| {
            let drawn = self.drawn.get(grant).copied().unwrap_or_default();
            (self.left)(*grant).is_some_and(|left| left <= drawn)
        };
        if permit.grants().iter().any(is_used_up) {
            return Err(Reason::QuotaUsedUp.into());
        }
        for grant in permit.grants() {
            *self.drawn.entry(*grant).or_default() += 1;
        }
        Ok(())
    }

    fn give_back(&mut self, permit: &Permit) {
        for grant in permit.grants() {
            if let Some(drawn) = self.drawn.get_mut(grant) {
                *drawn = drawn.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests;
