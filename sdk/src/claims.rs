//! Claims: what a counter believes about a citizen, and whether the source agrees.
//!
//! In: a field, an operation and a value, and later the source's value. Out: match, mismatch,
//! not available or not permitted, never the source's value. Refused, by [`check`]: a value that
//! the operation can't take, which is the caller's mistake and no statement about the citizen.
//!
//! What may be asked of a field is the schema's `x-verify`, here [`Verify`]. The rule of thumb is
//! that a claim must not be a way to find a value by trying: a decile can be compared with a
//! threshold and not guessed, and a field marked `none` can't be asked at all.
//!
//! ```
//! use loket_sdk::claims::{Claim, ClaimResult, Op, Verify, check, evaluate};
//! use serde_json::json;
//!
//! let claim = Claim {
//!     field: "full_name".to_owned(),
//!     op: Op::NameMatches,
//!     value: Some(json!("Bagas Contoh Pratama").into()),
//! };
//! check(Verify::Name, &claim)?;
//! let answer = evaluate(Verify::Name, &claim, Some(&json!("BAGAS CONTOH PRATAMA")));
//! assert_eq!(answer.result, ClaimResult::Match);
//! # Ok::<(), loket_sdk::claims::ClaimError>(())
//! ```

mod check;
mod evaluate;
mod partial_date;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{names::NameMatch, sensitive::Sensitive};

pub use check::{ClaimError, check};
pub use evaluate::evaluate;
pub use partial_date::PartialDate;

/// What is claimed of a field. Source: the wire contract, `claims[].op`.
///
/// Exhaustive on purpose, as are the other words of the wire here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// The value is this one.
    Equals,
    /// The name is equal or equivalent to this one.
    NameMatches,
    /// The date is this one, as far as both are known.
    DateEquals,
    /// The date lies before this one; the day itself doesn't.
    Before,
    /// The date lies after this one; the day itself doesn't.
    After,
    /// The number is this one or greater.
    AtLeast,
    /// The number is this one or less.
    AtMost,
    /// The value is one of these.
    OneOf,
    /// The source has a value; the claim has none.
    Exists,
    /// The region is this one or lies within it.
    RegionWithin,
}

impl Op {
    /// Every operation, in the order of the wire contract.
    pub const ALL: [Self; 10] = [
        Self::Equals,
        Self::NameMatches,
        Self::DateEquals,
        Self::Before,
        Self::After,
        Self::AtLeast,
        Self::AtMost,
        Self::OneOf,
        Self::Exists,
        Self::RegionWithin,
    ];

    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equals => "equals",
            Self::NameMatches => "name_matches",
            Self::DateEquals => "date_equals",
            Self::Before => "before",
            Self::After => "after",
            Self::AtLeast => "at_least",
            Self::AtMost => "at_most",
            Self::OneOf => "one_of",
            Self::Exists => "exists",
            Self::RegionWithin => "region_within",
        }
    }
}

/// Whether the source agrees. Source: the wire contract, `claims[].result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimResult {
    /// It does.
    Match,
    /// It doesn't; for a name, it may be a variant.
    Mismatch,
    /// It has no value, or one too coarse to tell.
    NotAvailable,
    /// The field can't be asked in this way.
    NotPermitted,
}

impl ClaimResult {
    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Mismatch => "mismatch",
            Self::NotAvailable => "not_available",
            Self::NotPermitted => "not_permitted",
        }
    }
}

/// How a field may be asked. Source: the record schemas, `x-verify`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verify {
    /// A number, code or flag.
    Exact,
    /// A name: a text, an object with `full_name` or `name`, or a list of those.
    Name,
    /// A date, of which the day or the month may be unknown.
    Date,
    /// A region code, or an address with a `village_code`.
    Region,
    /// A number that may be compared and not guessed.
    Range,
    /// People, each with a `nik`.
    Relation,
    /// A machine-readable zone.
    Mrz,
    /// Not at all.
    None,
}

impl Verify {
    /// Every way, in the order of the schemas' documentation.
    pub const ALL: [Self; 8] = [
        Self::Exact,
        Self::Name,
        Self::Date,
        Self::Region,
        Self::Range,
        Self::Relation,
        Self::Mrz,
        Self::None,
    ];

    /// The word of the schemas.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Name => "name",
            Self::Date => "date",
            Self::Region => "region",
            Self::Range => "range",
            Self::Relation => "relation",
            Self::Mrz => "mrz",
            Self::None => "none",
        }
    }
}

/// One claim, as the counter makes it. `Debug` hides the value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The field of the record, `birth_date`.
    pub field: String,
    /// What is claimed of it.
    pub op: Op,
    /// The value claimed; none for [`Op::Exists`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Sensitive<Value>>,
}

/// What became of a claim. It holds no value of the citizen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimAnswer {
    /// The field of the record.
    pub field: String,
    /// What was claimed of it.
    pub op: Op,
    /// Whether the source agrees.
    pub result: ClaimResult,
    /// How near the names are, for [`Op::NameMatches`]; a variant is a mismatch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_match: Option<NameMatch>,
}

/// Whether a field that is verified in this way may be asked with this operation.
///
/// A range can't be asked with [`Op::Equals`]: ten questions would find a decile exactly, where
/// the law needs "at most 4". A relation is asked by a member's NIK only.
pub const fn allowed(verify: Verify, op: Op) -> bool {
    match verify {
        Verify::Exact => matches!(op, Op::Equals | Op::OneOf | Op::Exists),
        Verify::Name => matches!(op, Op::NameMatches | Op::Equals | Op::Exists),
        Verify::Date => matches!(
            op,
            Op::DateEquals | Op::Before | Op::After | Op::Equals | Op::Exists
        ),
        Verify::Region => matches!(op, Op::RegionWithin | Op::Equals | Op::Exists),
        Verify::Range => matches!(op, Op::AtLeast | Op::AtMost | Op::Exists),
        Verify::Relation => matches!(op, Op::Equals | Op::Exists),
        Verify::Mrz => matches!(op, Op::Exists),
        Verify::None => false,
    }
}

#[cfg(test)]
mod tests;
