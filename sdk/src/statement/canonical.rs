//! JSON in one way only: the part of RFC 8785 that records need.

use serde_json::Value;

use super::Error;

/// Integers beyond it are no longer told apart by everybody's numbers.
const EXACT: u64 = 1 << 53;

/// Writes the value: members sorted by UTF-16, no white space, numbers as ECMAScript has them.
pub(super) fn write(value: &Value, out: &mut String) -> Result<(), Error> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => out.push_str(&decimal(number)?),
        Value::String(text) => string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                string(name, out);
                out.push(':');
                write(member, out)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

/// The escapes of RFC 8785 are those that ECMAScript's `JSON.stringify` makes.
pub(super) fn string(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control < ' ' => out.push_str(&format!("\\u{:04x}", control as u32)),
            other => out.push(other),
        }
    }
    out.push('"');
}

fn decimal(number: &serde_json::Number) -> Result<String, Error> {
    if let Some(whole) = number.as_i64() {
        let is_exact = whole.unsigned_abs() <= EXACT;
        return is_exact.then(|| whole.to_string()).ok_or(Error::Number);
    }
    let value = number.as_f64().ok_or(Error::Number)?;
    // Rust writes the shortest digits too, and never an exponent, which is written beyond these.
    let size = value.abs();
    if size == 0.0 {
        return Ok("0".to_owned());
    }
    let is_plain = (1e-6..1e21).contains(&size) && (value.fract() != 0.0 || size <= EXACT as f64);
    is_plain.then(|| value.to_string()).ok_or(Error::Number)
}
