//! Rules of dates, and dates that are known in part.

use jiff::civil::Date;

use super::Data;

/// Members that tell what has happened.
pub(super) const PAST: [&str; 9] = [
    "birth_date",
    "death_date",
    "decile_as_of",
    "ended_on",
    "issued_on",
    "married_on",
    "registered_on",
    "since",
    "updated_on",
];

/// A date as far as it is known: the days on which it may be.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) first: Date,
    pub(super) last: Date,
}

impl Known {
    /// Reads `1952`, `1952-03` or `1952-03-12`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let is_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        let mut parts = text.split('-');
        if !parts.clone().all(is_digits) {
            return None;
        }
        let (year, month, day) = (parts.next()?, parts.next(), parts.next());
        let year = year.parse().ok()?;
        match (month, day, parts.next()) {
            (None, ..) => {
                let first = Date::new(year, 1, 1).ok()?;
                let last = first.last_of_year();
                Some(Self { first, last })
            }
            (Some(month), None, _) => {
                let first = Date::new(year, month.parse().ok()?, 1).ok()?;
                let last = first.last_of_month();
                Some(Self { first, last })
            }
            (Some(month), Some(day), None) => {
                let first = Date::new(year, month.parse().ok()?, day.parse().ok()?).ok()?;
                Some(Self { first, last: first })
            }
            (Some(_), Some(_), Some(_)) => None,
        }
    }
}

impl Data<'_> {
    pub(super) fn known(&self, field: &str) -> Option<Known> {
        self.text(field).and_then(Known::read)
    }
}

pub(super) fn issued_before_expiry(data: &Data<'_>) -> Vec<String> {
    let Some(issued) = data.known("issued_on") else {
        return vec![];
    };
    ["expires_on", "valid_until"]
        .into_iter()
        .filter(|field| data.known(field).is_some_and(|end| end.last < issued.first))
        .map(|field| format!("/{field}"))
        .collect()
}

pub(super) fn not_in_the_future(data: &Data<'_>) -> Vec<String> {
    data.broken_texts(&PAST, |text| {
        Known::read(text).is_some_and(|date| date.first > data.today)
    })
}
