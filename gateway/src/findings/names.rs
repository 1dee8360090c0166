//! C01: the civil name against the name that every other record has.

use loket_sdk::message::{Purpose, Severity};
use loket_sdk::names::{self, NameMatch};

use super::code::Code;
use super::draft::Draft;
use super::said::{self, Fact, Said};
use super::view::View;

/// The fields in which a person's own name is claimed.
const OWN_NAMES: [&str; 6] = [
    "full_name",
    "registered_name",
    "child_name",
    "surname",
    "given_name",
    "patronymic",
];

/// The fields in which names of people about the person, or of what is theirs, are claimed.
const OTHER_NAMES: [&str; 7] = [
    "head_name",
    "mother_name",
    "father_name",
    "spouse_1",
    "spouse_2",
    "owner_name",
    "holders",
];

pub(super) fn c01_names(view: &View<'_>) -> Vec<Draft> {
    let mut drafts = against_civil(view);
    drafts.extend(azerbaijani(view));
    drafts.extend(claimed(view));
    drafts
}

fn against_civil(view: &View<'_>) -> Vec<Draft> {
    let mut said = said::civil(view, Fact::Name);
    if said.is_empty() {
        return Vec::new();
    }
    let civil = said.remove(0);
    let others = said.into_iter().chain(said::elsewhere(view, Fact::Name));
    others
        .filter_map(|other| {
            let draft = of_match(view, nearest(&civil, &other)?)?;
            let draft = draft.on(civil.record.result, &[civil.field]);
            let draft = draft.on(other.record.result, &[other.field]);
            Some(draft.mended_by(other.record.result))
        })
        .collect()
}

fn nearest(civil: &Said<'_>, other: &Said<'_>) -> Option<NameMatch> {
    let civil = civil.texts.first()?;
    let matches = other.texts.iter().map(|name| names::compare(civil, name));
    matches.min()
}

fn of_match(view: &View<'_>, found: NameMatch) -> Option<Draft> {
    match found {
        NameMatch::Equal | NameMatch::Equivalent => None,
        NameMatch::Variant => Some(Code::NameVariant.warning()),
        NameMatch::Different => Some(Code::NameDifferent.at(gravity(view))),
    }
}

fn azerbaijani(view: &View<'_>) -> Vec<Draft> {
    const FIELDS: [&str; 3] = ["surname", "given_name", "patronymic"];
    let mut drafts = Vec::new();
    for person in view.records("az-person-identity") {
        let parts: Vec<&str> = FIELDS
            .iter()
            .filter_map(|field| person.text(field))
            .collect();
        // A surname alone, or without it, is another name and no evidence.
        if person.text("surname").is_none() || person.text("given_name").is_none() {
            continue;
        }
        let civil = parts.join(" ");
        let natural = view
            .records("az-taxpayer")
            .filter(|payer| payer.is("taxpayer_type", "2"))
            .filter(|payer| payer.text("fin").is_none() || payer.text("fin") == person.text("fin"));
        for payer in natural {
            let Some(name) = payer.text("registered_name") else {
                continue;
            };
            if let Some(draft) = of_match(view, names::compare(&civil, name)) {
                let draft = draft.on(person.result, &FIELDS);
                let draft = draft.on(payer.result, &["registered_name"]);
                drafts.push(draft.mended_by(payer.result));
            }
        }
    }
    drafts
}

/// The counter's name against the source's: the civil registry's isn't the one to mend.
fn claimed(view: &View<'_>) -> Vec<Draft> {
    view.claims()
        .filter_map(|(result, claim)| {
            let known = |fields: &[&'static str]| {
                fields.iter().copied().find(|field| *field == claim.field)
            };
            let own = known(&OWN_NAMES);
            let field = own.or_else(|| known(&OTHER_NAMES))?;
            let draft = match claim.name_match? {
                NameMatch::Equal | NameMatch::Equivalent => return None,
                NameMatch::Variant => Code::NameClaimVariant.warning(),
                NameMatch::Different if own.is_some() => Code::NameClaimDifferent.at(gravity(view)),
                NameMatch::Different => Code::NameClaimDifferent.warning(),
            };
            let draft = draft.on(result, &[field]);
            Some(match result.record.name() {
                "person-identity" | "az-person-identity" => draft,
                _ => draft.mended_by(result),
            })
        })
        .collect()
}

fn gravity(view: &View<'_>) -> Severity {
    match view.context.purpose {
        Purpose::PassportApplication | Purpose::LandTransfer | Purpose::BusinessLicence => {
            Severity::Blocking
        }
        _ => Severity::Warning,
    }
}
