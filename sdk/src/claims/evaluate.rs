//! Holding a claim against the source's value.

use serde_json::Value;

use super::{Claim, ClaimAnswer, ClaimResult, Op, PartialDate, Verify, allowed, check};
use crate::{
    ids::RegionCode,
    names::{self, NameMatch},
};

/// Answers a claim.
///
/// `actual` is the source's value of the field, absent (or `null`) if it has none. The answer is
/// - `not_permitted` when the field can't be asked so, or [`check`] refuses the claim;
/// - `not_available` when the source has no value, or one too coarse to tell (`1988` before
///   `1988-05-14`, regency `35.10` within district `35.10.16`);
/// - `match` or `mismatch` otherwise.
pub fn evaluate(verify: Verify, claim: &Claim, actual: Option<&Value>) -> ClaimAnswer {
    let mut answer = ClaimAnswer {
        field: claim.field.clone(),
        op: claim.op,
        result: ClaimResult::NotPermitted,
        name_match: None,
    };
    if !allowed(verify, claim.op) || check(verify, claim).is_err() {
        return answer;
    }
    let actual = actual.filter(|actual| !actual.is_null());
    let claimed = claim.value.as_ref().map(|value| value.expose());
    let verdict = match (actual, claimed) {
        (None, _) => None,
        (Some(_), None) => Some(true),
        (Some(actual), Some(claimed)) if verify == Verify::Name => {
            let nearest = claimed.as_str().and_then(|name| nearest_name(name, actual));
            if claim.op == Op::NameMatches {
                answer.name_match = nearest;
            }
            nearest.map(|found| match claim.op {
                Op::NameMatches => found.is_match(),
                _ => found == NameMatch::Equal,
            })
        }
        (Some(actual), Some(claimed)) => holds(verify, claim.op, claimed, actual),
    };
    answer.result = match verdict {
        Some(true) => ClaimResult::Match,
        Some(false) => ClaimResult::Mismatch,
        None => ClaimResult::NotAvailable,
    };
    answer
}

/// Whether the claim holds; none when the source's value can't tell.
fn holds(verify: Verify, op: Op, claimed: &Value, actual: &Value) -> Option<bool> {
    match op {
        Op::Equals => equals(verify, claimed, actual),
        Op::OneOf => {
            let values = claimed.as_array()?;
            let same: Option<Vec<bool>> = values.iter().map(|v| is_same(v, actual)).collect();
            Some(same?.contains(&true))
        }
        Op::DateEquals => Some(date(claimed)?.agrees_with(&date(actual)?)),
        Op::Before => {
            let (bound, actual) = (date(claimed)?.first(), date(actual)?);
            decided(actual.last() < bound, actual.first() >= bound)
        }
        Op::After => {
            let (bound, actual) = (date(claimed)?.last(), date(actual)?);
            decided(actual.first() > bound, actual.last() <= bound)
        }
        Op::AtLeast => Some(actual.as_f64()? >= claimed.as_f64()?),
        Op::AtMost => Some(actual.as_f64()? <= claimed.as_f64()?),
        Op::RegionWithin => {
            let (claimed, actual) = (region(claimed)?, region(actual)?);
            decided(claimed.contains(&actual), !actual.contains(&claimed))
        }
        // Names are compared before, and exists takes no value.
        Op::NameMatches | Op::Exists => None,
    }
}

fn equals(verify: Verify, claimed: &Value, actual: &Value) -> Option<bool> {
    match verify {
        Verify::Exact => is_same(claimed, actual),
        Verify::Date => {
            let (claimed, actual) = (date(claimed)?, date(actual)?);
            decided(claimed == actual, !actual.contains(&claimed))
        }
        Verify::Region => {
            let (claimed, actual) = (region(claimed)?, region(actual)?);
            decided(claimed == actual, !actual.contains(&claimed))
        }
        Verify::Relation => Some(
            actual
                .as_array()?
                .iter()
                .filter_map(|member| member.get("nik"))
                .any(|nik| is_same(claimed, nik) == Some(true)),
        ),
        Verify::Name | Verify::Range | Verify::Mrz | Verify::None => None,
    }
}

fn decided(yes: bool, no: bool) -> Option<bool> {
    match (yes, no) {
        (true, _) => Some(true),
        (false, true) => Some(false),
        (false, false) => None,
    }
}

/// Whether two scalars are the same; a number may be written as a text on either side, since
/// some clients write the code `1` without quotes.
fn is_same(claimed: &Value, actual: &Value) -> Option<bool> {
    match (claimed, actual) {
        (_, Value::Null | Value::Array(_) | Value::Object(_)) => None,
        (Value::String(claimed), Value::String(actual)) => Some(is_same_text(claimed, actual)),
        (Value::Number(claimed), Value::Number(actual)) => {
            Some(claimed == actual || claimed.as_f64() == actual.as_f64())
        }
        (Value::Number(number), Value::String(text))
        | (Value::String(text), Value::Number(number)) => Some(number.to_string() == text.trim()),
        _ => Some(claimed == actual),
    }
}

/// Clerks write `3510 1614 0588 9901` and `01.999.999.4-627.000`; sources hold digits.
fn is_same_text(claimed: &str, actual: &str) -> bool {
    let is_number = !actual.is_empty() && actual.bytes().all(|b| b.is_ascii_digit());
    match is_number {
        false => claimed == actual,
        true => claimed
            .chars()
            .filter(|c| !c.is_whitespace() && !matches!(c, '.' | '-'))
            .eq(actual.chars()),
    }
}

fn date(value: &Value) -> Option<PartialDate> {
    PartialDate::parse(value.as_str()?)
}

fn region(value: &Value) -> Option<RegionCode> {
    let code = value.get("village_code").unwrap_or(value).as_str()?;
    RegionCode::parse(code).ok()
}

/// The nearest of the names that the value holds; different if it is a list without any.
fn nearest_name(claimed: &str, actual: &Value) -> Option<NameMatch> {
    match actual {
        Value::Array(people) => people
            .iter()
            .filter_map(name_of)
            .map(|name| names::compare(claimed, name))
            .min()
            .or(Some(NameMatch::Different)),
        one => name_of(one).map(|name| names::compare(claimed, name)),
    }
}

fn name_of(person: &Value) -> Option<&str> {
    let name = match person {
        Value::Object(members) => members.get("full_name").or_else(|| members.get("name"))?,
        other => other,
    };
    name.as_str()
}
