//! Who looked at a citizen's data: between the desk for subjects and the gateway.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{LegalBasis, Locale, Outcome, Purpose, Reason, Receipt, RecordRef, Subject};
use crate::ids::CaseId;

/// `POST /v1/access-reports`: the citizen asks who looked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRequest {
    /// UUID, version 7 preferred.
    pub request_id: Uuid,
    /// The case at the desk.
    pub case_id: CaseId,
    /// Who sits at the desk, as the organisation asserts it.
    pub clerk: String,
    /// Which desk, as the organisation asserts it.
    pub counter: String,
    /// The citizen.
    pub subject: Subject,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// Only entries before this one: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Language of sentences and labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
}

/// Who looked, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessReport {
    /// The request's id.
    pub request_id: Uuid,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// Language of sentences and labels.
    pub locale: Locale,
    /// What the citizen may be told now.
    pub entries: Vec<AccessEntry>,
    /// What rules keep out of every report.
    pub held_back: HeldBack,
    /// There is more: ask again with it as `before`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Proof that the report is recorded.
    pub receipt: Receipt,
}

/// One time that somebody looked, or tried to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessEntry {
    /// Number of the audit entry.
    pub entry: u64,
    /// When.
    pub at: Timestamp,
    /// What it was.
    pub what: AccessKind,
    /// Who asked.
    pub organisation: Organisation,
    /// At which counter, as the organisation says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<AccessPurpose>,
    /// By which right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_basis: Option<LegalBasis>,
    /// The case at the counter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<CaseId>,
    /// All of it in one sentence.
    pub summary: String,
    /// Which records, and what of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<AccessedRecord>,
    /// Whether it was kept from the citizen until now.
    pub visibility: AccessVisibility,
}

/// An organisation, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Organisation {
    /// Its id: of a member, or an agency.
    pub id: String,
    /// Its name; the id where the gateway has none.
    pub name: String,
}

/// A purpose, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPurpose {
    /// The word of the wire.
    pub code: Purpose,
    /// In the report's language.
    pub text: String,
}

/// A field, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessedField {
    /// Its name in the schema.
    pub name: String,
    /// In the report's language, where the schema has it.
    pub label: String,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccessedRecord {
    /// Which record.
    pub record: RecordRef,
    /// In the report's language, where the schema has it.
    pub label: String,
    /// Whose data it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agency: Option<Organisation>,
    /// Fields whose values were given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub given: Vec<AccessedField>,
    /// Fields that were compared with what the organisation had; the answer was yes or no.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verified: Vec<AccessedField>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Both in the report's language.
    pub text: String,
}

/// What somebody did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessKind {
    /// A lookup that was answered.
    Lookup,
    /// A part of a lookup, on its own since the whole was never recorded.
    Part,
    /// A lookup that broke off before its answer; the agencies may have been asked.
    Abandoned,
    /// A lookup that was refused.
    Refused,
    /// A report such as this one.
    AccessReport,
}

/// Whether an entry was kept from the citizen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessVisibility {
    /// It never was.
    Now,
    /// It was, until its day came.
    Deferred,
}

/// What the operator's rules keep out of reports: the same in each. Whether there are such entries about
/// this citizen isn't told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldBack {
    /// Entries of some purposes are told so many days later, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deferred_days: Option<u16>,
    /// Entries of some purposes aren't told, on these grounds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grounds: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_golden_message_is_read_and_written() {
        let golden = |name| loket_schemas::envelope(name).unwrap().valid;
        for (name, text) in golden("access-report-request") {
            let wire: Value = serde_json::from_str(text).unwrap();
            let request: AccessRequest = serde_json::from_value(wire.clone()).unwrap();
            let written = serde_json::to_value(&request).unwrap();
            // A moment is written in UTC.
            let again: AccessRequest = serde_json::from_value(written).unwrap();
            assert_eq!(again, request, "{name}");
        }
        for (name, text) in golden("access-report") {
            let wire: Value = serde_json::from_str(text).unwrap();
            let report: AccessReport = serde_json::from_value(wire.clone()).unwrap();
            assert_eq!(serde_json::to_value(&report).unwrap(), wire, "{name}");
        }
    }
}
