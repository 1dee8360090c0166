//! Between counter and gateway.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    Ground, LegalBasisKind, Locale, Obligation, Outcome, Overall, PresentedAs, ProvenanceMethod,
    Purpose, Reason, RecordRef, Severity, SourceSignature, WithheldReason,
};
use crate::claims::{Claim, ClaimAnswer};
use crate::ids::{AgencyId, CaseId, Scheme, SystemId};
use crate::sensitive::Sensitive;

/// The law and document that allow the lookup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalBasis {
    /// Which of the six.
    pub kind: LegalBasisKind,
    /// Law or document, 3 to 120 characters.
    pub reference: String,
    /// Agreement between the organisations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement_id: Option<String>,
    /// Required when the basis is consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_id: Option<String>,
}

/// Whom the lookup is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subject {
    /// Which kind of identifier.
    pub scheme: Scheme,
    /// The identifier.
    pub value: Sensitive<String>,
    /// How the citizen showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presented_as: Option<PresentedAs>,
}

/// One record asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordQuery {
    /// Which record.
    pub record: RecordRef,
    /// Fields to read; left out with `claims` left out too: all that the grant allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Claims to verify, in place of fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Vec<Claim>>,
    /// Whether the service can't go on without it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
}

/// Why a lookup may pass a hold or the purposes of a grant that allows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlass {
    /// Which ground.
    pub ground: Ground,
    /// What happened, in 20 to 500 characters; an auditor reads it.
    pub justification: Sensitive<String>,
}

/// `POST /v1/break-glass/{entry}/approvals`: the second person, as the consumer asserts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Who approves; not who asked.
    pub clerk: String,
    /// At which counter.
    pub counter: String,
}

/// An approval that is on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The entry that was approved.
    pub entry: u64,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// It came after [`BrokenGlass::approve_by`]: it is on record, as late.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// Proof of the approval.
    pub receipt: Receipt,
}

/// That a lookup was let through by its break-glass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenGlass {
    /// The audit entry that the second person approves.
    pub entry: u64,
    /// Until when.
    pub approve_by: Timestamp,
}

/// `POST /v1/lookups`: one subject, many records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lookup {
    /// UUID, version 7 preferred.
    pub request_id: Uuid,
    /// The case at the counter.
    pub case_id: CaseId,
    /// Why.
    pub purpose: Purpose,
    /// By which right.
    pub legal_basis: LegalBasis,
    /// Who sits at the counter, as the consumer asserts it.
    pub clerk: String,
    /// Which counter, as the consumer asserts it.
    pub counter: String,
    /// About whom.
    pub subject: Subject,
    /// What.
    pub records: Vec<RecordQuery>,
    /// How long the caller waits, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u32>,
    /// Language of messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<Locale>,
    /// Why a hold or a purpose may be passed, where a grant allows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BreakGlass>,
}

/// Who answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceName {
    /// The agency.
    pub agency: AgencyId,
    /// Its system.
    pub system: SystemId,
}

/// A field that was asked for and isn't in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withheld {
    /// Which field.
    pub field: String,
    /// Why.
    pub reason: WithheldReason,
}

/// What one source said of one record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceResult {
    /// Which record.
    pub record: RecordRef,
    /// Schema version, `major.minor`.
    pub version: String,
    /// Who was asked; absent when no source serves the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// What became of it.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Of when the source's data is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// How long the source took, in milliseconds.
    pub elapsed_ms: u64,
    /// The granted fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Sensitive<Map<String, Value>>>,
    /// The claims, answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ClaimAnswer>,
    /// Fields asked for and not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<Withheld>,
    /// When it may be asked again, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// How it is known that the source said it; absent when it said nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// How it is known who said something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// In which way.
    pub method: ProvenanceMethod,
    /// The source's signature, with the salts of what is given; for
    /// [`SourceResult::verify_source`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SourceSignature>,
}

/// Something that doesn't fit across records. Names fields and owners, never a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Rule number, `C01` to `C20`, or `SOURCE`.
    pub rule: String,
    /// What it found, for programs.
    pub code: String,
    /// How grave.
    pub severity: Severity,
    /// Records that were compared.
    pub records: Vec<RecordRef>,
    /// Fields that were compared.
    pub fields: Vec<String>,
    /// The agency that can mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AgencyId>,
    /// What it means and what to do, in the lookup's language.
    pub message: String,
}

/// The promise that the exchange is in the audit log; to be kept, and verified with
/// [`transparency`](crate::transparency).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Number of the audit entry, from 1.
    pub entry: u64,
    /// When it was written.
    pub at: Timestamp,
    /// The entry's hash as a leaf of RFC 6962, 64 hexadecimal digits.
    pub hash: String,
    /// The log's head once the entry was in it, a signed note; a stream's receipt may lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

/// The answer to a lookup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The lookup's id.
    pub request_id: Uuid,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// When the answer was made.
    pub answered_at: Timestamp,
    /// The lookup as a whole.
    pub overall: Overall,
    /// Required records that weren't found.
    #[serde(default)]
    pub required_missing: Vec<RecordRef>,
    /// One result per record and source, in the order asked.
    pub results: Vec<SourceResult>,
    /// What doesn't fit.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// What the consumer must do with it.
    #[serde(default)]
    pub obligations: Vec<Obligation>,
    /// Present when something was disclosed that only break-glass allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_glass: Option<BrokenGlass>,
    /// Proof that the exchange is recorded.
    pub receipt: Receipt,
}
