//! Numbers of a vehicle: its plate and its chassis.

use super::{
    error::{IdError, IdErrorKind},
    finding::{FindingCode, IdFinding},
    newtype::personal_id,
    text,
};

personal_id! {
    /// Plate number (NRKB): `B 1234 XYZ`, `P 9901 ZZ`, `B 1`.
    ///
    /// Shape: area of 1–2 letters, number of 1–4 digits without leading zero, 0–3 letters, with
    /// one space between; `b1234xyz` is read as `B 1234 XYZ`. Source: Perpol 7/2021.
    PlateNumber, "plate", plate
}

impl PlateNumber {
    /// The area letters: `B` for Jakarta.
    pub fn area(&self) -> &str {
        self.0.split(' ').next().unwrap_or_default()
    }

    /// What is odd about the plate: nothing, the number's range by kind of vehicle is an old rule.
    pub fn findings(&self) -> Vec<IdFinding> {
        vec![]
    }
}

fn plate(name: &'static str, raw: &str) -> Result<String, IdError> {
    let expected = "2 to 9 letters and digits";
    let text = text::capitals_and_digits(name, raw, 2..=9, expected)?;
    let (area, rest) = split_where(&text, |b| b.is_ascii_digit());
    let (number, tail) = split_where(rest, |b| b.is_ascii_alphabetic());
    let in_order = (1..=2).contains(&area.len())
        && (1..=4).contains(&number.len())
        && tail.len() <= 3
        && !tail.bytes().any(|b| b.is_ascii_digit());
    match (in_order, number.starts_with('0')) {
        (false, _) => Err(IdErrorKind::Pattern {
            expected: "B 1234 XYZ: 1 or 2 letters, 1 to 4 digits, up to 3 letters",
        }
        .of(name)),
        (true, true) => Err(IdErrorKind::LeadingZero.of(name)),
        (true, false) if tail.is_empty() => Ok(format!("{area} {number}")),
        (true, false) => Ok(format!("{area} {number} {tail}")),
    }
}

fn split_where(text: &str, starts_next: impl Fn(u8) -> bool) -> (&str, &str) {
    let at = text.bytes().position(starts_next).unwrap_or(text.len());
    text.split_at(at)
}

personal_id! {
    /// Chassis number (nomor rangka): `MH1XX9990PK000123`.
    ///
    /// Shape: 5 to 17 letters and digits; 17 on newer vehicles, where it is a VIN without I, O
    /// and Q. Source: ISO 3779; Perpol 7/2021.
    ChassisNumber, "chassis", |name, raw| {
        text::capitals_and_digits(name, raw, 5..=17, "5 to 17 characters")
    }
}

impl ChassisNumber {
    /// What is odd about the number.
    pub fn findings(&self) -> Vec<IdFinding> {
        let letters = self.0.contains(['I', 'O', 'Q']);
        [
            (letters, FindingCode::VinLetters),
            (self.0.len() < 17, FindingCode::VinShort),
        ]
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, code)| code.into())
        .collect()
    }
}
