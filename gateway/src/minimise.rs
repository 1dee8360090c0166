//! Minimise: a checked answer of a source in, only what the permit names out.
//!
//! Pure. What isn't named is dropped, whatever the source sent.

use loket_sdk::claims::{self, Claim, ClaimAnswer, ClaimResult};
use loket_sdk::message::{Provenance, Withheld, WithheldReason};
use loket_sdk::schema::RecordSchema;
use loket_sdk::sensitive::Sensitive;
use serde_json::{Map, Value};

/// The granted fields of a record.
#[derive(Debug, PartialEq)]
pub struct Fields {
    /// Asked, granted and there.
    pub data: Map<String, Value>,
    /// Asked, granted and not there.
    pub missing: Vec<Withheld>,
    /// How many members the source sent that it wasn't asked for.
    pub dropped: usize,
}

/// Keeps the fields that the permit names.
#[must_use]
pub fn fields(mut record: Map<String, Value>, permitted: &[String]) -> Fields {
    let sent = record.len();
    record.retain(|name, _| permitted.contains(name));
    let missing = permitted
        .iter()
        .filter(|name| !record.contains_key(*name))
        .map(|name| Withheld {
            field: name.clone(),
            reason: WithheldReason::NotProvided,
        })
        .collect();
    Fields {
        dropped: sent - record.len(),
        data: record,
        missing,
    }
}

/// Keeps of a signature the salts of what is given: the digests of the rest then say nothing.
pub fn salts(provenance: &mut Provenance, is_given: impl Fn(&str) -> bool) {
    if let Some(signature) = &mut provenance.signature {
        let mut salts = std::mem::take(&mut signature.salts).into_exposed();
        salts.retain(|name, _| is_given(name));
        signature.salts = Sensitive::new(salts);
    }
}

/// Answers the permitted claims from a record that the source sent in their place. No value of
/// the record is kept.
#[must_use]
pub fn claims_from_record(
    record: &Map<String, Value>,
    permitted: &[Claim],
    schema: &RecordSchema,
) -> Vec<ClaimAnswer> {
    permitted
        .iter()
        .map(|claim| match schema.field(&claim.field) {
            Some(field) => claims::evaluate(field.verify, claim, record.get(&claim.field)),
            None => unanswered(claim, ClaimResult::NotAvailable),
        })
        .collect()
}

/// Keeps the answers to the permitted claims, in their order. An answer that is missing is
/// `not_available`; one that nobody asked for is dropped.
#[must_use]
pub fn claims_from_answers(answers: &[ClaimAnswer], permitted: &[Claim]) -> Vec<ClaimAnswer> {
    let mut left: Vec<&ClaimAnswer> = answers.iter().collect();
    permitted
        .iter()
        .map(|claim| {
            let place = left
                .iter()
                .position(|a| a.field == claim.field && a.op == claim.op);
            place.map_or_else(
                || unanswered(claim, ClaimResult::NotAvailable),
                |index| left.remove(index).clone(),
            )
        })
        .collect()
}

/// A claim that no source answered.
#[must_use]
pub fn unanswered(claim: &Claim, result: ClaimResult) -> ClaimAnswer {
    ClaimAnswer {
        field: claim.field.clone(),
        op: claim.op,
        result,
        name_match: None,
    }
}

#[cfg(test)]
mod tests;
