//! Dates of which the day, or the day and the month, are unknown.

use std::fmt;

use jiff::civil::Date;

/// A date as a civil register knows it: `1988-05-14`, `1988-05`, `1988`.
///
/// Source: ISO 8601-1, calendar dates with reduced precision. It is a birth date as a rule, so
/// `Debug` hides it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartialDate {
    first: Date,
    last: Date,
}

impl PartialDate {
    /// Reads `YYYY-MM-DD`, `YYYY-MM` or `YYYY`; nothing else is such a date.
    pub fn parse(raw: &str) -> Option<Self> {
        let well_formed = raw.bytes().enumerate().all(|(at, b)| match at {
            4 | 7 => b == b'-',
            _ => b.is_ascii_digit(),
        });
        if !well_formed {
            return None;
        }
        let year = raw.get(..4)?.parse().ok()?;
        match raw.len() {
            4 => Some(Self {
                first: Date::new(year, 1, 1).ok()?,
                last: Date::new(year, 12, 31).ok()?,
            }),
            7 => {
                let first = Date::new(year, raw[5..].parse().ok()?, 1).ok()?;
                let last = first.last_of_month();
                Some(Self { first, last })
            }
            10 => {
                let day = Date::new(year, raw[5..7].parse().ok()?, raw[8..].parse().ok()?).ok()?;
                Some(day.into())
            }
            _ => None,
        }
    }

    /// The first day that it can be.
    pub const fn first(&self) -> Date {
        self.first
    }

    /// The last day that it can be.
    pub const fn last(&self) -> Date {
        self.last
    }

    /// Whether the two agree in what both know: `1988` agrees with `1988-05-14`.
    pub fn agrees_with(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Whether every day that the other can be is one that this can be.
    pub fn contains(&self, other: &Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }
}

impl From<Date> for PartialDate {
    fn from(day: Date) -> Self {
        Self {
            first: day,
            last: day,
        }
    }
}

impl fmt::Debug for PartialDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartialDate(…)")
    }
}
