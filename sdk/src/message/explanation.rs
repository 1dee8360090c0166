//! Why a lookup would be carried out or refused: the answer of `POST /v1/explain`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::words::words;
use super::{Reason, RecordRef, SourceName};

words! {
    /// What must hold for a question to be asked, in the order in which it is looked at.
    Step {
        /// The certificate is valid, trusted and names a system.
        Certificate "certificate",
        /// The system is enrolled.
        Member "member",
        /// The legal basis goes with the purpose.
        LegalBasis "legal_basis",
        /// A grant for the record is in force.
        Grant "grant",
        /// One of those is for the purpose.
        Purpose "purpose",
        /// The subject's data isn't held.
        Hold "hold",
        /// Something of what is asked for is granted.
        Fields "fields",
        /// The grants have questions left today.
        Quota "quota",
        /// Every record without which the service can't go on may be asked.
        RequiredRecords "required_records",
    }
}

words! {
    /// What would become of a lookup, or of one record of it.
    Verdict {
        /// All of it would be asked.
        Allowed "allowed",
        /// Some of it would be asked.
        InPart "in_part",
        /// None of it would be asked.
        Denied "denied",
    }
}

words! {
    /// Who can mend what fails.
    Mender {
        /// Whoever asks, by asking otherwise.
        Caller "caller",
        /// The agency that owns the data.
        Agency "agency",
        /// The operator of the gateway.
        Operator "operator",
    }
}

/// One step, passed or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedStep {
    /// Which.
    pub step: Step,
    /// Whether it lets the question through.
    pub passed: bool,
    /// What was found, and what to do where it fails.
    pub says: String,
    /// Who can mend it; absent when there is nothing to mend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mended_by: Option<Mender>,
}

/// What would become of one record at one source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedRecord {
    /// Which record.
    pub record: RecordRef,
    /// Who would be asked; absent when the caller has no grant of anyone for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceName>,
    /// What would become of it.
    pub verdict: Verdict,
    /// Why it wouldn't be asked, in the word that the lookup's result would have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The first step that fails; none comes after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failing: Option<Step>,
    /// The steps, in order.
    pub steps: Vec<ExplainedStep>,
}

/// Why a lookup would be carried out or refused. Nobody was asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The lookup's id.
    pub request_id: Uuid,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// The lookup as a whole.
    pub verdict: Verdict,
    /// The first step that fails anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failing: Option<Step>,
    /// The steps that concern all records, in order.
    pub steps: Vec<ExplainedStep>,
    /// One entry per record and source, in the order asked.
    pub records: Vec<ExplainedRecord>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_golden_explanation_is_read_and_written() {
        for (name, text) in loket_schemas::envelope("explanation").unwrap().valid {
            let wire: serde_json::Value = serde_json::from_str(text).unwrap();
            let explanation: Explanation = serde_json::from_value(wire.clone()).unwrap();
            assert_eq!(serde_json::to_value(&explanation).unwrap(), wire, "{name}");
        }
    }
}
