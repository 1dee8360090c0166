//! The sample world: one family, with one record of every type.

use serde_json::Value;

use super::ca::must;
use crate::message::RecordRef;

/// Every record type's sample, in the catalogue's order; the Indonesian ones are of one family.
///
/// ```
/// let world = loket_sdk::testing::samples();
/// assert_eq!(world.len(), loket_sdk::schema::records().len());
/// ```
///
/// # Panics
/// When the catalogue has no sample of a record.
#[must_use]
pub fn samples() -> Vec<(RecordRef, Value)> {
    loket_schemas::RECORDS
        .iter()
        .map(|entry| {
            let (_, text) = must(
                entry
                    .valid
                    .iter()
                    .find(|(name, _)| *name == "sample.json")
                    .ok_or(entry.name),
            );
            let record = must(RecordRef::new(entry.name, entry.major));
            (record, must(serde_json::from_str(text)))
        })
        .collect()
}

/// The sample of one record, such as `person-identity/1`.
///
/// # Panics
/// When the catalogue doesn't have the record.
#[must_use]
pub fn sample(record: &str) -> Value {
    let record: RecordRef = must(record.parse());
    let found = samples().into_iter().find(|(name, _)| *name == record);
    must(found.map(|(_, value)| value).ok_or(record))
}
