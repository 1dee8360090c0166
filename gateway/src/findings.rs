//! Findings: what the sources disclosed in, where they don't fit together out.
//!
//! Pure. The rules see a lookup's results after minimisation and nothing else, so a finding can't
//! say more than the consumer may know; it names rules, fields and owners and never a value. What
//! isn't disclosed, isn't about the lookup's person or can't be read is passed over: findings
//! refuse nothing.
//!
//! A rule is one function; `RULES` lists them in the order of their numbers. Where the records
//! allow no comparison there is none: neither a vehicle nor a health facility says its region, so
//! C06 looks at the home and at property only.

mod code;
mod death;
mod documents;
mod draft;
mod family;
mod land;
mod messages;
mod minor;
mod names;
mod person;
mod regions;
mod said;
mod standing;
mod tax;
mod view;

use jiff::civil::Date;
use loket_sdk::message::{Finding, Locale, Purpose, SourceResult, SubjectKey};

use draft::Draft;
use view::View;

pub use minor::{Telling, is_shown as shows_minor, tellings};

/// What the rules need to know of a lookup besides its results.
#[derive(Debug, Clone)]
pub struct Context {
    /// Why the citizen is looked up: how grave a finding is depends on it.
    pub purpose: Purpose,
    /// Whom the lookup is about, in normal form.
    pub subject: SubjectKey,
    /// The day at the counter.
    pub today: Date,
    /// Language of the messages.
    pub locale: Locale,
}

/// Holds the results against each other.
///
/// The findings are in the order of their rules, then of their records, each once; the order of
/// the results doesn't matter.
#[must_use]
pub fn compare(results: &[SourceResult], context: &Context) -> Vec<Finding> {
    let view = View::new(results, context);
    let mut drafts: Vec<Draft> = RULES.iter().flat_map(|rule| rule(&view)).collect();
    drafts.sort();
    drafts.dedup();
    drafts
        .into_iter()
        .map(|draft| draft.finish(context.locale))
        .collect()
}

type Rule = fn(&View<'_>) -> Vec<Draft>;

const RULES: [Rule; 20] = [
    names::c01_names,
    person::c02_birth_date,
    person::c03_sex,
    person::c04_nik_date,
    regions::c05_codes,
    regions::c06_places,
    death::c07_deceased,
    family::c08_marriage,
    family::c09_birth,
    tax::c10_matching,
    documents::c11_passport,
    documents::c12_driving_licence,
    documents::c13_vehicle,
    land::c14_payer,
    tax::c15_business,
    family::c16_aid,
    standing::c17_insurance,
    standing::c18_freshness,
    standing::c19_duplicates,
    person::c20_minor,
];

#[cfg(test)]
mod tests;
