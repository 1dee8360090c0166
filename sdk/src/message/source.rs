//! Between gateway and agency.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{LegalBasis, Purpose, SourceStatus};
use crate::claims::{Claim, ClaimAnswer};
use crate::ids::{CaseId, MallId, MemberId, Scheme};
use crate::sensitive::Sensitive;

/// Who asks, as the gateway tells the agency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requester {
    /// The organisation, from its certificate.
    pub organisation: MemberId,
    /// The mall, from the directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mall: Option<MallId>,
    /// The counter, asserted by the organisation.
    pub counter: String,
    /// The clerk, asserted by the organisation.
    pub clerk: String,
}

/// `POST {base}/v1/records/{record}/{major}`: gateway to agency, only what was granted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceRequest {
    /// The lookup's id.
    pub request_id: Uuid,
    /// The case at the counter.
    pub case_id: CaseId,
    /// Why.
    pub purpose: Purpose,
    /// By which right.
    pub legal_basis: LegalBasis,
    /// Who asks.
    pub requester: Requester,
    /// About whom.
    pub subject: SubjectKey,
    /// Fields to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Claims to verify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Vec<Claim>>,
}

/// An identifier without how it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectKey {
    /// Which kind of identifier.
    pub scheme: Scheme,
    /// The identifier, in normal form.
    pub value: Sensitive<String>,
}

/// What an agency answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceAnswer {
    /// How it answers.
    pub status: SourceStatus,
    /// Of when its data is; required with `found`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// Whom the answer is about; required with `found`, so that a mix-up shows even where the
    /// granted fields don't name the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectKey>,
    /// The fields asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Sensitive<Map<String, Value>>>,
    /// The claims, answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Vec<ClaimAnswer>>,
    /// When it may be asked again, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// The agency's own reference of this answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_reference: Option<String>,
    /// The agency's signature of all of it but `retry_after_s` and `source_reference`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SourceSignature>,
}

/// An agency's signature of its answer; see [`statement`](crate::statement).
///
/// The salts are as personal as what they are for: with one of them its value can be tried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceSignature {
    /// The statement, a compact JWS.
    pub jws: String,
    /// The salt of the question's digest.
    pub salt: Sensitive<String>,
    /// The salts of the fields, or of the claims, by field.
    #[serde(default, skip_serializing_if = "has_none")]
    pub salts: Sensitive<BTreeMap<String, String>>,
}

fn has_none(salts: &Sensitive<BTreeMap<String, String>>) -> bool {
    salts.expose().is_empty()
}

impl SourceSignature {
    /// SHA-256 of the JWS, 64 hexadecimal digits, as the audit log has it.
    #[must_use]
    pub fn sha256(&self) -> String {
        let hash = digest(&SHA256, self.jws.as_bytes());
        hash.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}
