//! What is odd about an identifier that is nevertheless usable.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Lawful and common; worth knowing.
    Info,
    /// Probably a mistake; worth checking against the document.
    Warning,
}

/// One oddity. Findings never reject: a citizen whose number has one is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IdFinding {
    /// What was found.
    pub code: FindingCode,
    /// How much it matters.
    pub severity: Severity,
}

impl From<FindingCode> for IdFinding {
    fn from(code: FindingCode) -> Self {
        Self {
            code,
            severity: code.severity(),
        }
    }
}

/// The oddities that the identifiers know of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum FindingCode {
    /// The NIK's region isn't in the code table.
    NikRegionUnknown,
    /// The NIK's regency has another code today; see [`RegionCode::successor`](super::RegionCode::successor).
    NikRegionRetired,
    /// The NIK's date isn't in any calendar (31 February).
    NikDateImpossible,
    /// The NIK's serial is 0000.
    NikSerialZero,
    /// The NIK's date isn't the birth date: lawful after a correction, since a NIK is for life.
    NikDobDiffers,
    /// The NIK's day says another sex than the record.
    NikSexDiffers,
    /// The family-card number's region isn't in the code table.
    KkRegionUnknown,
    /// The family-card number's regency has another code today.
    KkRegionRetired,
    /// The family-card number's date isn't in any calendar.
    KkDateImpossible,
    /// The family-card number's serial is 0000.
    KkSerialZero,
    /// The NPWP's ninth digit isn't the Luhn digit; the rule is observed, not official.
    NpwpCheckDigit,
    /// The NITKU's first 16 digits aren't the taxpayer's NPWP.
    NitkuPrefixDiffers,
    /// The worker-insurance number isn't 11 digits.
    KpjFormUnusual,
    /// The driving-licence number is of the time before July 2024, when it became the NIK.
    LicenceLegacy,
    /// The passport number isn't a letter and seven digits.
    PassportFormUnusual,
    /// The chassis number holds I, O or Q, which no VIN has.
    VinLetters,
    /// The chassis number is shorter than a VIN, as on older vehicles.
    VinShort,
    /// The parcel number has 13 digits, as on paper certificates.
    ParcelLegacy,
    /// The last digit of the NOP isn't 0, 7 or 9.
    NopKindUnknown,
}

impl FindingCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 19] = [
        Self::NikRegionUnknown,
        Self::NikRegionRetired,
        Self::NikDateImpossible,
        Self::NikSerialZero,
        Self::NikDobDiffers,
        Self::NikSexDiffers,
        Self::KkRegionUnknown,
        Self::KkRegionRetired,
        Self::KkDateImpossible,
        Self::KkSerialZero,
        Self::NpwpCheckDigit,
        Self::NitkuPrefixDiffers,
        Self::KpjFormUnusual,
        Self::LicenceLegacy,
        Self::PassportFormUnusual,
        Self::VinLetters,
        Self::VinShort,
        Self::ParcelLegacy,
        Self::NopKindUnknown,
    ];

    /// The code as it stands on the wire: `NIK_REGION_UNKNOWN`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NikRegionUnknown => "NIK_REGION_UNKNOWN",
            Self::NikRegionRetired => "NIK_REGION_RETIRED",
            Self::NikDateImpossible => "NIK_DATE_IMPOSSIBLE",
            Self::NikSerialZero => "NIK_SERIAL_ZERO",
            Self::NikDobDiffers => "NIK_DOB_DIFFERS",
            Self::NikSexDiffers => "NIK_SEX_DIFFERS",
            Self::KkRegionUnknown => "KK_REGION_UNKNOWN",
            Self::KkRegionRetired => "KK_REGION_RETIRED",
            Self::KkDateImpossible => "KK_DATE_IMPOSSIBLE",
            Self::KkSerialZero => "KK_SERIAL_ZERO",
            Self::NpwpCheckDigit => "NPWP_CHECK_DIGIT",
            Self::NitkuPrefixDiffers => "NITKU_PREFIX_DIFFERS",
            Self::KpjFormUnusual => "KPJ_FORM_UNUSUAL",
            Self::LicenceLegacy => "LICENCE_LEGACY",
            Self::PassportFormUnusual => "PASSPORT_FORM_UNUSUAL",
            Self::VinLetters => "VIN_LETTERS",
            Self::VinShort => "VIN_SHORT",
            Self::ParcelLegacy => "PARCEL_LEGACY",
            Self::NopKindUnknown => "NOP_KIND_UNKNOWN",
        }
    }

    /// How much the finding matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::NikRegionUnknown
            | Self::NikRegionRetired
            | Self::NikDobDiffers
            | Self::KkRegionUnknown
            | Self::KkRegionRetired
            | Self::LicenceLegacy
            | Self::VinShort
            | Self::ParcelLegacy
            | Self::NopKindUnknown => Severity::Info,
            Self::NikDateImpossible
            | Self::NikSerialZero
            | Self::NikSexDiffers
            | Self::KkDateImpossible
            | Self::KkSerialZero
            | Self::NpwpCheckDigit
            | Self::NitkuPrefixDiffers
            | Self::KpjFormUnusual
            | Self::PassportFormUnusual
            | Self::VinLetters => Severity::Warning,
        }
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
