//! What the lookup disclosed, for the rules to read.

use std::cmp::Ordering;

use jiff::civil::Date;
use loket_sdk::claims::{ClaimAnswer, PartialDate};
use loket_sdk::ids::{AgencyId, Nik, Scheme, SystemId};
use loket_sdk::message::{Outcome, Reason, SourceResult, SubjectKey};
use loket_sdk::schema;
use loket_sdk::sensitive::Sensitive;
use serde_json::{Map, Value};

use super::Context;

/// The results in an order of their own, and whom they are about.
pub(super) struct View<'a> {
    pub(super) context: &'a Context,
    pub(super) results: Vec<&'a SourceResult>,
    /// The lookup's person, where a NIK says so.
    pub(super) nik: Option<Nik>,
    records: Vec<Record<'a>>,
}

/// A record that was found and of which something is disclosed.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) result: &'a SourceResult,
    pub(super) data: &'a Map<String, Value>,
    /// Whether it is about the lookup's person, as far as its disclosed fields tell.
    pub(super) is_own: Option<bool>,
}

impl<'a> View<'a> {
    pub(super) fn new(results: &'a [SourceResult], context: &'a Context) -> Self {
        let mut results: Vec<&SourceResult> = results.iter().collect();
        results.sort_by(|a, b| order(a, b));
        let nik = match context.subject.scheme {
            Scheme::Nik => Nik::parse(context.subject.value.expose()).ok(),
            _ => disclosed(&results)
                .filter(|(result, _)| result.record.name() == "person-identity")
                .find_map(|(_, data)| Nik::parse(text(data, "nik")?).ok()),
        };
        let key = nik.as_ref().map(|nik| SubjectKey {
            scheme: Scheme::Nik,
            value: Sensitive::new(nik.expose().to_owned()),
        });
        let is_own = |result: &SourceResult, data| {
            schema::record(&result.record)?.is_about(key.as_ref()?, data)
        };
        let records = disclosed(&results)
            .map(|(result, data)| Record {
                result,
                data,
                is_own: is_own(result, data),
            })
            .collect();
        Self {
            context,
            results,
            nik,
            records,
        }
    }

    /// Every disclosed record of that name, whomever it is about.
    pub(super) fn records(&self, name: &'static str) -> impl Iterator<Item = Record<'a>> {
        let records = self.records.iter().copied();
        records.filter(move |record| record.result.record.name() == name)
    }

    /// Those that aren't plainly about someone else: the gateway has held each answer against the
    /// subject, also where no disclosed field names it.
    pub(super) fn own(&self, name: &'static str) -> impl Iterator<Item = Record<'a>> {
        self.records(name)
            .filter(|record| record.is_own != Some(false))
    }

    /// Whether this is the lookup's person's NIK.
    pub(super) fn is_person(&self, nik: Option<&str>) -> bool {
        nik.is_some() && nik == self.nik.as_ref().map(Nik::expose)
    }

    /// The claims that were answered, each with its result.
    pub(super) fn claims(&self) -> impl Iterator<Item = (&'a SourceResult, &'a ClaimAnswer)> {
        self.results
            .iter()
            .flat_map(|result| result.claims.iter().map(move |claim| (*result, claim)))
    }

    /// The results that are an honest no to a record of that name.
    pub(super) fn without_record(&self, name: &str) -> impl Iterator<Item = &'a SourceResult> {
        self.results
            .iter()
            .copied()
            .filter(move |result| result.record.name() == name && result.reason == Reason::NoRecord)
    }
}

impl<'a> Record<'a> {
    pub(super) fn text(&self, field: &str) -> Option<&'a str> {
        self.data.get(field)?.as_str()
    }

    pub(super) fn is(&self, field: &str, word: &str) -> bool {
        self.text(field) == Some(word)
    }

    pub(super) fn nik(&self, field: &str) -> Option<Nik> {
        Nik::parse(self.text(field)?).ok()
    }

    pub(super) fn date(&self, field: &str) -> Option<Date> {
        let date = PartialDate::parse(self.text(field)?)?;
        (date.first() == date.last()).then(|| date.first())
    }

    /// The members of an object field.
    pub(super) fn object(&self, field: &str) -> Option<&'a Map<String, Value>> {
        self.data.get(field)?.as_object()
    }

    /// The objects of a list field; none when it isn't disclosed.
    pub(super) fn items(&self, field: &str) -> Vec<&'a Map<String, Value>> {
        let items = self.data.get(field).and_then(Value::as_array);
        items
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .collect()
    }
}

/// A text member of an object.
pub(super) fn text<'a>(object: &'a Map<String, Value>, member: &str) -> Option<&'a str> {
    object.get(member)?.as_str()
}

/// The rules know the first major version of each record.
fn disclosed<'a>(
    results: &[&'a SourceResult],
) -> impl Iterator<Item = (&'a SourceResult, &'a Map<String, Value>)> {
    results
        .iter()
        .copied()
        .filter(|result| result.record.major() == 1 && result.outcome == Outcome::Found)
        .filter_map(|result| {
            let data = result.data.as_ref()?.expose();
            (!data.is_empty()).then_some((result, data))
        })
}

fn order(a: &SourceResult, b: &SourceResult) -> Ordering {
    fn source(result: &SourceResult) -> Option<(&AgencyId, &SystemId)> {
        let source = result.source.as_ref()?;
        Some((&source.agency, &source.system))
    }
    let data = |result: &SourceResult| {
        let data = result.data.as_ref()?.expose();
        serde_json::to_string(data).ok()
    };
    (&a.record, source(a), a.reason)
        .cmp(&(&b.record, source(b), b.reason))
        .then_with(|| data(a).cmp(&data(b)))
}
