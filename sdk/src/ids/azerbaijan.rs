//! Numbers of Azerbaijan: FIN, VÖEN and the identity document.

use super::{
    error::{IdError, IdErrorKind},
    finding::IdFinding,
    newtype::personal_id,
    text,
};

personal_id! {
    /// FIN (FİN), the number a person keeps for life: `7ZX9K2Q`.
    ///
    /// Shape: 7 digits and capital letters A–Z without I and O; no published check digit. Source:
    /// State Register of the Population of Azerbaijan (IAMAS).
    AzFin, "az_fin", fin
}

impl AzFin {
    /// What is odd about the number: it has no structure, so nothing.
    pub fn findings(&self) -> Vec<IdFinding> {
        vec![]
    }
}

fn fin(name: &'static str, raw: &str) -> Result<String, IdError> {
    let text = text::capitals_and_digits(name, raw, 7..=7, "7 characters")?;
    match text.contains(['I', 'O']) {
        true => Err(IdErrorKind::Charset {
            hint: "the letters I and O are never used: type the digit 1 or 0",
        }
        .of(name)),
        false => Ok(text),
    }
}

/// Who a VÖEN was given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VoenHolder {
    /// Last digit 1.
    LegalPerson,
    /// Last digit 2.
    NaturalPerson,
}

personal_id! {
    /// VÖEN, the taxpayer number: `9900001062`.
    ///
    /// Shape: 10 digits; territory 2, serial 6, check digit 1, holder 1 (1 legal, 2 natural
    /// person). Check: the first eight times 4, 1, 8, 6, 2, 7, 5, 3, summed modulo 11; numbers
    /// whose sum gives 10 are never issued. Source: State Tax Service of Azerbaijan.
    AzVoen, "az_voen", voen
}

impl AzVoen {
    /// Who the number was given to.
    pub fn holder(&self) -> VoenHolder {
        match self.0.ends_with('1') {
            true => VoenHolder::LegalPerson,
            false => VoenHolder::NaturalPerson,
        }
    }

    /// What is odd about the number: its rules are hard, so nothing.
    pub fn findings(&self) -> Vec<IdFinding> {
        vec![]
    }
}

fn voen(name: &'static str, raw: &str) -> Result<String, IdError> {
    const WEIGHTS: [u32; 8] = [4, 1, 8, 6, 2, 7, 5, 3];
    let text = text::digits(name, raw, &[10], "10 digits")?;
    let digits: Vec<u32> = text.bytes().map(|b| u32::from(b - b'0')).collect();
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(d, w)| d * w).sum();
    if sum % 11 != digits[8] {
        return Err(IdErrorKind::CheckDigit {
            part: "first eight digits",
        }
        .of(name));
    }
    match digits[9] {
        1 | 2 => Ok(text),
        _ => Err(IdErrorKind::TypeDigit {
            expected: "1 (legal person) or 2 (natural person)",
        }
        .of(name)),
    }
}

personal_id! {
    /// Number of an Azerbaijani identity document: `AA9990001`, `AZE99900012`.
    ///
    /// Shape: two letters and 7 digits (new card, card of a child), or `AZE` and 8 digits (old
    /// card). Source: presidential decree of 9 September 2014 on the new identity card.
    AzDocumentNumber, "az_document", document
}

impl AzDocumentNumber {
    /// What is odd about the number: its forms are hard, so nothing.
    pub fn findings(&self) -> Vec<IdFinding> {
        vec![]
    }
}

fn document(name: &'static str, raw: &str) -> Result<String, IdError> {
    let text = text::capitals_and_digits(name, raw, 9..=11, "9 or 11 characters")?;
    let old = text
        .strip_prefix("AZE")
        .is_some_and(|digits| digits.len() == 8 && text::is_digits(digits));
    let new = text.len() == 9
        && text.bytes().take(2).all(|b| b.is_ascii_uppercase())
        && text::is_digits(&text[2..]);
    match old || new {
        true => Ok(text),
        false => Err(IdErrorKind::Pattern {
            expected: "AA9990001 or AZE99900012",
        }
        .of(name)),
    }
}
