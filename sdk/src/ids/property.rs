//! Numbers of land, its tax, and of a business.

use super::{
    finding::{FindingCode, IdFinding},
    newtype::personal_id,
    text,
};

personal_id! {
    /// Land-parcel number (NIB bidang tanah): `12340000099901`.
    ///
    /// Shape: 14 digits on the electronic certificate, 13 on older ones; no check digit. Not to
    /// be confused with [`BusinessNib`]. Source: Permen ATR/BPN 3/2023.
    ParcelId, "parcel", |name, raw| text::digits(name, raw, &[13, 14], "14 digits (old: 13)")
}

impl ParcelId {
    /// What is odd about the number.
    pub fn findings(&self) -> Vec<IdFinding> {
        match self.0.len() {
            13 => vec![FindingCode::ParcelLegacy.into()],
            _ => vec![],
        }
    }
}

personal_id! {
    /// Property-tax object number (NOP): `35.10.160.003.001-9901.0`.
    ///
    /// Shape: 18 digits; province 2, regency 2, district 3, village 3, block 3, serial 4, kind 1
    /// (0 normal, 7 and 9 special; not a check digit). The region codes are those of the
    /// statistics office BPS, of which a third name another place than Kemendagri's, so no
    /// [`RegionCode`](super::RegionCode) is made of them. Source: DJP's PBB data rules (SISMIOP).
    Nop, "nop", |name, raw| text::digits(name, raw, &[18], "18 digits")
}

impl Nop {
    /// Province and regency in BPS coding, four digits.
    pub fn bps_regency(&self) -> &str {
        &self.0[..4]
    }

    /// District in BPS coding, within the regency, three digits.
    pub fn bps_district(&self) -> &str {
        &self.0[4..7]
    }

    /// Village within the district, three digits.
    pub fn village(&self) -> &str {
        &self.0[7..10]
    }

    /// Block within the village, three digits.
    pub fn block(&self) -> &str {
        &self.0[10..13]
    }

    /// Serial within the block, four digits.
    pub fn serial(&self) -> &str {
        &self.0[13..17]
    }

    /// The kind of object, one digit.
    pub fn kind(&self) -> &str {
        &self.0[17..]
    }

    /// What is odd about the number.
    pub fn findings(&self) -> Vec<IdFinding> {
        match self.kind() {
            "0" | "7" | "9" => vec![],
            _ => vec![FindingCode::NopKindUnknown.into()],
        }
    }
}

personal_id! {
    /// Business identification number (NIB, OSS): `9990001234567`.
    ///
    /// Shape: 13 digits at random, no check digit. Not to be confused with [`ParcelId`]. It is
    /// public, yet redacted here: an individual's business leads to the individual. Source:
    /// PP 28/2025.
    BusinessNib, "business_nib", |name, raw| text::digits(name, raw, &[13], "13 digits")
}

impl BusinessNib {
    /// What is odd about the number: it is random, so nothing.
    pub fn findings(&self) -> Vec<IdFinding> {
        vec![]
    }
}
