//! What a provider answers.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::claims::ClaimAnswer;
use crate::sensitive::Sensitive;

/// The answer to one question. Exhaustive on purpose: a provider that wraps another must decide on
/// every one.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// One record; the kit takes from it what was asked, and answers claims from it.
    Found {
        /// The whole record, as its schema has it.
        record: Sensitive<Map<String, Value>>,
        /// When it was true.
        as_of: Timestamp,
        /// The agency's own reference of this answer, 1 to 80 characters.
        reference: Option<String>,
    },
    /// The claims, answered by the provider itself: one answer per claim, in the order asked.
    Claims {
        /// The answers.
        answers: Vec<ClaimAnswer>,
        /// When they were true.
        as_of: Timestamp,
    },
    /// There is no record of this subject.
    NotFound,
    /// There is more than one; which would be the right one?
    SeveralRecords,
    /// The agency may not or will not answer this.
    Refused,
    /// The agency's own quota for the asker is used up.
    QuotaUsedUp {
        /// After how long to ask again.
        retry_after: Option<Duration>,
    },
    /// The agency will have an answer later.
    Later {
        /// After how long to ask again.
        retry_after: Option<Duration>,
    },
    /// The citizen must do something at the agency first.
    CitizenMustAct,
}

impl Reply {
    /// The whole record, of any type that serialises to an object.
    ///
    /// Members that are `null` are left out, since on the wire absence says that there is no value.
    ///
    /// # Errors
    /// When it doesn't serialise, or not to an object.
    ///
    /// ```
    /// use loket_sdk::provider::Reply;
    ///
    /// #[derive(serde::Serialize)]
    /// struct Row { nik: &'static str, mother_name: Option<String> }
    ///
    /// let row = Row { nik: "3510161405889901", mother_name: None };
    /// let reply = Reply::found(row, "2026-11-24T08:00:00Z".parse()?)?;
    /// assert!(matches!(reply, Reply::Found { record, .. } if record.expose().len() == 1));
    /// # Ok::<(), loket_sdk::provider::ProviderError>(())
    /// ```
    pub fn found(record: impl Serialize, as_of: Timestamp) -> Result<Self, ProviderError> {
        let mut value = serde_json::to_value(record)
            .map_err(|_| ProviderError::new("the record can't be serialised"))?;
        drop_nulls(&mut value);
        match value {
            Value::Object(record) => Ok(Self::Found {
                record: Sensitive::new(record),
                as_of,
                reference: None,
            }),
            _ => Err(ProviderError::new("the record isn't an object")),
        }
    }

    /// Adds the agency's own reference, 1 to 80 characters, to a found record; changes no other
    /// reply.
    #[must_use]
    pub fn with_reference(mut self, text: impl Into<String>) -> Self {
        if let Self::Found { reference, .. } = &mut self {
            *reference = Some(text.into());
        }
        self
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

/// Whatever kept a provider from answering. `?` makes one of any error.
///
/// The caller gets problem `internal` and a trace id. The log gets the error's *type*, or the
/// reason of [`ProviderError::new`], but never its text, which may quote a citizen's data; a
/// provider that knows better logs it itself.
///
/// ```
/// use loket_sdk::provider::ProviderError;
///
/// fn read() -> Result<u8, ProviderError> {
///     Ok("3510161405889901".parse::<u8>()?)
/// }
/// assert!(!format!("{:?}", read().unwrap_err()).contains("3510"));
/// ```
// Not an `Error` itself: the conversion from every error would overlap with that from itself.
pub struct ProviderError {
    reason: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl ProviderError {
    /// An error that has no other behind it. The reason is logged as it stands.
    #[must_use]
    pub fn new(reason: &'static str) -> Self {
        Self {
            reason,
            source: None,
        }
    }

    /// The fixed reason, or the type of the error behind.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// The error behind, whose text may be personal.
    #[must_use]
    pub fn source(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.source.as_deref()
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for ProviderError {
    fn from(error: E) -> Self {
        Self {
            reason: std::any::type_name::<E>(),
            source: Some(Box::new(error)),
        }
    }
}

impl fmt::Debug for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProviderError").field(&self.reason).finish()
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason)
    }
}
