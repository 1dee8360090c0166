//! Numbers of the Directorate General of Taxes: NPWP and NITKU.

use std::{
    cmp::Ordering,
    hash::{Hash, Hasher},
};

use super::{
    Nik,
    error::IdError,
    finding::{FindingCode, IdFinding},
    newtype::{personal_id, personal_traits},
    text,
};

/// NPWP, the taxpayer number: `3510161405889901` or `0019999994627000`.
///
/// Shape: 16 digits; for a resident individual the NIK, for everyone else `0` and the old 15
/// digits (type 2, serial 6, check 1, office 3, branch 3). The old form, `01.999.999.4-627.000`,
/// is accepted and normalised to 16. Source: PMK 112/2022, PER-6/PJ/2024. The Luhn digit over
/// the first nine of the old form is observed, not official: it gives a finding.
///
/// Equality and order look at the normal form only, not at how the number was written.
#[derive(Clone)]
pub struct Npwp {
    normal: String,
    written_as_15: bool,
}

impl Npwp {
    /// Reads 15 or 16 digits and normalises them to 16.
    ///
    /// # Errors
    /// The fault and its remedy, without the value.
    pub fn parse(raw: &str) -> Result<Self, IdError> {
        let digits = text::digits("npwp", raw, &[15, 16], "15 or 16 digits")?;
        let written_as_15 = digits.len() == 15;
        Ok(Self {
            normal: if written_as_15 {
                format!("0{digits}")
            } else {
                digits
            },
            written_as_15,
        })
    }

    /// The 16 digits; the caller answers for where they go.
    pub fn expose(&self) -> &str {
        &self.normal
    }

    /// Whether the number was given in the old form.
    pub const fn written_as_15(&self) -> bool {
        self.written_as_15
    }

    /// The old 15 digits, for a number that has them.
    pub fn legacy(&self) -> Option<&str> {
        self.normal.strip_prefix('0')
    }

    /// The NIK that the number is for a resident individual; no province code starts with 0.
    pub fn as_nik(&self) -> Option<Nik> {
        match self.legacy() {
            Some(_) => None,
            None => Nik::parse(&self.normal).ok(),
        }
    }

    /// What is odd about the number.
    pub fn findings(&self) -> Vec<IdFinding> {
        match self.legacy() {
            Some(legacy) if !text::luhn(&legacy[..9]) => vec![FindingCode::NpwpCheckDigit.into()],
            _ => vec![],
        }
    }
}

impl PartialEq for Npwp {
    fn eq(&self, other: &Self) -> bool {
        self.normal == other.normal
    }
}

impl Eq for Npwp {}

impl Hash for Npwp {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.normal.hash(state);
    }
}

impl PartialOrd for Npwp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Npwp {
    fn cmp(&self, other: &Self) -> Ordering {
        self.normal.cmp(&other.normal)
    }
}

personal_traits!(Npwp, "npwp");

personal_id! {
    /// NITKU, the number of a taxpayer's place of business: `3510161405889901000000`.
    ///
    /// Shape: 22 digits; NPWP 16, serial 6 (`000000` is the head office). Source: PER-6/PJ/2024.
    Nitku, "nitku", |name, raw| text::digits(name, raw, &[22], "22 digits")
}

impl Nitku {
    /// The first 16 digits: the taxpayer's NPWP.
    pub fn npwp(&self) -> &str {
        &self.0[..16]
    }

    /// Whether the place is the head office.
    pub fn is_head_office(&self) -> bool {
        self.0.ends_with("000000")
    }

    /// What is odd about the number: what is odd about its NPWP.
    pub fn findings(&self) -> Vec<IdFinding> {
        Npwp::parse(self.npwp()).map_or_else(|_| vec![], |npwp| npwp.findings())
    }

    /// Whether the place belongs to this taxpayer.
    pub fn findings_against(&self, npwp: &Npwp) -> Vec<IdFinding> {
        match self.npwp() == npwp.expose() {
            true => vec![],
            false => vec![FindingCode::NitkuPrefixDiffers.into()],
        }
    }
}
