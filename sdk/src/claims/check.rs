//! Whether a claim can be answered at all, before anyone is asked.

use serde_json::Value;
use thiserror::Error;

use super::{Claim, Op, PartialDate, Verify, allowed};
use crate::ids::RegionCode;

/// No name, number or code that is worth asking about is longer.
const MAX_CHARS: usize = 200;

/// More values than this are a search, not a claim.
const MAX_ONE_OF: usize = 20;

/// A value that the operation can't take. It never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{pointer}: {message}")]
#[non_exhaustive]
pub struct ClaimError {
    /// Where in the claim, as a JSON pointer: `/value`, `/value/3`.
    pub pointer: String,
    /// What is wrong, with the remedy.
    pub message: &'static str,
}

/// Checks that the value suits the operation.
///
/// An operation that the field doesn't allow is no error here: [`evaluate`](super::evaluate)
/// answers it with `not_permitted`, so that one forbidden claim doesn't spoil the others.
///
/// # Errors
/// The place and the remedy, without the value.
pub fn check(verify: Verify, claim: &Claim) -> Result<(), ClaimError> {
    if !allowed(verify, claim.op) {
        return Ok(());
    }
    let value = match (claim.op, &claim.value) {
        (Op::Exists, None) => return Ok(()),
        (Op::Exists, Some(_)) => return wrong("leave the value out: exists takes none"),
        (_, None) => return wrong("give a value: only exists goes without"),
        (_, Some(value)) => value.expose(),
    };
    match claim.op {
        Op::Equals => check_equals(verify, value),
        Op::NameMatches => check_text(value),
        Op::DateEquals | Op::Before | Op::After => check_date(value),
        Op::AtLeast | Op::AtMost => match value.is_number() {
            true => Ok(()),
            false => wrong("give a number, without quotes"),
        },
        Op::OneOf => check_one_of(value),
        Op::RegionWithin => check_region(value),
        Op::Exists => Ok(()),
    }
}

fn check_equals(verify: Verify, value: &Value) -> Result<(), ClaimError> {
    match verify {
        Verify::Date => check_date(value),
        Verify::Region => check_region(value),
        Verify::Name | Verify::Relation => check_text(value),
        Verify::Exact | Verify::Range | Verify::Mrz | Verify::None => check_scalar(value),
    }
}

fn check_one_of(value: &Value) -> Result<(), ClaimError> {
    let Some(values) = value.as_array() else {
        return wrong("give a list of values");
    };
    if values.is_empty() || values.len() > MAX_ONE_OF {
        return wrong("give 1 to 20 values");
    }
    values.iter().enumerate().try_for_each(|(at, value)| {
        check_scalar(value).map_err(|error| ClaimError {
            pointer: format!("/value/{at}"),
            ..error
        })
    })
}

fn check_scalar(value: &Value) -> Result<(), ClaimError> {
    match value {
        Value::Bool(_) | Value::Number(_) => Ok(()),
        Value::String(_) => check_text(value),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            wrong("give a text, a number, true or false")
        }
    }
}

fn check_text(value: &Value) -> Result<(), ClaimError> {
    match value.as_str() {
        None => wrong("give a text, in quotes"),
        Some(text) if text.trim().is_empty() => wrong("give a text that isn't empty"),
        Some(text) if text.chars().nth(MAX_CHARS).is_some() => wrong("give at most 200 characters"),
        Some(_) => Ok(()),
    }
}

fn check_date(value: &Value) -> Result<(), ClaimError> {
    match value.as_str().and_then(PartialDate::parse) {
        Some(_) => Ok(()),
        None => wrong("give a date as YYYY-MM-DD, YYYY-MM or YYYY"),
    }
}

fn check_region(value: &Value) -> Result<(), ClaimError> {
    match value.as_str().map(RegionCode::parse) {
        Some(Ok(_)) => Ok(()),
        _ => wrong("give a region code: 35, 35.10, 35.10.16 or 35.10.16.1003"),
    }
}

fn wrong(message: &'static str) -> Result<(), ClaimError> {
    Err(ClaimError {
        pointer: "/value".to_owned(),
        message,
    })
}
