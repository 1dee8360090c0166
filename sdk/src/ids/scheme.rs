//! The schemes under which a lookup names its subject.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    AzFin, AzVoen, BusinessNib, CertificateNumber, JknCardNumber, KkNumber, LicenceNumber, Nik,
    Nitku, Nop, Npwp, ParcelId, PassportNumber, PlateNumber,
    error::{IdError, IdErrorKind},
    finding::IdFinding,
};

/// What kind of identifier `subject.value` is. Source: the wire contract, `subject.scheme`.
///
/// Exhaustive on purpose: a new scheme must make every match on it fail to compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// [`Nik`]
    Nik,
    /// [`KkNumber`]
    Kk,
    /// [`Npwp`]
    Npwp,
    /// [`Nitku`]
    Nitku,
    /// [`JknCardNumber`]
    Jkn,
    /// [`LicenceNumber`]
    Sim,
    /// [`PlateNumber`]
    Plate,
    /// [`PassportNumber`]
    Passport,
    /// [`ParcelId`]
    Parcel,
    /// [`Nop`]
    Nop,
    /// [`BusinessNib`]
    BusinessNib,
    /// [`CertificateNumber`]
    Certificate,
    /// [`AzFin`]
    AzFin,
    /// [`AzVoen`]
    AzVoen,
}

impl Scheme {
    /// Every scheme, in the order of the wire contract.
    pub const ALL: [Self; 14] = [
        Self::Nik,
        Self::Kk,
        Self::Npwp,
        Self::Nitku,
        Self::Jkn,
        Self::Sim,
        Self::Plate,
        Self::Passport,
        Self::Parcel,
        Self::Nop,
        Self::BusinessNib,
        Self::Certificate,
        Self::AzFin,
        Self::AzVoen,
    ];

    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nik => "nik",
            Self::Kk => "kk",
            Self::Npwp => "npwp",
            Self::Nitku => "nitku",
            Self::Jkn => "jkn",
            Self::Sim => "sim",
            Self::Plate => "plate",
            Self::Passport => "passport",
            Self::Parcel => "parcel",
            Self::Nop => "nop",
            Self::BusinessNib => "business_nib",
            Self::Certificate => "certificate",
            Self::AzFin => "az_fin",
            Self::AzVoen => "az_voen",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scheme {
    type Err = IdError;

    fn from_str(word: &str) -> Result<Self, IdError> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str() == word)
            .ok_or_else(|| {
                IdErrorKind::Pattern {
                    expected: "one of nik, kk, npwp, nitku, jkn, sim, plate, passport, parcel, \
                               nop, business_nib, certificate, az_fin, az_voen",
                }
                .of("scheme")
            })
    }
}

/// Reads the value as an identifier of its scheme, of which something is wanted.
macro_rules! read {
    ($scheme:ident, $raw:ident, |$id:ident| $wanted:expr) => {
        match $scheme {
            Scheme::Nik => Nik::parse($raw).map(|$id| $wanted),
            Scheme::Kk => KkNumber::parse($raw).map(|$id| $wanted),
            Scheme::Npwp => Npwp::parse($raw).map(|$id| $wanted),
            Scheme::Nitku => Nitku::parse($raw).map(|$id| $wanted),
            Scheme::Jkn => JknCardNumber::parse($raw).map(|$id| $wanted),
            Scheme::Sim => LicenceNumber::parse($raw).map(|$id| $wanted),
            Scheme::Plate => PlateNumber::parse($raw).map(|$id| $wanted),
            Scheme::Passport => PassportNumber::parse($raw).map(|$id| $wanted),
            Scheme::Parcel => ParcelId::parse($raw).map(|$id| $wanted),
            Scheme::Nop => Nop::parse($raw).map(|$id| $wanted),
            Scheme::BusinessNib => BusinessNib::parse($raw).map(|$id| $wanted),
            Scheme::Certificate => CertificateNumber::parse($raw).map(|$id| $wanted),
            Scheme::AzFin => AzFin::parse($raw).map(|$id| $wanted),
            Scheme::AzVoen => AzVoen::parse($raw).map(|$id| $wanted),
        }
    };
}

/// The normal form of a subject's value, under which sources are asked and entries are audited.
///
/// ```
/// use loket_sdk::ids::{Scheme, normalise};
///
/// assert_eq!(normalise(Scheme::Plate, "p9901zz")?, "P 9901 ZZ");
/// # Ok::<(), loket_sdk::ids::IdError>(())
/// ```
///
/// # Errors
/// The fault and its remedy, without the value.
pub fn normalise(scheme: Scheme, raw: &str) -> Result<String, IdError> {
    read!(scheme, raw, |id| id.expose().to_owned())
}

/// What is odd about a subject's value.
///
/// # Errors
/// As [`normalise`]: a value that isn't an identifier has no findings.
pub fn findings(scheme: Scheme, raw: &str) -> Result<Vec<IdFinding>, IdError> {
    read!(scheme, raw, |id| id.findings())
}
