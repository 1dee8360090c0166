//! C14: who pays the property tax against who holds the land, and whether the payer lives.

use loket_sdk::names::{self, NameMatch};

use super::code::Code;
use super::death;
use super::draft::Draft;
use super::view::{Record, View, text};

pub(super) fn c14_payer(view: &View<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for tax in view.records("property-tax") {
        let payer = Party {
            nik: tax.text("payer_nik"),
            name: tax.text("payer_name"),
        };
        let Some(field) = payer.field() else { continue };
        drafts.extend(not_a_holder(view, &tax, &payer, field));
        drafts.extend(no_longer_alive(view, &tax, &payer, field));
    }
    drafts
}

/// A person as a register names them.
struct Party<'a> {
    nik: Option<&'a str>,
    name: Option<&'a str>,
}

impl Party<'_> {
    fn field(&self) -> Option<&'static str> {
        match (self.nik, self.name) {
            (Some(_), _) => Some("payer_nik"),
            (None, Some(_)) => Some("payer_name"),
            (None, None) => None,
        }
    }

    /// Whether the two may be one; none when they have nothing in common to tell by.
    fn may_be(&self, other: &Self) -> Option<bool> {
        match (self.nik, other.nik, self.name, other.name) {
            (Some(nik), Some(other), ..) => Some(nik == other),
            (.., Some(name), Some(other)) => {
                Some(names::compare(name, other) != NameMatch::Different)
            }
            _ => None,
        }
    }
}

/// With several titles it is enough to hold one: which parcel is taxed isn't in the records.
fn not_a_holder(
    view: &View<'_>,
    tax: &Record<'_>,
    payer: &Party<'_>,
    field: &'static str,
) -> Option<Draft> {
    let titles: Vec<Record<'_>> = view.records("land-title").collect();
    let verdicts: Vec<bool> = titles
        .iter()
        .flat_map(|title| title.items("holders"))
        .filter_map(|holder| {
            let holder = Party {
                nik: text(holder, "nik"),
                name: text(holder, "name"),
            };
            payer.may_be(&holder)
        })
        .collect();
    if verdicts.is_empty() || verdicts.contains(&true) {
        return None;
    }
    let draft = titles
        .iter()
        .fold(Code::PayerNotHolder.warning(), |draft, title| {
            draft.on(title.result, &["holders"])
        });
    Some(draft.on(tax.result, &[field]).mended_by(tax.result))
}

fn no_longer_alive(
    view: &View<'_>,
    tax: &Record<'_>,
    payer: &Party<'_>,
    field: &'static str,
) -> Vec<Draft> {
    let deeds = view
        .records("death-certificate")
        .filter(death::is_in_force)
        .filter_map(|deed| {
            let deceased = Party {
                nik: deed.text("deceased_nik"),
                name: deed.text("full_name"),
            };
            let by = match (payer.nik, deceased.nik) {
                (Some(_), Some(_)) => "deceased_nik",
                _ => "full_name",
            };
            (payer.may_be(&deceased) == Some(true)).then_some((deed.result, by))
        });
    let person = death::evidence(view)
        .into_iter()
        .filter(|_| view.is_person(payer.nik));
    deeds
        .chain(person)
        .map(|(result, by)| {
            let draft = Code::PayerDeceased.warning().on(result, &[by]);
            draft.on(tax.result, &[field]).mended_by(tax.result)
        })
        .collect()
}
