//! A wrapper for values that must not reach a log by accident.
//!
//! In: any value. Out: the same value on the wire (serde sees through the wrapper), and
//! `Sensitive(…)` wherever `Debug` is used. There is deliberately no `Display` and no `Deref`:
//! reading the value is a call to [`Sensitive::expose`], which a reviewer can search for.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

/// A personal value whose `Debug` says nothing about it.
///
/// ```
/// use loket_sdk::sensitive::Sensitive;
///
/// let name = Sensitive::new("BAGAS CONTOH PRATAMA");
/// assert_eq!(format!("{name:?}"), "Sensitive(…)");
/// assert_eq!(*name.expose(), "BAGAS CONTOH PRATAMA");
/// ```
///
/// Source: UU 27/2022 (personal data protection), article 35: the controller protects personal
/// data against unlawful disclosure.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Reveals the value; the caller answers for where it goes.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Reveals the value and gives it away.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Sensitive<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Serde's own message repeats a value of the wrong type.
        match T::deserialize(deserializer) {
            Ok(value) => Ok(Self(value)),
            Err(_) => Err(de::Error::custom("a sensitive value has the wrong type")),
        }
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sensitive(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_type_is_refused_without_the_value() {
        let error = serde_json::from_str::<Sensitive<String>>("3510161405889901").unwrap_err();
        assert!(!error.to_string().contains("3510"), "{error}");
        let value: Sensitive<String> = serde_json::from_str("\"x\"").unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), "\"x\"");
    }
}
