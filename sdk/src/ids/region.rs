//! Administrative regions in Kemendagri coding, and what became of codes that were retired.

use super::{
    error::{IdError, IdErrorKind},
    newtype::open_id,
    text,
};

open_id! {
    /// A region: province `35`, regency `35.10`, district `35.10.16`, village `35.10.16.1003`.
    ///
    /// Shape: two, four, six or ten digits with dots between the levels; the dots may be left out
    /// on input. Only the province is checked against a table here. Source: Kepmendagri
    /// 300.2.2-2138/2025.
    RegionCode, "region_code", region
}

impl RegionCode {
    /// The region that the first six digits of a NIK or a family-card number name.
    pub(super) fn of_district(digits: &str) -> Self {
        Self([&digits[..2], &digits[2..4], &digits[4..6]].join("."))
    }

    /// 1 for a province, 2 for a regency or city, 3 for a district, 4 for a village.
    pub fn level(&self) -> usize {
        self.as_str().split('.').count()
    }

    /// The region one level up.
    pub fn parent(&self) -> Option<Self> {
        self.as_str()
            .rsplit_once('.')
            .map(|(parent, _)| Self(parent.to_owned()))
    }

    /// Whether the other region is this one or lies within it.
    pub fn contains(&self, other: &Self) -> bool {
        other
            .as_str()
            .strip_prefix(self.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    /// The province, if its code is in use.
    pub fn province(&self) -> Option<Province> {
        PROVINCES
            .iter()
            .find(|(code, _)| self.as_str().starts_with(code))
            .map(|&(code, name)| Province { code, name })
    }

    /// Whether the province's code is in use and no level is `00`.
    pub fn is_known(&self) -> bool {
        let mut levels = self.as_str().split('.');
        self.province().is_some() && !levels.any(|level| level == "00")
    }

    /// What a retired regency is today; absent for a code still in use.
    pub fn successor(&self) -> Option<Successor> {
        let regency = self.as_str().get(..5)?;
        RETIRED
            .iter()
            .find(|(old, ..)| *old == regency)
            .map(|&(_, code, name)| Successor { code, name })
    }
}

/// A province of Indonesia.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Province {
    /// Two digits.
    pub code: &'static str,
    /// The official name.
    pub name: &'static str,
}

/// The regency or city that a retired code stands for today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Successor {
    /// The code in use, `94.04`.
    pub code: &'static str,
    /// The regency's name, `Mimika`.
    pub name: &'static str,
}

fn region(name: &'static str, raw: &str) -> Result<String, IdError> {
    let expected = "2, 4, 6 or 10 digits";
    let raw = raw.trim();
    let digits = text::digits(name, raw, &[2, 4, 6, 10], expected)?;
    let mut dotted = digits[..2].to_owned();
    for (from, to) in [(2, 4), (4, 6), (6, 10)] {
        if let Some(level) = digits.get(from..to) {
            dotted.push('.');
            dotted.push_str(level);
        }
    }
    // Dots are optional, but where they stand they must stand right: 351.0 isn't 35.10.
    match raw == dotted || raw == digits {
        true => Ok(dotted),
        false => Err(IdErrorKind::Pattern {
            expected: "35.10.16.1003 (or the first one, two or three levels of it)",
        }
        .of(name)),
    }
}

/// Kepmendagri 300.2.2-2138/2025: 38 provinces.
const PROVINCES: [(&str, &str); 38] = [
    ("11", "Aceh"),
    ("12", "Sumatera Utara"),
    ("13", "Sumatera Barat"),
    ("14", "Riau"),
    ("15", "Jambi"),
    ("16", "Sumatera Selatan"),
    ("17", "Bengkulu"),
    ("18", "Lampung"),
    ("19", "Kepulauan Bangka Belitung"),
    ("21", "Kepulauan Riau"),
    ("31", "Daerah Khusus Ibukota Jakarta"),
    ("32", "Jawa Barat"),
    ("33", "Jawa Tengah"),
    ("34", "Daerah Istimewa Yogyakarta"),
    ("35", "Jawa Timur"),
    ("36", "Banten"),
    ("51", "Bali"),
    ("52", "Nusa Tenggara Barat"),
    ("53", "Nusa Tenggara Timur"),
    ("61", "Kalimantan Barat"),
    ("62", "Kalimantan Tengah"),
    ("63", "Kalimantan Selatan"),
    ("64", "Kalimantan Timur"),
    ("65", "Kalimantan Utara"),
    ("71", "Sulawesi Utara"),
    ("72", "Sulawesi Tengah"),
    ("73", "Sulawesi Selatan"),
    ("74", "Sulawesi Tenggara"),
    ("75", "Gorontalo"),
    ("76", "Sulawesi Barat"),
    ("81", "Maluku"),
    ("82", "Maluku Utara"),
    ("91", "Papua"),
    ("92", "Papua Barat"),
    ("93", "Papua Selatan"),
    ("94", "Papua Tengah"),
    ("95", "Papua Pegunungan"),
    ("96", "Papua Barat Daya"),
];

/// Old code, code in use, name. UU 20/2012 made Kalimantan Utara; UU 14, 15 and 16/2022 made Papua
/// Selatan, Tengah and Pegunungan; UU 29/2022 made Papua Barat Daya. Numbers issued before keep
/// the old code for life. Older splits aren't listed.
const RETIRED: [(&str, &str, &str); 31] = [
    ("64.04", "65.01", "Bulungan"),
    ("64.05", "65.03", "Nunukan"),
    ("64.06", "65.02", "Malinau"),
    ("64.10", "65.04", "Tana Tidung"),
    ("64.73", "65.71", "Kota Tarakan"),
    ("91.01", "93.01", "Merauke"),
    ("91.02", "95.01", "Jayawijaya"),
    ("91.04", "94.01", "Nabire"),
    ("91.07", "94.02", "Puncak Jaya"),
    ("91.08", "94.03", "Paniai"),
    ("91.09", "94.04", "Mimika"),
    ("91.12", "95.02", "Pegunungan Bintang"),
    ("91.13", "95.03", "Yahukimo"),
    ("91.14", "95.04", "Tolikara"),
    ("91.16", "93.02", "Boven Digoel"),
    ("91.17", "93.03", "Mappi"),
    ("91.18", "93.04", "Asmat"),
    ("91.21", "95.05", "Mamberamo Tengah"),
    ("91.22", "95.06", "Yalimo"),
    ("91.23", "95.07", "Lanny Jaya"),
    ("91.24", "95.08", "Nduga"),
    ("91.25", "94.05", "Puncak"),
    ("91.26", "94.06", "Dogiyai"),
    ("91.27", "94.07", "Intan Jaya"),
    ("91.28", "94.08", "Deiyai"),
    ("92.01", "96.01", "Sorong"),
    ("92.04", "96.02", "Sorong Selatan"),
    ("92.05", "96.03", "Raja Ampat"),
    ("92.09", "96.04", "Tambrauw"),
    ("92.10", "96.05", "Maybrat"),
    ("92.71", "96.71", "Kota Sorong"),
];
