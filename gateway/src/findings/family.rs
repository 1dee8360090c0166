//! C08, C09 and C16: marriage, birth and aid against the family card.

use loket_sdk::claims::PartialDate;
use loket_sdk::message::Purpose;
use loket_sdk::names::{self, NameMatch};
use serde_json::{Map, Value};

use super::code::Code;
use super::draft::Draft;
use super::person::is_minor;
use super::view::{Record, View, text};

const NEVER_MARRIED: &str = "1";
const MARRIED: &str = "2";
const CHILD: &str = "4";

pub(super) fn c08_marriage(view: &View<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for marriage in view.own("marriage-certificate") {
        let Some(state) = marriage.text("state") else {
            continue;
        };
        for (record, field, status) in marital_statuses(view) {
            if let Some(code) = disagreement(state, status) {
                let draft = code.warning().on(record.result, &[field]);
                drafts.push(
                    draft
                        .on(marriage.result, &["state"])
                        .mended_by(record.result),
                );
            }
        }
    }
    drafts
}

pub(super) fn c09_birth(view: &View<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for card in view.records("family-card") {
        let members = card.items("members");
        for deed in view.records("birth-certificate") {
            let missing = missing_parents(view, &members, &deed);
            if !missing.is_empty() {
                let draft = Code::ParentNotInFamilyCard
                    .warning()
                    .on(deed.result, &missing);
                drafts.push(draft.on(card.result, &["members"]).mended_by(card.result));
            }
        }
        let is_child = members.iter().any(|member| {
            view.is_person(text(member, "nik")) && text(member, "relation") == Some(CHILD)
        });
        for result in view
            .without_record("birth-certificate")
            .filter(|_| is_child)
        {
            let draft = Code::ChildWithoutBirthCertificate
                .warning()
                .on(result, &["child_nik"]);
            drafts.push(draft.on(card.result, &["members"]).mended_by(result));
        }
    }
    drafts
}

pub(super) fn c16_aid(view: &View<'_>) -> Vec<Draft> {
    if view.context.purpose != Purpose::SocialAssistance {
        return Vec::new();
    }
    let mut drafts = Vec::new();
    for aid in view.records("social-assistance") {
        for card in view.records("family-card") {
            let members = card.items("members");
            let holder = aid.text("nik");
            if holder.is_some() && !members.is_empty() && !has(&members, holder) {
                let draft = Code::AidHolderNotInFamilyCard
                    .info()
                    .on(aid.result, &["nik"]);
                drafts.push(draft.on(card.result, &["members"]).mended_by(aid.result));
            }
        }
        for card in view
            .records("family-card")
            .chain(view.own("person-identity"))
        {
            let numbers = (aid.text("kk_number"), card.text("kk_number"));
            if matches!(numbers, (Some(a), Some(b)) if a != b) {
                let draft = Code::AidFamilyCardDiffers
                    .info()
                    .on(aid.result, &["kk_number"]);
                drafts.push(draft.on(card.result, &["kk_number"]).mended_by(aid.result));
            }
        }
    }
    drafts
}

fn marital_statuses<'a>(view: &View<'a>) -> Vec<(Record<'a>, &'static str, &'a str)> {
    let identity = view
        .own("person-identity")
        .filter_map(|record| Some((record, "marital_status", record.text("marital_status")?)));
    let card = view.records("family-card").filter_map(|record| {
        let members = record.items("members");
        let person = members
            .into_iter()
            .find(|member| view.is_person(text(member, "nik")))?;
        Some((record, "members", text(person, "marital_status")?))
    });
    identity.chain(card).collect()
}

/// After an ended marriage one may be divorced, widowed or married again, but not never married;
/// an annulled one never was.
fn disagreement(state: &str, status: &str) -> Option<Code> {
    match (state, status) {
        ("married", MARRIED) | ("annulled", NEVER_MARRIED) => None,
        ("married", _) | (_, NEVER_MARRIED) => Some(Code::MaritalStatusDiffers),
        (_, MARRIED) => Some(Code::MarriageEnded),
        _ => None,
    }
}

/// The deed's fields whose parent isn't on the card. An adult has a card without parents, and a
/// child without a father's name has none lawfully.
fn missing_parents(
    view: &View<'_>,
    members: &[&Map<String, Value>],
    deed: &Record<'_>,
) -> Vec<&'static str> {
    if members.is_empty() || !lives_with_parents(view, members, deed) {
        return Vec::new();
    }
    [("mother_nik", "mother_name"), ("father_nik", "father_name")]
        .into_iter()
        .filter_map(
            |(nik_field, name_field)| match (deed.text(nik_field), deed.text(name_field)) {
                (Some(nik), _) => (!has(members, Some(nik))).then_some(nik_field),
                (None, Some(name)) => (!has_name(members, name)).then_some(name_field),
                (None, None) => None,
            },
        )
        .collect()
}

fn lives_with_parents(view: &View<'_>, members: &[&Map<String, Value>], deed: &Record<'_>) -> bool {
    let nik = deed.text("child_nik");
    let member = members
        .iter()
        .find(|member| nik.is_some() && text(member, "nik") == nik);
    if let Some(member) = member {
        return text(member, "relation") == Some(CHILD);
    }
    match deed.text("birth_date").and_then(PartialDate::parse) {
        Some(born) => is_minor(born, view.context.today),
        None => view.context.purpose == Purpose::BirthRegistration,
    }
}

fn has(members: &[&Map<String, Value>], nik: Option<&str>) -> bool {
    members.iter().any(|member| text(member, "nik") == nik)
}

fn has_name(members: &[&Map<String, Value>], name: &str) -> bool {
    members
        .iter()
        .filter_map(|member| text(member, "full_name"))
        .any(|member| names::compare(name, member) != NameMatch::Different)
}
