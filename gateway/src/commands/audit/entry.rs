//! What the reports read of an entry. A word that isn't known any more is no reason to stop.

use jiff::Timestamp;
use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    clock: Option<Timestamp>,
    pub(super) kind: String,
    pub(super) request_id: Option<String>,
    pub(super) member: Option<String>,
    pub(super) system: Option<String>,
    pub(super) counter: Option<String>,
    pub(super) clerk: Option<String>,
    pub(super) case_id: Option<String>,
    pub(super) purpose: Option<String>,
    pub(super) subject_ref: Option<String>,
    pub(super) visibility: Option<String>,
    #[serde(default)]
    pub(super) sources: Vec<Source>,
    /// Entries that say nothing that this one doesn't.
    #[serde(default)]
    pub(super) parts: Vec<u64>,
    pub(super) call: Option<Call>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Source {
    pub(super) record: String,
    #[serde(default)]
    pub(super) grants: Vec<String>,
    #[serde(default)]
    pub(super) fields: Vec<String>,
    #[serde(default)]
    pub(super) claims: Vec<String>,
    pub(super) outcome: String,
    pub(super) reason: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Call {
    pub(super) agency: String,
    pub(super) service: String,
    pub(super) grant: String,
    pub(super) asked: Option<bool>,
    pub(super) outcome: String,
}

impl Entry {
    pub(super) fn read(leaf: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(leaf)
    }

    /// When it was, by the clock of then: what quotas count by.
    pub(super) fn moment(&self) -> Timestamp {
        self.clock.unwrap_or(self.at)
    }
}
