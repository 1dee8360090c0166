//! The events of a streamed lookup, as `text/event-stream` carries them. The gateway writes what
//! is defined here; the client reads it.
//!
//! | event | data |
//! |---|---|
//! | [`ACCEPTED`] | [`Accepted`] |
//! | [`RESULT`] | [`IndexedResult`], one per record and source, in the order of arrival |
//! | [`FINDING`] | [`Finding`] |
//! | [`DONE`] | [`Answer`]; results whose data was already sent have neither `data` nor `claims` |
//! | [`PROBLEM`] | [`Problem`](crate::problem::Problem), when it fails after the start |

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::message::{Answer, Finding, RecordRef, SourceName, SourceResult};

/// Media type of the stream.
pub const MEDIA_TYPE: &str = "text/event-stream";
/// First event: what will be asked.
pub const ACCEPTED: &str = "accepted";
/// One source's result.
pub const RESULT: &str = "result";
/// Something that doesn't fit across records.
pub const FINDING: &str = "finding";
/// Last event of a lookup that was carried out.
pub const DONE: &str = "done";
/// Last event of a lookup that failed after its start.
pub const PROBLEM: &str = "problem";

/// What the gateway will ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// The lookup's id.
    pub request_id: Uuid,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// One entry per result to come, in the order of the results.
    pub records: Vec<AcceptedRecord>,
}

/// One result to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedRecord {
    /// Which record.
    pub record: RecordRef,
    /// Who will be asked; absent when no source serves the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
}

/// A result and its place in [`Answer::results`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IndexedResult {
    /// Place in [`Answer::results`], from 0.
    pub index: usize,
    /// The result, whole.
    pub result: SourceResult,
}

/// What a streamed lookup yields.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The gateway took the lookup on.
    Accepted(Accepted),
    /// One source's result, whole.
    Result(SourceResult),
    /// Something doesn't fit across records.
    Finding(Finding),
    /// The whole answer, with the data of the results that came before. Nothing follows.
    Done(Answer),
}
