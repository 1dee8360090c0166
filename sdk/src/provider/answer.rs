//! From a provider's [`Reply`] to what may leave: the record checked, and cut to what was asked.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::{Query, Reply, Wanted};
use crate::claims::{self, ClaimAnswer, ClaimResult};
use crate::message::{SourceAnswer, SourceStatus};
use crate::problem::Violation;
use crate::rules;
use crate::schema::{self, RecordSchema};
use crate::sensitive::Sensitive;
use crate::statement::{Asked, Question, Signer};

/// Longest time after which to ask again that the envelope can say.
const MAX_RETRY_AFTER_S: u64 = 86_400;

/// What is sent, or problem `internal` when the provider's reply is wrong.
pub(super) fn shape(
    reply: Reply,
    query: &Query,
    schema: &RecordSchema,
) -> Result<SourceAnswer, Refusal> {
    let answer = match reply {
        Reply::Found {
            record,
            as_of,
            reference,
        } => found(record.into_exposed(), as_of, reference, query, schema)?,
        Reply::Claims { answers, as_of } => claimed(answers, as_of, query, schema)?,
        Reply::NotFound => status(SourceStatus::NotFound, None),
        Reply::SeveralRecords => status(SourceStatus::SeveralRecords, None),
        Reply::Refused => status(SourceStatus::Refused, None),
        Reply::QuotaUsedUp { retry_after } => status(SourceStatus::QuotaUsedUp, retry_after),
        Reply::Later { retry_after } => status(SourceStatus::Later, retry_after),
        Reply::CitizenMustAct => status(SourceStatus::CitizenMustAct, None),
    };
    let document = serde_json::to_value(&answer).map_err(|_| wrong(query, "serialises", &[]))?;
    schema::source_answer()
        .check(&document)
        .map_err(|places| wrong(query, "keeps to the answer's schema", &places))?;
    Ok(answer)
}

/// Puts the agency's signature to an answer.
pub(super) fn sign(
    answer: &mut SourceAnswer,
    query: &Query,
    signer: &Signer,
) -> Result<(), Refusal> {
    let question = Question {
        organisation: &query.requester.organisation,
        purpose: query.purpose,
        record: &query.record,
        subject: &query.subject,
    };
    let asked = match &query.wanted {
        Wanted::Fields(names) => Asked::Fields(names),
        Wanted::Claims(claims) => Asked::Claims(claims),
    };
    let signature = signer.sign(answer, &question, asked, Timestamp::now());
    answer.signature = Some(signature.map_err(|error| {
        tracing::error!(
            trace.id = %query.trace.trace_id,
            request.id = %query.request_id,
            record = %query.record,
            error = %error,
            "the provider's reply is not sent, since it can't be signed"
        );
        Refusal::internal()
    })?);
    Ok(())
}

fn found(
    record: Map<String, Value>,
    as_of: Timestamp,
    reference: Option<String>,
    query: &Query,
    schema: &RecordSchema,
) -> Result<SourceAnswer, Refusal> {
    let whole = Value::Object(record);
    schema
        .check_whole(&whole)
        .map_err(|places| wrong(query, "keeps to the record's schema", &places))?;
    let Value::Object(mut record) = whole else {
        return Err(wrong(query, "is an object", &[]));
    };
    let breaches: Vec<Violation> =
        rules::check(&query.record, &record, rules::today(Timestamp::now()))
            .into_iter()
            .filter(|breach| breach.severity == rules::Severity::Error)
            .map(|breach| Violation {
                pointer: breach.pointer,
                message: breach.message.to_owned(),
            })
            .collect();
    if !breaches.is_empty() {
        return Err(wrong(query, "keeps to the record's rules", &breaches));
    }
    if schema.is_about(&query.subject, &record) == Some(false) {
        return Err(wrong(query, "is about the subject", &[]));
    }
    let mut answer = about(query, as_of);
    answer.source_reference = reference;
    match &query.wanted {
        Wanted::Fields(names) => {
            let asked = names
                .iter()
                .filter_map(|name| record.remove_entry(name))
                .collect();
            answer.record = Some(Sensitive::new(asked));
        }
        Wanted::Claims(claims) => {
            let answers = claims
                .iter()
                .filter_map(|claim| {
                    let field = schema.field(&claim.field)?;
                    let actual = record.get(&claim.field);
                    Some(claims::evaluate(field.verify, claim, actual))
                })
                .collect();
            answer.claims = Some(answers);
        }
    }
    Ok(answer)
}

fn claimed(
    answers: Vec<ClaimAnswer>,
    as_of: Timestamp,
    query: &Query,
    schema: &RecordSchema,
) -> Result<SourceAnswer, Refusal> {
    let Wanted::Claims(claims) = &query.wanted else {
        return Err(wrong(query, "answers fields with a record", &[]));
    };
    let fits = answers.len() == claims.len()
        && answers
            .iter()
            .zip(claims)
            .all(|(answer, claim)| answer.field == claim.field && answer.op == claim.op);
    if !fits {
        return Err(wrong(query, "answers each claim once, in order", &[]));
    }
    let answers = answers
        .into_iter()
        .map(|answer| {
            let field = schema.field(&answer.field);
            match field.is_some_and(|field| claims::allowed(field.verify, answer.op)) {
                true => answer,
                false => ClaimAnswer {
                    result: ClaimResult::NotPermitted,
                    name_match: None,
                    ..answer
                },
            }
        })
        .collect();
    Ok(SourceAnswer {
        claims: Some(answers),
        ..about(query, as_of)
    })
}

fn about(query: &Query, as_of: Timestamp) -> SourceAnswer {
    SourceAnswer {
        as_of: Some(as_of),
        subject: Some(query.subject.clone()),
        ..status(SourceStatus::Found, None)
    }
}

fn status(status: SourceStatus, retry_after: Option<Duration>) -> SourceAnswer {
    SourceAnswer {
        status,
        as_of: None,
        subject: None,
        record: None,
        claims: None,
        retry_after_s: retry_after.map(whole_seconds),
        source_reference: None,
        signature: None,
    }
}

/// Rounded up, so that nobody asks too early.
fn whole_seconds(time: Duration) -> u64 {
    let seconds = time.as_secs().min(MAX_RETRY_AFTER_S - 1);
    seconds + u64::from(time.subsec_nanos() > 0 || time.as_secs() > seconds)
}

/// The log learns which rule and which places, never a value.
fn wrong(query: &Query, rule: &'static str, places: &[Violation]) -> Refusal {
    let pointers: Vec<&str> = places.iter().map(|place| place.pointer.as_str()).collect();
    tracing::error!(
        trace.id = %query.trace.trace_id,
        request.id = %query.request_id,
        record = %query.record,
        rule,
        pointers = pointers.join(" "),
        "the provider's reply is not sent, since it breaks a rule"
    );
    Refusal::internal()
}
