//! Last good: a source's last answer, to stand in where a grant allows it and the source fails.
//!
//! In memory only, bounded in number and time, and never shared between consumers or purposes
//! (no onward transfer). What vouches for an answer is part of its question: with a key that is withdrawn,
//! or a signature that is required from now on, its last answers are found no more.

use std::time::Duration;

use jiff::Timestamp;
use loket_sdk::claims::ClaimAnswer;
use loket_sdk::message::{Provenance, Withheld};
use loket_sdk::sensitive::Sensitive;
use moka::sync::Cache;
use serde_json::{Map, Value};

/// What a source said, cut to what it was asked.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The fields.
    pub data: Option<Sensitive<Map<String, Value>>>,
    /// The claims, answered.
    pub answers: Vec<ClaimAnswer>,
    /// Fields that it lacked.
    pub missing: Vec<Withheld>,
    /// Of when the source's data is.
    pub as_of: Timestamp,
    /// How it was known that the source said it.
    pub provenance: Provenance,
}

/// Answers by the question that they answered.
pub struct LastGood(Cache<[u8; 32], Kept>);

impl std::fmt::Debug for LastGood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LastGood")
            .field("entries", &self.0.entry_count())
            .finish()
    }
}

impl LastGood {
    /// Keeps at most `entries`, each for at most `time`.
    #[must_use]
    pub fn new(entries: u64, time: Duration) -> Self {
        Self(
            Cache::builder()
                .max_capacity(entries)
                .time_to_live(time)
                .build(),
        )
    }

    /// Keeps an answer.
    pub fn keep(&self, question: [u8; 32], answer: Kept) {
        self.0.insert(question, answer);
    }

    /// Forgets an answer that its source has taken back.
    pub fn forget(&self, question: &[u8; 32]) {
        self.0.invalidate(question);
    }

    /// The last answer to the same question.
    #[must_use]
    pub fn find(&self, question: &[u8; 32]) -> Option<Kept> {
        self.0.get(question)
    }
}

#[cfg(test)]
mod tests;
