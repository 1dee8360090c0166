//! Faults: why a grant doesn't count, and who can mend it.

use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::json::JsonError;
use loket_sdk::jws::JwsError;
use loket_sdk::problem::Violation;

use super::MAX_BYTES;

/// Why a grant doesn't count.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Too long to be read.
    #[error("the grant is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// A document without a signature.
    #[error("the grant isn't signed")]
    Unsigned,
    /// The signature doesn't count.
    #[error("the grant's signature doesn't count: {0}")]
    Jws(#[from] JwsError),
    /// Another agency's data.
    #[error("the grant is of data of {owner:?}, and is signed with the key {kid:?}")]
    ForeignKey {
        /// The key.
        kid: String,
        /// Who owns the data.
        owner: String,
    },
    /// A key that signs other things.
    #[error("the key {0:?} isn't enrolled to sign grants")]
    KeyUse(String),
    /// A key of another time.
    #[error("the key {kid:?} wasn't valid on {day}, when the grant was signed")]
    KeyDay {
        /// The key.
        kid: String,
        /// When the grant was signed.
        day: Date,
    },
    /// A signature that is yet to be made.
    #[error("the grant was signed at {0}, which is still to come")]
    Future(Timestamp),
    /// Not strict JSON.
    #[error("the grant isn't JSON as agreed: {0}")]
    Json(JsonError),
    /// Not the document of the schema.
    #[error("the grant breaks its schema: {}", shown(.0))]
    Schema(Vec<Violation>),
    /// A date or time that there isn't.
    #[error("the grant has a date or a time that there isn't")]
    Value,
    /// Another grant's file.
    #[error("the file holds the grant {id:?}; it belongs into {id}.jws")]
    FileName {
        /// The grant within.
        id: String,
    },
    /// A record without a schema.
    #[error("there is no schema of {0}")]
    Record(String),
    /// Wider than the record's schema.
    #[error("the grant is wider than the schema: {record} has no {}", .fields.join(", "))]
    Wider {
        /// The record.
        record: String,
        /// What it doesn't have.
        fields: Vec<String>,
    },
    /// The first day after the last.
    #[error("the grant's last day lies before its first")]
    Dates,
    /// Not a pattern of paths.
    #[error("{0:?} isn't a path pattern")]
    Path(String),
}

fn shown(violations: &[Violation]) -> String {
    let shown = violations
        .iter()
        .map(|it| format!("{} {}", it.pointer, it.message));
    shown.collect::<Vec<_>>().join("; ").trim().to_owned()
}

impl Fault {
    /// What to do, and whose it is to do.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unsigned => "the agency signs it: `loket grant sign`",
            Self::Jws(JwsError::UnknownKey(_)) => {
                "enrol the key under [[members.keys]] of the agency, once the agency confirmed it"
            }
            Self::Jws(_) | Self::TooLong => {
                "ask the agency for the file as it signed it; an operator narrows with [[narrowings]]"
            }
            Self::ForeignKey { .. } => {
                "only the agency that owns the data grants it, with its own key"
            }
            Self::KeyUse(_) => "the agency signs grants with a key enrolled for use = \"grant\"",
            Self::KeyDay { .. } => {
                "the agency signs it anew with its key of today, or the operator corrects the key's days"
            }
            Self::Future(_) => {
                "the agency corrects issued_at, or the operator this machine's clock"
            }
            Self::FileName { .. } => "give the file the name of its grant",
            Self::Json(_)
            | Self::Schema(_)
            | Self::Value
            | Self::Record(_)
            | Self::Wider { .. }
            | Self::Dates
            | Self::Path(_) => "the agency corrects the document and signs it with a higher serial",
        }
    }
}
