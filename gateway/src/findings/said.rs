//! What each record says of the lookup's person: name, birth date, sex.

use serde_json::{Map, Value};

use super::view::{Record, View, text};

/// What may be said of a person.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fact {
    Name,
    BirthDate,
    Sex,
}

/// What one record says. Several texts where it can't be told which of them is the person.
pub(super) struct Said<'a> {
    pub(super) record: Record<'a>,
    pub(super) field: &'static str,
    pub(super) texts: Vec<&'a str>,
}

/// Where a record keeps a fact of the person that it is about.
struct Place {
    record: &'static str,
    name: Option<&'static str>,
    birth_date: Option<&'static str>,
    sex: Option<&'static str>,
}

/// Civil records, the one that others are held against first.
const CIVIL: [Place; 2] = [
    place(
        "person-identity",
        Some("full_name"),
        Some("birth_date"),
        Some("sex"),
    ),
    place(
        "birth-certificate",
        Some("child_name"),
        Some("birth_date"),
        Some("sex"),
    ),
];

const OTHER: [Place; 6] = [
    place(
        "death-certificate",
        Some("full_name"),
        Some("birth_date"),
        None,
    ),
    place(
        "passport",
        Some("full_name"),
        Some("birth_date"),
        Some("sex"),
    ),
    place(
        "driving-licence",
        Some("full_name"),
        Some("birth_date"),
        None,
    ),
    place(
        "health-insurance",
        Some("full_name"),
        Some("birth_date"),
        Some("sex"),
    ),
    place("taxpayer", Some("registered_name"), None, None),
    place("vehicle-registration", Some("owner_name"), None, None),
];

const fn place(
    record: &'static str,
    name: Option<&'static str>,
    birth_date: Option<&'static str>,
    sex: Option<&'static str>,
) -> Place {
    Place {
        record,
        name,
        birth_date,
        sex,
    }
}

/// What the civil registry says, the identity record first.
pub(super) fn civil<'a>(view: &View<'a>, fact: Fact) -> Vec<Said<'a>> {
    let mut said = at(view, &CIVIL, fact);
    said.extend(among(view, "family-card", "members", fact));
    said
}

/// What everyone else says.
pub(super) fn elsewhere<'a>(view: &View<'a>, fact: Fact) -> Vec<Said<'a>> {
    let mut said = at(view, &OTHER, fact);
    said.extend(spouses(view, fact));
    if fact == Fact::Name {
        said.retain(|said| !is_organisation(&said.record));
        said.extend(holders(view));
        said.extend(payer(view));
    }
    said
}

fn at<'a>(view: &View<'a>, places: &[Place], fact: Fact) -> Vec<Said<'a>> {
    let mut said = Vec::new();
    for place in places {
        let Some(field) = place.field(fact) else {
            continue;
        };
        said.extend(view.own(place.record).filter_map(|record| {
            let texts = vec![record.text(field)?];
            Some(Said {
                record,
                field,
                texts,
            })
        }));
    }
    said
}

impl Place {
    fn field(&self, fact: Fact) -> Option<&'static str> {
        match fact {
            Fact::Name => self.name,
            Fact::BirthDate => self.birth_date,
            Fact::Sex => self.sex,
        }
    }
}

fn among<'a>(
    view: &View<'a>,
    record: &'static str,
    field: &'static str,
    fact: Fact,
) -> Vec<Said<'a>> {
    view.records(record)
        .filter_map(|record| {
            let person = record
                .items(field)
                .into_iter()
                .find(|item| view.is_person(text(item, "nik")))?;
            let texts = vec![text(person, member(fact))?];
            Some(Said {
                record,
                field,
                texts,
            })
        })
        .collect()
}

fn spouses<'a>(view: &View<'a>, fact: Fact) -> Vec<Said<'a>> {
    let mut said = Vec::new();
    for record in view.records("marriage-certificate") {
        for field in ["spouse_1", "spouse_2"] {
            let spouse = record
                .object(field)
                .filter(|spouse| view.is_person(text(spouse, "nik")));
            if let Some(found) = spouse.and_then(|spouse| text(spouse, member(fact))) {
                said.push(Said {
                    record,
                    field,
                    texts: vec![found],
                });
            }
        }
    }
    said
}

fn member(fact: Fact) -> &'static str {
    match fact {
        Fact::Name => "full_name",
        Fact::BirthDate => "birth_date",
        Fact::Sex => "sex",
    }
}

/// The holder with the person's NIK, else every holder without one.
fn holders<'a>(view: &View<'a>) -> Vec<Said<'a>> {
    view.records("land-title")
        .filter_map(|record| {
            let holders = record.items("holders");
            let named = |wanted: &dyn Fn(&Map<String, Value>) -> bool| -> Vec<&'a str> {
                let wanted = holders.iter().filter(|holder| wanted(holder));
                wanted.filter_map(|holder| text(holder, "name")).collect()
            };
            let mut texts = named(&|holder| view.is_person(text(holder, "nik")));
            if texts.is_empty() {
                texts = named(&|holder| text(holder, "nik").is_none());
            }
            (!texts.is_empty()).then_some(Said {
                record,
                field: "holders",
                texts,
            })
        })
        .collect()
}

/// The payer, only where the NIK says that it is the person: many objects still have none.
fn payer<'a>(view: &View<'a>) -> Vec<Said<'a>> {
    view.own("property-tax")
        .filter(|record| record.is_own == Some(true))
        .filter_map(|record| {
            let texts = vec![record.text("payer_name")?];
            Some(Said {
                record,
                field: "payer_name",
                texts,
            })
        })
        .collect()
}

fn is_organisation(record: &Record<'_>) -> bool {
    record.is("taxpayer_type", "entity") || record.is("taxpayer_type", "government")
}
