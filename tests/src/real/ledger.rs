//! The audit log as it lies on disk.

use std::path::Path;

use loket_gateway::audit::{hex, verify};
use serde_json::Value;
use tlog_tiles::record_hash;

use super::Seen;

/// The entries of a log that is whole, in order.
pub struct Ledger {
    entries: Vec<(String, Value)>,
}

impl Ledger {
    /// Reads a log; a gateway may be writing to it.
    ///
    /// # Panics
    /// When the log isn't whole.
    #[must_use]
    pub fn read(audit: &Path) -> Self {
        let verified = verify::verify(audit, None, |_| {}).expect("the log is whole");
        let entries = verify::read(audit).map(|text| {
            let text = text.expect("the log is whole");
            let (_, members) = text.split_once(',').expect("its number, then its leaf");
            let hash = record_hash(format!("{{{members}").as_bytes());
            let entry = serde_json::from_str(&text).expect("an entry");
            (hex(&hash.0), entry)
        });
        let entries: Vec<_> = entries.collect();
        assert!(entries.len() as u64 >= verified.entries);
        Self { entries }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Those of a kind, in their order.
    pub fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Value> {
        let entries = self.entries.iter().map(|(_, entry)| entry);
        entries.filter(move |entry| entry["kind"] == kind)
    }

    /// How many there are of a kind.
    #[must_use]
    pub fn count(&self, kind: &str) -> usize {
        let of_kind = self.entries.iter().filter(|(_, e)| e["kind"] == kind);
        of_kind.count()
    }

    /// Every answer that was seen is an entry, under the number and the hash of its receipt, and
    /// says the same of every source; how many.
    ///
    /// # Panics
    /// When one isn't.
    pub fn has(&self, seen: &[Seen]) -> usize {
        let answers: Vec<_> = seen.iter().filter_map(Seen::answer).collect();
        for answer in &answers {
            let receipt = &answer.receipt;
            let number = usize::try_from(receipt.entry).expect("a number");
            let (hash, entry) = self.entries.get(number - 1).expect("an answer is recorded");
            assert_eq!(*hash, receipt.hash);
            assert_eq!(entry["request_id"], answer.request_id.to_string());
            for (told, recorded) in answer.results.iter().zip(sources(entry)) {
                assert_eq!(recorded["record"], told.record.to_string());
                assert_eq!(recorded["reason"], told.reason.as_str());
            }
        }
        answers.len()
    }
}

fn sources(entry: &Value) -> impl Iterator<Item = &Value> {
    entry["sources"].as_array().into_iter().flatten()
}
