//! C10 and C15: the taxpayer against the citizen, and the business against the taxpayer.

use loket_sdk::ids::Nik;
use loket_sdk::message::{Purpose, Severity};

use super::code::Code;
use super::draft::Draft;
use super::view::{Record, View, text};

const CURRENT_KBLI: &str = "2025";

pub(super) fn c10_matching(view: &View<'_>) -> Vec<Draft> {
    let severity = match view.context.purpose {
        Purpose::BusinessLicence => Severity::Blocking,
        _ => Severity::Warning,
    };
    let mut drafts = Vec::new();
    for payer in view.own("taxpayer") {
        let add = |code: Code, fields: &[&'static str]| {
            code.at(severity)
                .on(payer.result, fields)
                .mended_by(payer.result)
        };
        if is_unmatched(view, &payer) {
            drafts.push(add(Code::NikNotMatched, &["nik_match_status"]));
        }
        if is_under_another_number(view, &payer) {
            drafts.push(add(Code::NpwpNotNik, &["npwp", "nik"]));
        }
    }
    drafts
}

pub(super) fn c15_business(view: &View<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for licence in view.records("business-licence") {
        for payer in view.records("taxpayer") {
            if let Some((held, paid)) = other_holder(&licence, &payer) {
                let draft = Code::HolderNotTaxpayer
                    .warning()
                    .on(licence.result, &[held]);
                drafts.push(draft.on(payer.result, &[paid]).mended_by(licence.result));
            }
        }
        let versions = licence.items("activities");
        let mut versions = versions
            .iter()
            .filter_map(|activity| text(activity, "kbli_version"));
        if versions.any(|version| version != CURRENT_KBLI) {
            let draft = Code::KbliOutdated
                .warning()
                .on(licence.result, &["activities"]);
            drafts.push(draft.mended_by(licence.result));
        }
    }
    drafts
}

fn is_unmatched(view: &View<'_>, payer: &Record<'_>) -> bool {
    match payer.text("nik_match_status") {
        Some("not_yet_valid") => true,
        Some("not_applicable") => is_resident(view, payer),
        _ => false,
    }
}

fn is_under_another_number(view: &View<'_>, payer: &Record<'_>) -> bool {
    let nik = view
        .nik
        .as_ref()
        .map(Nik::expose)
        .or_else(|| payer.text("nik"));
    match (payer.text("npwp"), nik) {
        (Some(npwp), Some(nik)) => npwp != nik && is_resident(view, payer),
        _ => false,
    }
}

/// Whoever has a NIK is a resident (PMK 112/2022), unless the tax office says otherwise.
fn is_resident(view: &View<'_>, payer: &Record<'_>) -> bool {
    match payer.text("taxpayer_type") {
        Some(kind) => kind == "individual_resident",
        None => view.nik.is_some(),
    }
}

/// The fields in which a licence's holder is another one than the taxpayer. The owner of a
/// company has a number of their own, so a company isn't held against a person.
fn other_holder(licence: &Record<'_>, payer: &Record<'_>) -> Option<(&'static str, &'static str)> {
    let is_person = licence.text("legal_form").map(|form| form == "individual");
    if is_person.is_some_and(|is_person| pays_as_person(payer) == Some(!is_person)) {
        return None;
    }
    let pairs = [("holder_npwp", "npwp"), ("holder_nik", "nik")];
    let known = |(held, paid): &(&'static str, &'static str)| {
        licence.text(held).is_some() && payer.text(paid).is_some()
    };
    let differs =
        |(held, paid): &(&'static str, &'static str)| licence.text(held) != payer.text(paid);
    if pairs.iter().any(known) {
        return pairs.into_iter().filter(known).find(differs);
    }
    let crossed = [("holder_nik", "npwp"), ("holder_npwp", "nik")];
    let is_nik = pays_as_person(payer) == Some(true);
    crossed
        .into_iter()
        .filter(known)
        .find(|pair| is_nik && differs(pair))
}

/// Only a resident's number doesn't start with 0: it is the NIK.
fn pays_as_person(payer: &Record<'_>) -> Option<bool> {
    match payer.text("taxpayer_type") {
        Some("entity" | "government") => Some(false),
        Some(_) => Some(true),
        None => payer
            .text("npwp")
            .filter(|npwp| !npwp.starts_with('0'))
            .map(|_| true),
    }
}
