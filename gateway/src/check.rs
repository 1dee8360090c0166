//! Check: the bytes of a source's answer in, what it says out.
//!
//! An answer that isn't as agreed, or is about someone else, becomes that source's `invalid`, with
//! the places that are wrong and never a value. A signature is verified last, over what is left.

mod signature;

use jiff::Timestamp;
use loket_sdk::claims::ClaimAnswer;
use loket_sdk::ids;
use loket_sdk::json;
use loket_sdk::message::{Provenance, Reason, SourceAnswer, SourceStatus, SubjectKey};
use loket_sdk::problem::Violation;
use loket_sdk::rules;
use loket_sdk::schema::{self, RecordSchema};
use loket_sdk::sensitive::Sensitive;
use loket_sdk::statement::Said;
use serde_json::{Map, Value};

pub use signature::Origin;

use crate::policy::Allowed;

/// A source's answer that is as agreed and about the subject.
#[derive(Debug, PartialEq)]
pub enum Checked {
    /// The record, or as much as was sent of it.
    Record {
        /// Its members, also ones nobody asked for.
        members: Map<String, Value>,
        /// Of when the source's data is.
        as_of: Timestamp,
    },
    /// The claims, answered by the source.
    Claims {
        /// As it answered them.
        answers: Vec<ClaimAnswer>,
        /// Of when the source's data is.
        as_of: Timestamp,
    },
    /// Neither: an honest no, a refusal, a later.
    Without {
        /// Which.
        reason: Reason,
        /// When to ask again, in seconds.
        retry_after_s: Option<u64>,
    },
}

impl Checked {
    /// The word for it; what is withheld isn't known here.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Record { .. } | Self::Claims { .. } => Reason::Complete,
            Self::Without { reason, .. } => *reason,
        }
    }

    fn said(&self, status: SourceStatus, as_of: Option<Timestamp>) -> Said<'_> {
        let (record, claims) = match self {
            Self::Record { members, .. } => (Some(members), None),
            Self::Claims { answers, .. } => (None, Some(answers.as_slice())),
            Self::Without { .. } => (None, None),
        };
        Said {
            status,
            as_of,
            record,
            claims,
        }
    }
}

/// What a source says, and how it is known that it does.
#[derive(Debug, PartialEq)]
pub struct Vouched {
    /// What.
    pub checked: Checked,
    /// How.
    pub provenance: Provenance,
}

/// A source's answer that can't be used.
#[derive(Debug, PartialEq)]
pub struct Unusable {
    /// One of `not_json`, `breaks_schema`, `other_subject`, `bad_signature`.
    pub reason: Reason,
    /// Where, for the agency's engineers; masked.
    pub violations: Vec<Violation>,
}

impl Unusable {
    fn breaks(violations: Vec<Violation>) -> Self {
        Self {
            reason: Reason::BreaksSchema,
            violations,
        }
    }
}

/// Reads a source's answer to what it was allowed to be asked.
///
/// # Errors
/// When it isn't JSON, breaks its schema or the record's, is about someone else, or isn't signed as
/// it must be.
pub fn answer(
    body: &[u8],
    record: &RecordSchema,
    asked: &Allowed,
    origin: &Origin<'_>,
) -> Result<Vouched, Unusable> {
    let mut document = json::parse(body).map_err(|error| Unusable {
        reason: Reason::NotJson,
        violations: vec![Violation::new("", error)],
    })?;
    schema::source_answer()
        .check(&document)
        .map_err(Unusable::breaks)?;
    // Read as part of the answer, the record would only be built once more.
    let record_sent = document
        .as_object_mut()
        .and_then(|members| members.remove("record"));
    let mut answer: SourceAnswer = serde_json::from_value(document)
        .map_err(|_| Unusable::breaks(vec![Violation::new("", "isn't an answer")]))?;
    // The schema lets nothing else through there.
    if let Some(Value::Object(members)) = record_sent {
        answer.record = Some(Sensitive::new(members));
    }
    let (status, as_of, signature) = (answer.status, answer.as_of, answer.signature.take());
    let without = |reason| Checked::Without {
        reason,
        retry_after_s: answer.retry_after_s,
    };
    let checked = match status {
        SourceStatus::Found => found(answer, record, asked, origin.question.subject, origin.now)?,
        SourceStatus::NotFound => without(Reason::NoRecord),
        SourceStatus::SeveralRecords => without(Reason::SeveralRecords),
        SourceStatus::Refused => without(Reason::RefusedBySource),
        SourceStatus::QuotaUsedUp => without(Reason::QuotaUsedUp),
        SourceStatus::Later => without(Reason::SourceWillAnswerLater),
        SourceStatus::CitizenMustAct => without(Reason::CitizenMustAct),
    };
    let said = checked.said(status, as_of);
    let provenance = origin.provenance(signature, &said, asked)?;
    Ok(Vouched {
        checked,
        provenance,
    })
}

fn found(
    answer: SourceAnswer,
    record: &RecordSchema,
    asked: &Allowed,
    subject: &SubjectKey,
    now: Timestamp,
) -> Result<Checked, Unusable> {
    let other = |pointer: &str| Unusable {
        reason: Reason::OtherSubject,
        violations: vec![Violation::new(pointer, "is about someone else")],
    };
    let Some(as_of) = answer.as_of else {
        return Err(Unusable::breaks(vec![Violation::new(
            "/as_of",
            "is required with found",
        )]));
    };
    let about = answer
        .subject
        .as_ref()
        .is_some_and(|echo| is_same(echo, subject));
    if !about {
        return Err(other("/subject"));
    }
    match (answer.record, answer.claims, asked) {
        (None, Some(answers), Allowed::Claims(_)) => Ok(Checked::Claims { answers, as_of }),
        (Some(members), None, _) => {
            let members = members.into_exposed();
            if record.is_about(subject, &members) == Some(false) {
                return Err(other("/record"));
            }
            let members = Value::Object(members);
            let wanted: Vec<&str> = match asked {
                Allowed::Fields(fields) => fields.iter().map(String::as_str).collect(),
                Allowed::Claims(_) => Vec::new(),
            };
            record
                .check_part(&members, wanted)
                .map_err(Unusable::breaks)?;
            let Value::Object(members) = members else {
                return Err(Unusable::breaks(Vec::new()));
            };
            breaches(record, &members, now)?;
            Ok(Checked::Record { members, as_of })
        }
        _ => Err(Unusable::breaks(vec![Violation::new(
            String::new(),
            "found needs either record, or claims when claims were asked",
        )])),
    }
}

/// The rules beyond the schema that a record can't break and be a record: check digits, dates the
/// wrong way round. What is only odd is for findings.
fn breaches(
    record: &RecordSchema,
    members: &Map<String, Value>,
    now: Timestamp,
) -> Result<(), Unusable> {
    let violations: Vec<Violation> = rules::errors(&record.record, members, rules::today(now))
        .into_iter()
        .map(|breach| Violation::new(breach.pointer, breach.message))
        .collect();
    if violations.is_empty() {
        Ok(())
    } else {
        Err(Unusable::breaks(violations))
    }
}

fn is_same(echo: &SubjectKey, subject: &SubjectKey) -> bool {
    echo == subject
        || echo.scheme == subject.scheme
            && ids::normalise(echo.scheme, echo.value.expose())
                .is_ok_and(|value| value == *subject.value.expose())
}

#[cfg(test)]
mod tests;
