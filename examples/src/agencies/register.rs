//! Records of one type, in memory, by the identifiers they may be asked by: the stand-in for an
//! agency's database.

use std::collections::HashMap;

use anyhow::Context;
use jiff::Timestamp;
use loket_sdk::ids::Scheme;
use loket_sdk::message::SubjectKey;
use loket_sdk::provider::{ProviderError, Reply};
use loket_sdk::records::Record;

/// Records of one type.
pub struct Register<T> {
    records: Vec<T>,
    by_key: HashMap<SubjectKey, Vec<usize>>,
}

impl<T: Record> Register<T> {
    /// A register of these records; `keys` says by what each may be asked.
    pub fn new(records: Vec<T>, keys: impl Fn(&T) -> Vec<SubjectKey>) -> Self {
        let mut by_key: HashMap<SubjectKey, Vec<usize>> = HashMap::new();
        for (index, record) in records.iter().enumerate() {
            for key in keys(record) {
                by_key.entry(key).or_default().push(index);
            }
        }
        Self { records, by_key }
    }

    /// The records of a subject.
    pub fn find(&self, subject: &SubjectKey) -> impl Iterator<Item = &T> {
        let found = self.by_key.get(subject).map_or(&[][..], Vec::as_slice);
        found.iter().map(|&index| &self.records[index])
    }

    /// The answer that most agencies give: the record, none, or several.
    ///
    /// # Errors
    /// When the record can't be serialised.
    pub fn reply(&self, subject: &SubjectKey) -> Result<Reply, ProviderError> {
        let mut found = self.find(subject);
        match (found.next(), found.next()) {
            (None, _) => Ok(Reply::NotFound),
            // A real agency says here when its data was last brought up to date.
            (Some(record), None) => Reply::found(record, Timestamp::now()),
            (Some(_), Some(_)) => Ok(Reply::SeveralRecords),
        }
    }
}

/// An identifier as a key of a register.
#[must_use]
pub fn key(scheme: Scheme, value: &str) -> SubjectKey {
    SubjectKey {
        scheme,
        value: value.to_owned().into(),
    }
}

/// The sample family's records of a type.
///
/// # Errors
/// When the catalogue has no sample of it.
pub fn samples<T: Record>() -> anyhow::Result<Vec<T>> {
    let missing = || format!("no sample of {}", T::NAME);
    let record = loket_schemas::record(T::NAME, T::MAJOR).with_context(missing)?;
    let texts = record
        .valid
        .iter()
        .filter(|(name, _)| *name == "sample.json");
    texts
        .map(|(_, text)| serde_json::from_str(text).with_context(missing))
        .collect()
}
