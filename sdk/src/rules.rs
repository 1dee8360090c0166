//! Rules that a record has to keep and that JSON Schema can't say: order of dates, members that
//! must agree, check digits.
//!
//! In: a record, whole or in part, that has passed its schema. Out: the rules that it breaks, each
//! with the place and a message that never holds a value. A rule is silent when a field that it
//! needs is absent or can't be read, so a record in part is judged by what it shows.
//!
//! | rule | records | severity | what must hold |
//! |---|---|---|---|
//! | `issued-before-expiry` | all | error | `issued_on` isn't after `expires_on` or `valid_until` |
//! | `not-in-the-future` | all | error | no date is after today, save ends, due dates and starts of cover |
//! | `one-head` | family-card | error | exactly one member has relation 1 |
//! | `head-is-a-member` | family-card | error | `head_nik` is the NIK of the member with relation 1 |
//! | `member-once` | family-card | error | no NIK twice among the members |
//! | `death-after-birth` | death-certificate | error | `death_date` isn't before `birth_date`, as far as that is known |
//! | `mrz-check-digits` | passport | error | the five check digits |
//! | `mrz-number` | passport | error | the zone's number is `passport_number` |
//! | `mrz-birth-date` | passport | error | the zone's date of birth is `birth_date` |
//! | `mrz-expiry` | passport | error | the zone's expiry is `expires_on` |
//! | `mrz-sex` | passport | error | the zone's sex is `sex` |
//! | `voen-check-digit` | az-taxpayer | error | ninth digit |
//! | `voen-type` | az-taxpayer | error | tenth digit is `taxpayer_type` |
//! | `timeliness` | birth-certificate | warning | `late` exactly when registered more than 60 days after birth (UU 24/2013) |
//! | `nitku-of-taxpayer` | taxpayer | warning | a NITKU starts with the `npwp` |
//! | `npwp-is-nik` | taxpayer | warning | a resident individual's `npwp` is the `nik` (PMK 112/2022) |
//! | `licence-is-nik` | driving-licence | warning | with numbering `nik16`, `licence_number` is the `nik` |
//! | `shares-make-one` | land-title | warning | the holders' shares add up to 1 |
//! | `kbli-version` | business-licence | warning | KBLI 2020 or 2025 |
//! | `decile-recent` | social-assistance | warning | `decile_as_of` is at most 100 days ago |
//! | `village-known` | all | warning | a `village_code` lies in a province that exists |
//!
//! ```
//! use loket_sdk::rules;
//!
//! let licence = serde_json::json!({
//!     "numbering": "nik16", "licence_number": "351016058899", "nik": "3510161405889901",
//! });
//! let record = "driving-licence/1".parse()?;
//! let today = jiff::civil::date(2026, 11, 24);
//! let breaches = rules::check(&record, licence.as_object().expect("an object"), today);
//! assert_eq!(breaches[0].rule, "licence-is-nik");
//! assert_eq!(breaches[0].pointer, "/licence_number");
//! # Ok::<(), loket_sdk::message::InvalidRecordRef>(())
//! ```

mod civil;
mod dates;
mod identity;
mod tax;
mod things;

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::message::RecordRef;

/// How grave a breach is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The record contradicts itself: it isn't fit to be answered with.
    Error,
    /// Worth mending at the agency; the citizen is served.
    Warning,
}

/// A rule that a record breaks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Breach {
    /// The rule, for programs: `head-is-a-member`.
    pub rule: &'static str,
    /// The place that breaks it, a JSON pointer into the record.
    pub pointer: String,
    /// How grave it is.
    pub severity: Severity,
    /// What is wrong, for people. It is the same for every record, so it can't hold a value.
    pub message: &'static str,
}

/// The day that has begun anywhere in Indonesia (WIT, UTC+9): a document of this morning isn't of
/// the future in any of its agencies.
#[must_use]
pub fn today(now: Timestamp) -> Date {
    const WIT: TimeZone = TimeZone::fixed(jiff::tz::offset(9));
    WIT.to_datetime(now).date()
}

/// The rules that the record breaks, in the order of the table above.
///
/// `today` is the date at the agency. Where its zone isn't known, take the one furthest east in
/// the country (`Asia/Jayapura`), or a document of this morning would lie in the future.
///
/// A record outside the catalogue has only the rules for all records.
#[must_use]
pub fn check(record: &RecordRef, data: &Map<String, Value>, today: Date) -> Vec<Breach> {
    breaches(record, data, today, &[Severity::Error, Severity::Warning])
}

/// The breaches that make a record unfit to be answered with: those of [`check`] that are errors.
#[must_use]
pub fn errors(record: &RecordRef, data: &Map<String, Value>, today: Date) -> Vec<Breach> {
    breaches(record, data, today, &[Severity::Error])
}

fn breaches(
    record: &RecordRef,
    data: &Map<String, Value>,
    today: Date,
    severities: &[Severity],
) -> Vec<Breach> {
    let data = Data {
        fields: data,
        today,
    };
    RULES
        .iter()
        .filter(|rule| severities.contains(&rule.severity) && rule.is_for(record))
        .flat_map(|rule| rule.breaches(&data))
        .collect()
}

/// Gives the pointers of the places that break the rule.
type Broken = fn(&Data<'_>) -> Vec<String>;

struct Rule {
    name: &'static str,
    /// The record's name, in its major version 1; absent for all records.
    record: Option<&'static str>,
    severity: Severity,
    message: &'static str,
    broken: Broken,
}

impl Rule {
    const fn error(name: &'static str, message: &'static str, broken: Broken) -> Self {
        Self {
            name,
            record: None,
            severity: Severity::Error,
            message,
            broken,
        }
    }

    const fn warning(name: &'static str, message: &'static str, broken: Broken) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(name, message, broken)
        }
    }

    const fn of(self, record: &'static str) -> Self {
        Self {
            record: Some(record),
            ..self
        }
    }

    fn is_for(&self, record: &RecordRef) -> bool {
        self.record
            .is_none_or(|name| name == record.name() && record.major() == 1)
    }

    fn breaches(&self, data: &Data<'_>) -> Vec<Breach> {
        let places = (self.broken)(data).into_iter();
        let breach = |pointer| Breach {
            rule: self.name,
            pointer,
            severity: self.severity,
            message: self.message,
        };
        places.map(breach).collect()
    }
}

/// Grave rules first.
static RULES: [Rule; 21] = [
    Rule::error(
        "issued-before-expiry",
        "ends before the document was issued",
        dates::issued_before_expiry,
    ),
    Rule::error(
        "not-in-the-future",
        "lies in the future",
        dates::not_in_the_future,
    ),
    Rule::error(
        "one-head",
        "must have exactly one member with relation 1 (head of the family)",
        civil::one_head,
    )
    .of("family-card"),
    Rule::error(
        "head-is-a-member",
        "isn't the NIK of the member with relation 1 (head of the family)",
        civil::head_is_a_member,
    )
    .of("family-card"),
    Rule::error(
        "member-once",
        "is the NIK of an earlier member too",
        civil::member_once,
    )
    .of("family-card"),
    Rule::error(
        "death-after-birth",
        "is before the date of birth",
        civil::death_after_birth,
    )
    .of("death-certificate"),
    Rule::error(
        "mrz-check-digits",
        "has a wrong check digit; read the zone again",
        identity::mrz_check_digits,
    )
    .of("passport"),
    Rule::error(
        "mrz-number",
        "isn't the number in the machine-readable zone",
        identity::mrz_number,
    )
    .of("passport"),
    Rule::error(
        "mrz-birth-date",
        "isn't the date of birth in the machine-readable zone",
        identity::mrz_birth_date,
    )
    .of("passport"),
    Rule::error(
        "mrz-expiry",
        "isn't the expiry in the machine-readable zone",
        identity::mrz_expiry,
    )
    .of("passport"),
    Rule::error(
        "mrz-sex",
        "isn't the sex in the machine-readable zone",
        identity::mrz_sex,
    )
    .of("passport"),
    Rule::error(
        "voen-check-digit",
        "has a wrong check digit; read the number again",
        tax::voen_check_digit,
    )
    .of("az-taxpayer"),
    Rule::error(
        "voen-type",
        "isn't what the last digit of the VÖEN says",
        tax::voen_type,
    )
    .of("az-taxpayer"),
    Rule::warning(
        "timeliness",
        "must be late when registered more than 60 days after birth, and only then",
        civil::timeliness,
    )
    .of("birth-certificate"),
    Rule::warning(
        "nitku-of-taxpayer",
        "doesn't start with the taxpayer's NPWP",
        tax::nitku_of_taxpayer,
    )
    .of("taxpayer"),
    Rule::warning(
        "npwp-is-nik",
        "isn't the NIK, as a resident individual's is",
        tax::npwp_is_nik,
    )
    .of("taxpayer"),
    Rule::warning(
        "licence-is-nik",
        "isn't the NIK, though the numbering says so",
        identity::licence_is_nik,
    )
    .of("driving-licence"),
    Rule::warning(
        "shares-make-one",
        "has shares that don't add up to 1",
        things::shares_make_one,
    )
    .of("land-title"),
    Rule::warning(
        "kbli-version",
        "is neither KBLI 2020 nor 2025",
        things::kbli_version,
    )
    .of("business-licence"),
    Rule::warning(
        "decile-recent",
        "is more than 100 days ago; the decile may have changed",
        things::decile_recent,
    )
    .of("social-assistance"),
    Rule::warning(
        "village-known",
        "names a province that doesn't exist",
        things::village_known,
    ),
];

/// The record, and the day on which it is judged.
struct Data<'a> {
    fields: &'a Map<String, Value>,
    today: Date,
}

impl<'a> Data<'a> {
    fn text(&self, field: &str) -> Option<&'a str> {
        self.fields.get(field)?.as_str()
    }

    fn items(&self, field: &str) -> Option<&'a [Value]> {
        self.fields.get(field)?.as_array().map(Vec::as_slice)
    }

    /// The pointers of the texts of these names, however deep, that are broken.
    fn broken_texts(&self, names: &[&str], is_broken: impl Fn(&str) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        let is_broken = |name: &str, text: &str| names.contains(&name) && is_broken(text);
        for (name, value) in self.fields {
            let place = Place::Member(&Place::Top, name);
            collect(name, value, &place, &is_broken, &mut found);
        }
        found
    }
}

/// Where a value stands; made a pointer only of those that are reported.
enum Place<'p> {
    Top,
    Member(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

/// Names come from the schema, so a pointer needs no escapes.
impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Member(above, name) => write!(f, "{above}/{name}"),
            Self::Item(above, index) => write!(f, "{above}/{index}"),
        }
    }
}

/// Nesting is as deep as the schema's.
fn collect(
    name: &str,
    value: &Value,
    place: &Place<'_>,
    is_broken: &impl Fn(&str, &str) -> bool,
    found: &mut Vec<String>,
) {
    match value {
        Value::String(text) if is_broken(name, text) => found.push(place.to_string()),
        Value::Object(members) => {
            for (name, value) in members {
                let place = Place::Member(place, name);
                collect(name, value, &place, is_broken, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect("", item, &Place::Item(place, index), is_broken, found);
            }
        }
        _ => {}
    }
}

/// The pointer to a field where the rule is broken; `None` where it can't be told.
fn at(pointer: impl Into<String>, is_broken: Option<bool>) -> Vec<String> {
    match is_broken {
        Some(true) => vec![pointer.into()],
        Some(false) | None => vec![],
    }
}

#[cfg(test)]
mod tests;
