//! How a record type is named.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A record type and major version: `person-identity/1`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordRef {
    text: Arc<str>,
    name_len: usize,
    major: u32,
}

/// The text isn't `name/major`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a record and major version such as person-identity/1")]
pub struct InvalidRecordRef;

impl RecordRef {
    /// From its parts. The name is lower-case kebab, the major at least 1.
    ///
    /// # Errors
    /// When either isn't.
    pub fn new(name: &str, major: u32) -> Result<Self, InvalidRecordRef> {
        let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        if !letters || name.is_empty() || name.len() > 40 || !(1..100).contains(&major) {
            return Err(InvalidRecordRef);
        }
        Ok(Self {
            text: format!("{name}/{major}").into(),
            name_len: name.len(),
            major,
        })
    }

    /// Both, as on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The record's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.get(..self.name_len).unwrap_or_default()
    }

    /// The major version.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.major
    }
}

impl FromStr for RecordRef {
    type Err = InvalidRecordRef;

    fn from_str(text: &str) -> Result<Self, InvalidRecordRef> {
        let (name, major) = text.split_once('/').ok_or(InvalidRecordRef)?;
        if major.starts_with(['0', '+']) {
            return Err(InvalidRecordRef);
        }
        Self::new(name, major.parse().map_err(|_| InvalidRecordRef)?)
    }
}

impl fmt::Display for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// By name, then by version.
impl Ord for RecordRef {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.name(), self.major).cmp(&(other.name(), other.major))
    }
}

impl PartialOrd for RecordRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for RecordRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for RecordRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
