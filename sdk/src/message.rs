//! Messages: what goes over the wire between counter, gateway and agency.
//!
//! The JSON Schemas `envelope/*.json` of `loket-schemas` say the same for other languages. Members
//! that may carry a citizen's data are [`Sensitive`](crate::sensitive::Sensitive): their `Debug` shows nothing.

mod access;
mod explanation;
mod lookup;
mod record_ref;
mod source;
mod words;

pub use access::{
    AccessEntry, AccessKind, AccessPurpose, AccessReport, AccessRequest, AccessVisibility,
    AccessedField, AccessedRecord, HeldBack, Organisation,
};
pub use explanation::{ExplainedRecord, ExplainedStep, Explanation, Mender, Step, Verdict};
pub use lookup::{
    Answer, Approval, Approved, BreakGlass, BrokenGlass, Finding, LegalBasis, Lookup, Provenance,
    Receipt, RecordQuery, SourceName, SourceResult, Subject, Withheld,
};
pub use record_ref::{InvalidRecordRef, RecordRef};
pub use source::{Requester, SourceAnswer, SourceRequest, SourceSignature, SubjectKey};
pub use words::{
    Ground, LegalBasisKind, Locale, Obligation, Outcome, Overall, PresentedAs, ProvenanceMethod,
    Purpose, Reason, Severity, SourceStatus, UnknownWord, WithheldReason,
};

/// Header with the lookup's `request_id`, gateway to agency.
pub const REQUEST_ID_HEADER: &str = "loket-request-id";
/// Header with the milliseconds that are left, gateway to agency.
pub const DEADLINE_HEADER: &str = "loket-deadline-ms";
/// Header in which a caller may name its organisation; one that contradicts the certificate is
/// refused, one that agrees changes nothing.
pub const MEMBER_HEADER: &str = "loket-member";
/// Header with the key, 32 bytes in base64, under which the gateway keeps an answer so that it can give
/// it again; counter to gateway, and no further.
pub const REPLAY_KEY_HEADER: &str = "loket-replay-key";
/// Header with the trace id of an answer.
pub const TRACE_ID_HEADER: &str = "x-trace-id";
/// Shortest deadline that a lookup may ask for, in milliseconds.
pub const MIN_DEADLINE_MS: u32 = 200;
/// Longest deadline that a lookup may ask for, in milliseconds.
pub const MAX_DEADLINE_MS: u32 = 15_000;
/// Deadline of a lookup that doesn't name one, in milliseconds.
pub const DEFAULT_DEADLINE_MS: u32 = 3_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Scheme;
    use crate::sensitive::Sensitive;

    #[test]
    fn a_record_ref_is_name_and_major() {
        let record: RecordRef = "person-identity/1".parse().unwrap();
        assert_eq!((record.name(), record.major()), ("person-identity", 1));
        assert_eq!(record.to_string(), "person-identity/1");
        for bad in [
            "person-identity",
            "person-identity/0",
            "person-identity/+1",
            "/1",
            "A/1",
            "a/1/2",
            "a/x",
        ] {
            assert!(bad.parse::<RecordRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn every_outcome_has_a_reason() {
        for outcome in Outcome::ALL {
            assert!(
                Reason::ALL
                    .iter()
                    .any(|reason| reason.outcome() == *outcome),
                "{outcome}"
            );
        }
    }

    #[test]
    fn the_subject_is_not_in_debug() {
        let subject = Subject {
            scheme: Scheme::Nik,
            value: Sensitive::new("3510161405889901".to_owned()),
            presented_as: None,
        };
        assert!(!format!("{subject:?}").contains("3510"));
    }
}
