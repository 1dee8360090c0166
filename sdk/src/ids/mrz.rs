//! The machine-readable zone of a passport.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser::SerializeStruct};

use super::{
    Sex,
    error::{IdError, IdErrorKind},
    text,
};

const NAME: &str = "mrz";
const LINE: usize = 44;
const EXPECTED: &str = "two lines of 44 characters";

/// Machine-readable zone of a passport, format TD3, with all five check digits right.
///
/// Shape: two lines of 44 of `A`–`Z`, `0`–`9` and `<`; on the wire an object with `line1` and
/// `line2`. Source: ICAO Doc 9303 part 4 (TD3) and part 3 section 4.9 (check digits: weights 7, 3,
/// 1, letters from A = 10, `<` = 0, modulo 10).
///
/// What the check digits see: every change of a protected character into one whose value differs
/// modulo 10, since each weight is coprime to 10. What they can't: `A` (10) for `K` (20) or `0`,
/// and anything in line 1, the nationality or the sex, which no digit protects.
///
/// ```
/// use loket_sdk::ids::Mrz;
///
/// let mrz = Mrz::parse(
///     "P<IDNPRATAMA<<BAGAS<CONTOH<<<<<<<<<<<<<<<<<<\n\
///      X9990001<3IDN8805142M3401055<<<<<<<<<<<<<<08",
/// )?;
/// assert_eq!(mrz.document_number(), "X9990001");
/// assert_eq!(mrz.surname(), "PRATAMA");
/// # Ok::<(), loket_sdk::ids::IdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mrz {
    line1: String,
    line2: String,
}

impl Mrz {
    /// Reads two lines, or 88 characters without a break.
    ///
    /// # Errors
    /// The fault and its remedy, without the value.
    pub fn parse(raw: &str) -> Result<Self, IdError> {
        // Spaces around and line breaks go; an MRZ itself holds neither.
        let text = text::compact(NAME, raw, EXPECTED)?;
        match text.is_ascii() && text.len() == 2 * LINE {
            true => Self::from_lines(&text[..LINE], &text[LINE..]),
            false => Err(IdErrorKind::Length { expected: EXPECTED }.of(NAME)),
        }
    }

    /// Reads the two lines.
    ///
    /// # Errors
    /// The fault and its remedy, without the value.
    pub fn from_lines(line1: &str, line2: &str) -> Result<Self, IdError> {
        let line1 = line(line1)?;
        let line2 = line(line2)?;
        check_line1(&line1)?;
        check_line2(&line2)?;
        Ok(Self { line1, line2 })
    }

    /// The first line; the caller answers for where it goes.
    pub fn expose_line1(&self) -> &str {
        &self.line1
    }

    /// The second line; the caller answers for where it goes.
    pub fn expose_line2(&self) -> &str {
        &self.line2
    }

    /// The document number, without fillers.
    pub fn document_number(&self) -> &str {
        self.line2[..9].trim_end_matches('<')
    }

    /// The issuing state or organisation, `IDN`.
    pub fn issuing_state(&self) -> &str {
        self.line1[2..5].trim_end_matches('<')
    }

    /// The nationality, `IDN`.
    pub fn nationality(&self) -> &str {
        self.line2[10..13].trim_end_matches('<')
    }

    /// The primary identifier; fillers between words are spaces.
    pub fn surname(&self) -> String {
        self.names().0
    }

    /// The secondary identifier; empty for a holder of one name.
    pub fn given_names(&self) -> String {
        self.names().1
    }

    /// The birth date, as the newest that isn't after `today`; absent where unknown in part.
    pub fn birth_date(&self, today: Date) -> Option<Date> {
        let this_century = today.year() / 100 * 100;
        [this_century, this_century - 100]
            .into_iter()
            .filter_map(|century| short_date(&self.line2[13..19], century))
            .find(|date| *date <= today)
    }

    /// The expiry date; machine-readable passports expire after 1999.
    pub fn expires_on(&self) -> Option<Date> {
        short_date(&self.line2[21..27], 2000)
    }

    /// The sex; absent where the passport leaves it open.
    pub fn sex(&self) -> Option<Sex> {
        match &self.line2[20..21] {
            "M" => Some(Sex::Male),
            "F" => Some(Sex::Female),
            _ => None,
        }
    }

    fn names(&self) -> (String, String) {
        let field = self.line1[5..].trim_end_matches('<');
        let (primary, secondary) = field.split_once("<<").unwrap_or((field, ""));
        (primary.replace('<', " "), secondary.replace('<', " "))
    }
}

fn line(raw: &str) -> Result<String, IdError> {
    let text = raw.trim().to_ascii_uppercase();
    let in_charset = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'<';
    if !text.bytes().all(in_charset) {
        return Err(IdErrorKind::Charset {
            hint: "use the letters A to Z, digits and < only",
        }
        .of(NAME));
    }
    match text.len() == LINE {
        true => Ok(text),
        false => Err(IdErrorKind::Length { expected: EXPECTED }.of(NAME)),
    }
}

fn check_line1(line: &str) -> Result<(), IdError> {
    if !line.starts_with('P') {
        return Err(IdErrorKind::Pattern {
            expected: "P<IDN… in line 1; it starts with P for passport",
        }
        .of(NAME));
    }
    match line.bytes().skip(2).any(|b| b.is_ascii_digit()) {
        true => Err(IdErrorKind::Charset {
            hint: "line 1 holds no digits (the letter O is not a 0)",
        }
        .of(NAME)),
        false => Ok(()),
    }
}

fn check_line2(line: &str) -> Result<(), IdError> {
    let composite = [&line[..10], &line[13..20], &line[21..43]].concat();
    // A passport without personal number may carry a filler as that field's check digit.
    let empty_personal_number = line[28..42].bytes().all(|b| b == b'<');
    let protected = [
        ("document number", &line[..9], 9, false),
        ("birth date", &line[13..19], 19, false),
        ("expiry date", &line[21..27], 27, false),
        ("personal number", &line[28..42], 42, empty_personal_number),
        ("whole of line 2", composite.as_str(), 43, false),
    ];
    for (part, field, at, may_be_filler) in protected {
        let digit = line.as_bytes()[at];
        let right = digit == check_digit(field) || (may_be_filler && digit == b'<');
        if !right {
            return Err(IdErrorKind::CheckDigit { part }.of(NAME));
        }
    }
    let dates = [&line[13..19], &line[21..27]].concat();
    let dates_fit = dates.bytes().all(|b| b.is_ascii_digit() || b == b'<');
    let sex_fits = matches!(line.as_bytes()[20], b'M' | b'F' | b'<');
    match dates_fit && sex_fits {
        true => Ok(()),
        false => Err(IdErrorKind::Pattern {
            expected: "dates in digits and M, F or < for the sex, in line 2",
        }
        .of(NAME)),
    }
}

fn check_digit(field: &str) -> u8 {
    let sum: u32 = field
        .bytes()
        .zip([7, 3, 1].into_iter().cycle())
        .map(|(b, weight)| value(b) * weight)
        .sum();
    b"0123456789"[sum as usize % 10]
}

fn value(b: u8) -> u32 {
    match b {
        b'0'..=b'9' => u32::from(b - b'0'),
        b'A'..=b'Z' => u32::from(b - b'A') + 10,
        _ => 0,
    }
}

/// Reads YYMMDD.
fn short_date(digits: &str, century: i16) -> Option<Date> {
    if !text::is_digits(digits) {
        return None;
    }
    let pair = |at: usize| text::number(&digits[at..at + 2]);
    let year = century + i16::try_from(pair(0)).ok()?;
    let month = i8::try_from(pair(2)).ok()?;
    let day = i8::try_from(pair(4)).ok()?;
    Date::new(year, month, day).ok()
}

impl fmt::Debug for Mrz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mrz(…)")
    }
}

impl std::str::FromStr for Mrz {
    type Err = IdError;

    fn from_str(raw: &str) -> Result<Self, IdError> {
        Self::parse(raw)
    }
}

impl TryFrom<&str> for Mrz {
    type Error = IdError;

    fn try_from(raw: &str) -> Result<Self, IdError> {
        Self::parse(raw)
    }
}

impl TryFrom<String> for Mrz {
    type Error = IdError;

    fn try_from(raw: String) -> Result<Self, IdError> {
        Self::parse(&raw)
    }
}

impl Serialize for Mrz {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Mrz", 2)?;
        object.serialize_field("line1", &self.line1)?;
        object.serialize_field("line2", &self.line2)?;
        object.end()
    }
}

/// The object of the wire, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    line1: String,
    line2: String,
}

impl<'de> Deserialize<'de> for Mrz {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Serde's own message repeats a value of the wrong type.
        let lines = Lines::deserialize(deserializer).map_err(|_| {
            de::Error::custom("mrz: must be an object with line1 and line2, both strings")
        })?;
        Self::from_lines(&lines.line1, &lines.line2).map_err(de::Error::custom)
    }
}
