//! The steps that the parsers share: take out separators, insist on characters and lengths.

use super::error::{IdError, IdErrorKind};

/// No identifier is longer, so nothing longer is worth copying.
pub(super) const MAX_RAW_BYTES: usize = 400;

pub(super) const DIGITS_ONLY: IdErrorKind = IdErrorKind::Charset {
    hint: "use digits only (the letter O is not a 0, the letter I not a 1)",
};

/// The text without white space, dots and dashes, or a length error if it is absurdly long.
pub(super) fn compact(
    name: &'static str,
    raw: &str,
    expected: &'static str,
) -> Result<String, IdError> {
    if raw.len() > MAX_RAW_BYTES {
        return Err(IdErrorKind::Length { expected }.of(name));
    }
    Ok(raw
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '.' | '-'))
        .collect())
}

/// Digits of one of the given lengths.
pub(super) fn digits(
    name: &'static str,
    raw: &str,
    lengths: &[usize],
    expected: &'static str,
) -> Result<String, IdError> {
    let text = compact(name, raw, expected)?;
    if !is_digits(&text) {
        return Err(DIGITS_ONLY.of(name));
    }
    require_length(name, lengths.contains(&text.len()), expected)?;
    Ok(text)
}

/// Capital letters and digits, of a length within the bounds.
pub(super) fn capitals_and_digits(
    name: &'static str,
    raw: &str,
    lengths: std::ops::RangeInclusive<usize>,
    expected: &'static str,
) -> Result<String, IdError> {
    let text = compact(name, raw, expected)?.to_ascii_uppercase();
    if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(IdErrorKind::Charset {
            hint: "use the letters A to Z and digits only",
        }
        .of(name));
    }
    require_length(name, lengths.contains(&text.len()), expected)?;
    Ok(text)
}

/// Whether every character is an ASCII digit; an empty text is.
pub(super) fn is_digits(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// The number that a run of ASCII digits says; callers pass at most four digits.
pub(super) fn number(digits: &str) -> u16 {
    digits
        .bytes()
        .fold(0, |n, b| n * 10 + u16::from(b.wrapping_sub(b'0') % 10))
}

/// Whether the digits satisfy the Luhn formula (ISO/IEC 7812-1, annex B).
pub(super) fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .map(|b| u32::from(b - b'0'))
        .enumerate()
        .map(|(i, d)| match i % 2 {
            0 => d,
            _ => d * 2 / 10 + d * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

fn require_length(name: &'static str, right: bool, expected: &'static str) -> Result<(), IdError> {
    match right {
        true => Ok(()),
        false => Err(IdErrorKind::Length { expected }.of(name)),
    }
}
