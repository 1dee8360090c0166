//! Numbers of the population registry: the citizen's NIK and the family card's number.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{
    finding::{FindingCode, IdFinding},
    newtype::personal_id,
    region::RegionCode,
    text,
};

/// Sex as a civil register records it.
///
/// On the wire it is the code of ISO/IEC 5218, `"1"` or `"2"`; the standard's 0 (not known) and
/// 9 (not applicable) can't be read from a number and are an absent value here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Sex {
    /// ISO/IEC 5218 code 1.
    #[serde(rename = "1")]
    Male,
    /// ISO/IEC 5218 code 2.
    #[serde(rename = "2")]
    Female,
}

impl Sex {
    /// The ISO/IEC 5218 code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
        }
    }

    /// Reads an ISO/IEC 5218 code; `0` and `9` say nothing.
    pub fn from_code(code: &str) -> Option<Self> {
        match code {
            "1" => Some(Self::Male),
            "2" => Some(Self::Female),
            _ => None,
        }
    }
}

personal_id! {
    /// NIK, the number a citizen keeps for life: `3510161405889901`.
    ///
    /// Shape: 16 digits; province 2, regency 2, district 2, birth date DDMMYY (women: DD + 40),
    /// serial 4. No check digit. Source: PP 37/2007 article 37, as replaced by PP 40/2019.
    ///
    /// The number follows neither a move nor a corrected birth date, so what is read from it
    /// gives findings and never a rejection.
    Nik, "nik", |name, raw| text::digits(name, raw, &[16], "16 digits")
}

impl Nik {
    /// The district where the number was issued; not where the citizen lives.
    pub fn region(&self) -> RegionCode {
        RegionCode::of_district(&self.0)
    }

    /// The date in the number, as the newest that isn't after `today`; absent if impossible.
    ///
    /// The century isn't in the number, so never show an age derived from it.
    pub fn birth_date(&self, today: Date) -> Option<Date> {
        self.date().newest_until(today)
    }

    /// The sex that the day says; absent when the day is neither 1–31 nor 41–71.
    pub fn sex(&self) -> Option<Sex> {
        match text::number(&self.0[6..8]) {
            1..=31 => Some(Sex::Male),
            41..=71 => Some(Sex::Female),
            _ => None,
        }
    }

    /// The serial, `0001` to `9999`; `0000` gives a finding.
    pub fn serial(&self) -> &str {
        &self.0[12..]
    }

    /// What is odd about the number itself.
    pub fn findings(&self) -> Vec<IdFinding> {
        let codes = Codes {
            region_unknown: FindingCode::NikRegionUnknown,
            region_retired: FindingCode::NikRegionRetired,
            date_impossible: FindingCode::NikDateImpossible,
            serial_zero: FindingCode::NikSerialZero,
        };
        codes.of(&self.region(), self.date(), self.serial())
    }

    /// Where the number and the record part company; only what the record knows is compared.
    pub fn findings_against(&self, birth_date: Option<Date>, sex: Option<Sex>) -> Vec<IdFinding> {
        let dob_differs = birth_date.is_some_and(|date| !self.date().agrees_with(date));
        let sex_differs = sex.is_some() && self.sex().is_some() && sex != self.sex();
        let codes = [
            (dob_differs, FindingCode::NikDobDiffers),
            (sex_differs, FindingCode::NikSexDiffers),
        ];
        found(codes)
    }

    fn date(&self) -> ShortDate {
        let date = ShortDate::read(&self.0[6..12]);
        match date.day {
            41..=71 => ShortDate {
                day: date.day - 40,
                ..date
            },
            _ => date,
        }
    }
}

personal_id! {
    /// Family-card number (nomor KK): `3510161006159901`.
    ///
    /// Shape: 16 digits; province 2, regency 2, district 2, recording date DDMMYY, serial 4. No
    /// check digit. Source: Permendagri 109/2019.
    KkNumber, "kk", |name, raw| text::digits(name, raw, &[16], "16 digits")
}

impl KkNumber {
    /// The district where the card was first recorded.
    pub fn region(&self) -> RegionCode {
        RegionCode::of_district(&self.0)
    }

    /// The recording date, as the newest that isn't after `today`; absent if impossible.
    pub fn recorded_on(&self, today: Date) -> Option<Date> {
        ShortDate::read(&self.0[6..12]).newest_until(today)
    }

    /// The serial.
    pub fn serial(&self) -> &str {
        &self.0[12..]
    }

    /// What is odd about the number itself.
    pub fn findings(&self) -> Vec<IdFinding> {
        let codes = Codes {
            region_unknown: FindingCode::KkRegionUnknown,
            region_retired: FindingCode::KkRegionRetired,
            date_impossible: FindingCode::KkDateImpossible,
            serial_zero: FindingCode::KkSerialZero,
        };
        let date = ShortDate::read(&self.0[6..12]);
        codes.of(&self.region(), date, self.serial())
    }
}

/// The codes that one number's scheme uses for the faults both share.
struct Codes {
    region_unknown: FindingCode,
    region_retired: FindingCode,
    date_impossible: FindingCode,
    serial_zero: FindingCode,
}

impl Codes {
    fn of(self, region: &RegionCode, date: ShortDate, serial: &str) -> Vec<IdFinding> {
        found([
            (!region.is_known(), self.region_unknown),
            (region.successor().is_some(), self.region_retired),
            (!date.is_possible(), self.date_impossible),
            (serial == "0000", self.serial_zero),
        ])
    }
}

fn found<const N: usize>(codes: [(bool, FindingCode); N]) -> Vec<IdFinding> {
    codes
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, code)| code.into())
        .collect()
}

/// A date whose century isn't known.
#[derive(Clone, Copy)]
struct ShortDate {
    day: i8,
    month: i8,
    year: i16,
}

impl ShortDate {
    /// Reads DDMMYY.
    fn read(digits: &str) -> Self {
        let pair = |at: usize| text::number(&digits[at..at + 2]);
        Self {
            day: i8::try_from(pair(0)).unwrap_or(0),
            month: i8::try_from(pair(2)).unwrap_or(0),
            year: i16::try_from(pair(4)).unwrap_or(0),
        }
    }

    fn in_century(self, century: i16) -> Option<Date> {
        Date::new(century + self.year, self.month, self.day).ok()
    }

    fn newest_until(self, today: Date) -> Option<Date> {
        let this_century = today.year() / 100 * 100;
        [this_century, this_century - 100]
            .into_iter()
            .filter_map(|century| self.in_century(century))
            .find(|date| *date <= today)
    }

    fn is_possible(self) -> bool {
        // 2000 was a leap year and 1900 wasn't: whatever is possible is possible after 2000.
        self.in_century(2000).is_some()
    }

    fn agrees_with(self, date: Date) -> bool {
        (self.day, self.month, self.year) == (date.day(), date.month(), date.year() % 100)
    }
}
