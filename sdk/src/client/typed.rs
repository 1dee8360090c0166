//! An answer by record: typed data, claims, results.

use serde_json::Value;

use super::error::{Error, Result};
use crate::claims::ClaimAnswer;
use crate::message::{Answer, RecordRef, SourceResult};
use crate::records::Record;

impl Answer {
    /// The data of a record as its type, from the first result that has data. A part, since a
    /// grant seldom covers every field.
    ///
    /// `None` when the record wasn't asked for, wasn't found, or was only verified.
    ///
    /// # Errors
    /// [`Error::Protocol`] when the data doesn't have the record's shape: the gateway has another
    /// version of the schema.
    ///
    /// ```
    /// use loket_sdk::client::Result;
    /// use loket_sdk::message::Answer;
    /// use loket_sdk::records::PersonIdentity;
    ///
    /// fn greet(answer: &Answer) -> Result<()> {
    ///     if let Some(person) = answer.record::<PersonIdentity>().transpose()? {
    ///         let given = person.full_name.is_some();
    ///         println!("a name was given: {given}");
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn record<T: Record>(&self) -> Option<Result<T::Part>> {
        let data = self
            .results_of(T::NAME, T::MAJOR)
            .find_map(|result| result.data.as_ref())?;
        let document = Value::Object(data.expose().clone());
        // serde's own words can quote the data, so they are left out.
        Some(serde_json::from_value(document).map_err(|_| {
            let what = format!(
                "the data doesn't have the shape of {}/{}",
                T::NAME,
                T::MAJOR
            );
            Error::protocol(what, &self.trace_id)
        }))
    }

    /// The answered claims on a record, of every source that answered.
    pub fn claims(&self, record: &RecordRef) -> impl Iterator<Item = &ClaimAnswer> {
        self.results_of(record.name(), record.major())
            .flat_map(|result| &result.claims)
    }

    /// The first result about a record.
    #[must_use]
    pub fn result(&self, record: &RecordRef) -> Option<&SourceResult> {
        self.results_of(record.name(), record.major()).next()
    }

    fn results_of(&self, name: &str, major: u32) -> impl Iterator<Item = &SourceResult> {
        self.results
            .iter()
            .filter(move |result| result.record.name() == name && result.record.major() == major)
    }
}
