//! Agencies' keys, as a counter keeps them.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::jws::PublicKey;

/// The keys with which agencies sign answers, by `<agency>/<id>`: from their enrolment, over a way
/// that isn't the gateway.
#[derive(Debug, Clone, Default)]
pub struct SourceKeys(BTreeMap<String, Enrolled>);

#[derive(Debug, Clone)]
struct Enrolled {
    key: PublicKey,
    from: Option<Date>,
    to: Option<Date>,
}

impl SourceKeys {
    /// No key yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key that signs from the first day to the last, UTC; none means ever.
    #[must_use]
    pub fn with(
        mut self,
        kid: impl Into<String>,
        key: PublicKey,
        from: Option<Date>,
        to: Option<Date>,
    ) -> Self {
        self.0.insert(kid.into(), Enrolled { key, from, to });
        self
    }

    pub(super) fn find(&self, kid: &str) -> Option<&PublicKey> {
        self.0.get(kid).map(|enrolled| &enrolled.key)
    }

    /// Whether the key was in time when it signed.
    pub(super) fn was_in_time(&self, kid: &str, at: jiff::Timestamp) -> bool {
        let day = TimeZone::UTC.to_datetime(at).date();
        self.0.get(kid).is_some_and(|enrolled| {
            enrolled.from.is_none_or(|from| from <= day) && enrolled.to.is_none_or(|to| day <= to)
        })
    }
}
