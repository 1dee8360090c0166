//! What a counter asks of a citizen's records for one service, and what it gets in the sample
//! world.
//!
//! Three journeys of a father at the mall: a licence for his shop, a passport and a driving
//! licence. Two short ones show what is left: a second driving licence on the same day, for which
//! the quota is used up, and the tax of his motorcycle. Together they see every outcome there is.

mod sample;

use std::fmt;

use loket_sdk::claims::{ClaimResult, Op};
use loket_sdk::message::{Answer, LegalBasisKind, Purpose, Reason, SourceResult};
use serde::Serialize;

/// One service at one counter.
#[derive(Debug)]
pub struct Journey {
    /// Its name, for programs.
    pub name: &'static str,
    /// Its title, for people.
    pub title: &'static str,
    /// The member whose counter asks.
    pub consumer: &'static str,
    /// Why.
    pub purpose: Purpose,
    /// By which right, and the law that says so.
    pub basis: (LegalBasisKind, &'static str),
    /// The case at the counter.
    pub case: &'static str,
    /// About whom.
    pub nik: &'static str,
    /// How long the counter waits.
    pub deadline_ms: u64,
    /// What it asks, in this order.
    pub asked: &'static [Asked],
    /// What it gets in the sample world, in the order asked.
    pub expected: &'static [Expected],
}

/// One record asked for.
#[derive(Debug)]
pub struct Asked {
    /// The record, such as `person-identity/1`.
    pub record: &'static str,
    /// What of it.
    pub wanted: Wanted,
    /// Whether the service can't go on without it.
    pub required: bool,
}

/// What of a record.
#[derive(Debug)]
pub enum Wanted {
    /// All that the grant allows to be read.
    All,
    /// These fields.
    Fields(&'static [&'static str]),
    /// Whether these are so.
    Claims(&'static [Claimed]),
}

/// What the clerk reads from the citizen's papers.
#[derive(Debug)]
pub struct Claimed {
    /// Which field of the record.
    pub field: &'static str,
    /// How it is compared.
    pub op: Op,
    /// What the papers say.
    pub value: &'static str,
    /// What the source says to it in the sample world, when it answers.
    pub expected: ClaimResult,
}

/// What becomes of one question.
#[derive(Debug)]
pub struct Expected {
    /// Which record.
    pub record: &'static str,
    /// Which agency.
    pub agency: &'static str,
    /// The reason, which says the outcome too.
    pub reason: Reason,
}

/// Something in an answer that isn't as expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which record, and where it matters which field of it.
    pub place: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub got: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            place,
            expected,
            got,
        } = self;
        write!(f, "{place}: expected {expected}, got {got}")
    }
}

/// Every journey, in the order in which the demo goes through them; the order matters to the one
/// for which the quota is used up.
#[must_use]
pub fn all() -> &'static [Journey] {
    &sample::JOURNEYS
}

/// The journey of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Journey> {
    all().iter().find(|journey| journey.name == name)
}

impl Journey {
    /// Compares an answer with what the sample world should give.
    #[must_use]
    pub fn check(&self, answer: &Answer) -> Vec<Difference> {
        let mut differences = Vec::new();
        let mut results = answer.results.iter();
        for expected in self.expected {
            let wanted = words(expected.agency, expected.reason);
            let result = results.next();
            let same = result.is_some_and(|result| result.record.to_string() == expected.record);
            let got = result.filter(|_| same).map(|result| {
                let agency = result.source.as_ref().map(|source| source.agency.as_str());
                words(agency.unwrap_or("nobody"), result.reason)
            });
            let got = got.unwrap_or_else(|| "no such result".to_owned());
            if got != wanted {
                differences.push(Difference {
                    place: expected.record.to_owned(),
                    expected: wanted,
                    got,
                });
            }
        }
        differences.extend(results.map(|result| Difference {
            place: result.record.to_string(),
            expected: "nothing".to_owned(),
            got: result.reason.to_string(),
        }));
        for (asked, result) in self.asked.iter().zip(&answer.results) {
            if let Wanted::Claims(claims) = asked.wanted {
                differences.extend(compare(claims, result));
            }
        }
        differences
    }
}

fn words(agency: &str, reason: Reason) -> String {
    format!("{agency} {} {reason}", reason.outcome())
}

fn compare(claims: &[Claimed], result: &SourceResult) -> Vec<Difference> {
    let differs = |(claim, answer): (&Claimed, &loket_sdk::claims::ClaimAnswer)| {
        let same = answer.field == claim.field && answer.result == claim.expected;
        (!same).then(|| Difference {
            place: format!("{}#{}", result.record, claim.field),
            expected: claim.expected.as_str().to_owned(),
            got: format!("{} {}", answer.field, answer.result.as_str()),
        })
    };
    claims
        .iter()
        .zip(&result.claims)
        .filter_map(differs)
        .collect()
}
