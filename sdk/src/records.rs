//! Records: a Rust type for each record of the catalogue, made from its schema.
//!
//! In: JSON that has passed its schema. Out: values with public fields, or JSON again. Each record
//! has two types: the whole one, such as [`PersonIdentity`], as its agency holds it, and its part,
//! such as [`PersonIdentityPart`], as it travels when only some fields are granted.
//!
//! A type has the shape of its schema and no more: members and whether they may be absent, codes,
//! identifiers and dates. Patterns, lengths, bounds and conditions aren't in it, so check with
//! [`RecordSchema`](crate::schema::RecordSchema) first; that check also names the place that is
//! wrong without showing a value, which serde's own errors may do. Rules across fields are in
//! [`rules`](crate::rules).
//!
//! `Debug` shows the name of a type and nothing of the person: `PersonIdentity(…)`. Only codes
//! show themselves. A whole record refuses unknown members; a part drops those of its own.
//!
//! `null` reads as absent, and an identifier is read with the separators that people write, and
//! written without: a record that has passed its schema has neither.
//!
//! ```
//! use loket_sdk::records::{PersonIdentityPart, Record, PersonIdentity, Sex};
//!
//! let part: PersonIdentityPart = serde_json::from_str(r#"{"full_name": "SEKAR", "sex": "2"}"#)?;
//! assert_eq!(part.sex, Some(Sex::Female));
//! assert_eq!(part.full_name.as_ref().map(|name| name.expose()), Some("SEKAR"));
//! assert_eq!(part.nik, None);
//! assert_eq!(format!("{part:?}"), "PersonIdentityPart(…)");
//! assert_eq!(PersonIdentity::record_ref().to_string(), "person-identity/1");
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::{Serialize, de::DeserializeOwned};

use crate::message::RecordRef;

/// A record type of the catalogue. No other type can be one.
pub trait Record: Serialize + DeserializeOwned + sealed::Sealed {
    /// Its name, `person-identity`.
    const NAME: &'static str;
    /// Its major version.
    const MAJOR: u32;
    /// The record when only some fields are granted.
    type Part: Serialize + DeserializeOwned;

    /// Its name and major version as messages write them.
    #[must_use]
    fn record_ref() -> RecordRef {
        #[expect(
            clippy::expect_used,
            reason = "the trait is sealed, and a test asks every record"
        )]
        RecordRef::new(Self::NAME, Self::MAJOR).expect("a record of the catalogue has a name")
    }
}

/// The text isn't a code of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a code of this list")]
pub struct UnknownCode;

mod sealed {
    /// Keeps [`Record`](super::Record) to the types made here.
    pub trait Sealed {}
}

include!(concat!(env!("OUT_DIR"), "/records.rs"));

#[cfg(test)]
mod tests;
