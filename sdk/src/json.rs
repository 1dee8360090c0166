//! Strict JSON: bytes in, a [`serde_json::Value`] out.
//!
//! Refuses what `serde_json` lets through and two parties could read differently: a member named
//! twice (RFC 8259 section 4 leaves its meaning open), and nesting deeper than [`MAX_DEPTH`].

use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deepest nesting of arrays and objects that is read.
pub const MAX_DEPTH: usize = 16;

/// Why the bytes aren't JSON as agreed. The text names a place, never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at line {line}, column {column}")]
#[non_exhaustive]
pub struct JsonError {
    /// What is wrong.
    pub reason: &'static str,
    /// Line, from 1; 0 when the place isn't known.
    pub line: usize,
    /// Column, from 1; 0 when the place isn't known.
    pub column: usize,
}

const DUPLICATE: &str = "an object names a member twice";
const TOO_DEEP: &str = "the document is nested too deeply";

/// Parses a whole JSON document.
///
/// # Errors
/// When the bytes aren't UTF-8, aren't one JSON value, name a member twice or nest too deeply.
///
/// ```
/// assert!(loket_sdk::json::parse(br#"{"a": 1}"#).is_ok());
/// assert!(loket_sdk::json::parse(br#"{"a": 1, "a": 2}"#).is_err());
/// ```
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }
        .deserialize(&mut deserializer)
        .map_err(masked)?;
    deserializer.end().map_err(masked)?;
    Ok(value)
}

/// serde_json's own text can quote the input, so only its class and place are kept.
fn masked(error: serde_json::Error) -> JsonError {
    let text = error.to_string();
    let reason = if text.starts_with(DUPLICATE) {
        DUPLICATE
    } else if text.starts_with(TOO_DEEP) {
        TOO_DEEP
    } else if error.is_eof() {
        "the document ends too early"
    } else {
        "the document isn't valid JSON"
    };
    JsonError {
        reason,
        line: error.line(),
        column: error.column(),
    }
}

#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            return Err(E::custom(TOO_DEEP));
        }
        Ok(Self {
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if members.insert(name, value).is_some() {
                return Err(de::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<(), &str>) {
        let got = parse(text.as_bytes());
        match expect {
            Ok(()) => assert_eq!(got.unwrap(), serde_json::from_str::<Value>(text).unwrap()),
            Err(reason) => assert_eq!(got.unwrap_err().reason, reason),
        }
    }

    #[test]
    fn reads_what_serde_json_reads() {
        check(r#"{"a":[1,-2,1.5,"x",true,null,{"b":{}}]}"#, Ok(()));
        check("  12 ", Ok(()));
    }

    #[test]
    fn refuses_what_two_parties_could_read_differently() {
        check(r#"{"a":1,"a":1}"#, Err(DUPLICATE));
        check(r#"[{"a":{"b":1,"b":2}}]"#, Err(DUPLICATE));
        check(&"[".repeat(MAX_DEPTH + 1), Err(TOO_DEEP));
        check(r#"{"a":1} x"#, Err("the document isn't valid JSON"));
        check(r#"{"a":"#, Err("the document ends too early"));
        check("1e999", Err("the document isn't valid JSON"));
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn the_error_never_quotes_the_input() {
        let error = parse(br#"{"nik": 3510161405889901x}"#).unwrap_err();
        assert!(!error.to_string().contains("3510"));
    }
}
