//! What is recorded of a routed call: never its path or query, which may name a citizen.

use loket_sdk::ids::{AgencyId, SystemId};
use serde::Serialize;

/// A routed call in an entry.
#[derive(Debug, Clone, Serialize)]
pub struct CallEntry {
    /// Whose service.
    pub agency: AgencyId,
    /// Which.
    pub service: SystemId,
    /// By which method.
    pub method: String,
    /// The grant that allowed it.
    pub grant: String,
    /// The pattern of the grant that named the path.
    pub path: String,
    /// The source's status; absent when there was no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The caller's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<BodySum>,
    /// The source's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<BodySum>,
    /// Whether the source may have seen it; only then it counts against the grant.
    pub asked: bool,
    /// What became of it.
    pub outcome: CallOutcome,
}

/// How much of a body went by.
#[derive(Debug, Clone, Serialize)]
pub struct BodySum {
    /// Its bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal; absent when the body wasn't read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl CallOutcome {
    /// The word in an entry, and of the metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::CutShort => "cut_short",
            Self::Denied => "denied",
            Self::TimedOut => "timed_out",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What became of a routed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// Nothing of it has come to an end yet.
    Open,
    /// The source's answer was read to its end.
    Answered,
    /// A body broke off, or the caller left.
    CutShort,
    /// No grant that names it has a call left today.
    Denied,
    /// The source didn't begin to answer in time.
    TimedOut,
    /// The source couldn't be reached.
    Unavailable,
}
