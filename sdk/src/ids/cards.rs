//! Numbers on cards and certificates: health and worker insurance, driving licence, passport,
//! civil deeds.

use super::{
    Nik,
    error::{IdError, IdErrorKind},
    finding::{FindingCode, IdFinding},
    newtype::personal_id,
    text,
};

personal_id! {
    /// Health-insurance card number (JKN, BPJS Kesehatan): `0009990001234`.
    ///
    /// Shape: 13 digits, no check digit. Source: BPJS Kesehatan VClaim, `noKartu`.
    JknCardNumber, "jkn", |name, raw| text::digits(name, raw, &[13], "13 digits")
}

impl JknCardNumber {
    /// What is odd about the number: it has no structure, so nothing.
    pub fn findings(&self) -> Vec<IdFinding> {
        vec![]
    }
}

personal_id! {
    /// Worker-insurance number (KPJ, BPJS Ketenagakerjaan): `09990001234`.
    ///
    /// Shape: usually 11 digits; since no public rule says so, 8 to 16 letters and digits are
    /// accepted and another form gives a finding. Source: BPJS Ketenagakerjaan's member card.
    Kpj, "kpj", |name, raw| {
        text::capitals_and_digits(name, raw, 8..=16, "8 to 16 characters, usually 11 digits")
    }
}

impl Kpj {
    /// What is odd about the number.
    pub fn findings(&self) -> Vec<IdFinding> {
        match self.0.len() == 11 && text::is_digits(&self.0) {
            true => vec![],
            false => vec![FindingCode::KpjFormUnusual.into()],
        }
    }
}

/// How a driving-licence number was formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LicenceNumbering {
    /// The holder's NIK, since July 2024.
    Nik16,
    /// Twelve digits.
    Legacy12,
    /// Fourteen digits, 4-4-6.
    Legacy14,
}

personal_id! {
    /// Driving-licence number (SIM): `3510161405889901`, `1234-5678-999901`.
    ///
    /// Shape: 16 digits (the NIK), or 12 or 14 on older licences. One number stands on every
    /// class that the holder has, so it is no key without the class. Source: Korlantas Polri,
    /// announcement of July 2024; Perpol 5/2021.
    LicenceNumber, "sim", |name, raw| {
        text::digits(name, raw, &[12, 14, 16], "12, 14 or 16 digits")
    }
}

impl LicenceNumber {
    /// How the number was formed.
    pub fn numbering(&self) -> LicenceNumbering {
        match self.0.len() {
            12 => LicenceNumbering::Legacy12,
            14 => LicenceNumbering::Legacy14,
            _ => LicenceNumbering::Nik16,
        }
    }

    /// The holder's NIK, where the number is one.
    pub fn as_nik(&self) -> Option<Nik> {
        match self.numbering() {
            LicenceNumbering::Nik16 => Nik::parse(&self.0).ok(),
            LicenceNumbering::Legacy12 | LicenceNumbering::Legacy14 => None,
        }
    }

    /// What is odd about the number; for a NIK, what is odd about the NIK.
    pub fn findings(&self) -> Vec<IdFinding> {
        match self.as_nik() {
            Some(nik) => nik.findings(),
            None => vec![FindingCode::LicenceLegacy.into()],
        }
    }
}

personal_id! {
    /// Passport number: `X9990001`.
    ///
    /// Shape: 6 to 9 letters and digits; an Indonesian one is usually a letter and seven digits.
    /// Source: ICAO Doc 9303 part 4 (at most nine characters in the machine-readable zone).
    PassportNumber, "passport", |name, raw| {
        text::capitals_and_digits(name, raw, 6..=9, "6 to 9 characters")
    }
}

impl PassportNumber {
    /// What is odd about the number.
    pub fn findings(&self) -> Vec<IdFinding> {
        let usual = self.0.len() == 8
            && self.0.starts_with(|c: char| c.is_ascii_uppercase())
            && text::is_digits(&self.0[1..]);
        match usual {
            true => vec![],
            false => vec![FindingCode::PassportFormUnusual.into()],
        }
    }
}

personal_id! {
    /// Number of a civil deed or a certificate: `3510-LU-12112026-9901`, `0123/045/VI/2015`.
    ///
    /// Shape: 3 to 60 characters, free, since it changed by year and office; white space is
    /// trimmed and collapsed. Source: Permendagri 109/2019.
    CertificateNumber, "certificate", free_text
}

impl CertificateNumber {
    /// What is odd about the number: it has no structure, so nothing.
    pub fn findings(&self) -> Vec<IdFinding> {
        vec![]
    }
}

fn free_text(name: &'static str, raw: &str) -> Result<String, IdError> {
    let expected = "3 to 60 characters";
    // White space collapses, so a text of more than 60 characters can still be right.
    if raw.len() > text::MAX_RAW_BYTES {
        return Err(IdErrorKind::Length { expected }.of(name));
    }
    let text = raw.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().any(char::is_control) {
        return Err(IdErrorKind::Charset {
            hint: "leave control characters out",
        }
        .of(name));
    }
    match (3..=60).contains(&text.chars().count()) {
        true => Ok(text),
        false => Err(IdErrorKind::Length { expected }.of(name)),
    }
}
