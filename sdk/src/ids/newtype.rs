//! One macro per family of identifier, so that each type shows only its rule.
//!
//! Both give the same doors in: `parse`, `FromStr`, `TryFrom`, `Deserialize`. They differ in the
//! doors out: a personal identifier has only `expose`, an open one may be displayed.

use std::{fmt, marker::PhantomData};

use serde::de::{Error, Visitor};

/// `FromStr`, `TryFrom`, serde and a redacting `Debug` for a type with `parse` and `expose`.
macro_rules! personal_traits {
    ($Name:ident, $name:literal) => {
        impl std::fmt::Debug for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($Name), "(…)"))
            }
        }
        $crate::ids::newtype::doors!($Name, $name, expose);
    };
}

/// A newtype over a text that identifies a person, a thing of theirs or a document.
macro_rules! personal_id {
    ($(#[$doc:meta])* $Name:ident, $name:literal, $normal_form:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $Name(String);

        impl $Name {
            /// Reads and normalises a value as a clerk or a system writes it.
            ///
            /// # Errors
            /// The fault and its remedy, without the value.
            pub fn parse(raw: &str) -> Result<Self, $crate::ids::IdError> {
                let normal_form: fn(&'static str, &str) -> Result<String, $crate::ids::IdError> =
                    $normal_form;
                normal_form($name, raw).map(Self)
            }

            /// The normal form; the caller answers for where it goes.
            pub fn expose(&self) -> &str {
                &self.0
            }
        }

        $crate::ids::newtype::personal_traits!($Name, $name);
    };
}

/// A newtype over a text that identifies no person.
macro_rules! open_id {
    ($(#[$doc:meta])* $Name:ident, $name:literal, $normal_form:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $Name(String);

        impl $Name {
            /// Reads the value.
            ///
            /// # Errors
            /// The fault and its remedy, without the value.
            pub fn parse(raw: &str) -> Result<Self, $crate::ids::IdError> {
                let normal_form: fn(&'static str, &str) -> Result<String, $crate::ids::IdError> =
                    $normal_form;
                normal_form($name, raw).map(Self)
            }

            /// The value as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $Name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $Name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $Name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        $crate::ids::newtype::doors!($Name, $name, as_str);
    };
}

/// `FromStr`, `TryFrom`, `Serialize` and `Deserialize`, all through `parse`.
macro_rules! doors {
    ($Name:ident, $name:literal, $read:ident) => {
        impl std::str::FromStr for $Name {
            type Err = $crate::ids::IdError;

            fn from_str(raw: &str) -> Result<Self, Self::Err> {
                Self::parse(raw)
            }
        }

        impl TryFrom<&str> for $Name {
            type Error = $crate::ids::IdError;

            fn try_from(raw: &str) -> Result<Self, Self::Error> {
                Self::parse(raw)
            }
        }

        impl TryFrom<String> for $Name {
            type Error = $crate::ids::IdError;

            fn try_from(raw: String) -> Result<Self, Self::Error> {
                Self::parse(&raw)
            }
        }

        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.$read())
            }
        }

        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any($crate::ids::newtype::TextVisitor::new($name))
            }
        }
    };
}

pub(super) use {doors, open_id, personal_id, personal_traits};

/// Reads an identifier from a JSON string. Serde's own message for a wrong type repeats the
/// value, hence `deserialize_any` above and one refusal here for every kind of number.
pub(super) struct TextVisitor<T> {
    name: &'static str,
    target: PhantomData<T>,
}

impl<T> TextVisitor<T> {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            target: PhantomData,
        }
    }

    fn refuse<E: Error>(&self) -> E {
        let name = self.name;
        E::custom(format_args!("{name}: must be a string, in quotes"))
    }
}

macro_rules! refuse {
    ($($visit:ident: $Type:ty),*) => {$(
        fn $visit<E: Error>(self, _: $Type) -> Result<T, E> {
            Err(self.refuse())
        }
    )*};
}

impl<T: for<'a> TryFrom<&'a str, Error = super::IdError>> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as a string", self.name)
    }

    fn visit_str<E: Error>(self, raw: &str) -> Result<T, E> {
        T::try_from(raw).map_err(E::custom)
    }

    refuse!(
        visit_bool: bool,
        visit_i64: i64,
        visit_u64: u64,
        visit_i128: i128,
        visit_u128: u128,
        visit_f64: f64,
        visit_bytes: &[u8]
    );
}
