//! C05 and C06: region codes, and places against each other.

use loket_sdk::ids::{KkNumber, RegionCode};

use super::code::Code;
use super::draft::Draft;
use super::view::{Record, View, text};

/// Where a record names its person.
const NIKS: [(&str, &str); 7] = [
    ("person-identity", "nik"),
    ("birth-certificate", "child_nik"),
    ("death-certificate", "deceased_nik"),
    ("passport", "nik"),
    ("driving-licence", "nik"),
    ("health-insurance", "nik"),
    ("taxpayer", "nik"),
];

const CARD_NUMBERS: [(&str, &str); 3] = [
    ("person-identity", "kk_number"),
    ("family-card", "kk_number"),
    ("social-assistance", "kk_number"),
];

const VILLAGES: [(&str, &str); 4] = [
    ("person-identity", "address"),
    ("family-card", "address"),
    ("land-title", "village_code"),
    ("property-tax", "village_code"),
];

pub(super) fn c05_codes(view: &View<'_>) -> Vec<Draft> {
    let person = view.nik.as_ref().and_then(|nik| oddity(&nik.region()));
    let nik = |text: &str| person.filter(|_| view.is_person(Some(text)));
    let card = |text: &str| oddity(&KkNumber::parse(text).ok()?.region());
    let mut drafts = numbers(
        view,
        &NIKS,
        nik,
        Code::NikRegionRetired,
        Code::NikRegionUnknown,
    );
    drafts.extend(numbers(
        view,
        &CARD_NUMBERS,
        card,
        Code::KkRegionRetired,
        Code::KkRegionUnknown,
    ));
    drafts.extend(villages(view));
    drafts
}

pub(super) fn c06_places(view: &View<'_>) -> Vec<Draft> {
    let homes = |name| {
        view.own(name)
            .filter_map(|record| Some((record, village(&record, "address")?)))
    };
    let mut drafts = Vec::new();
    for (person, home) in homes("person-identity") {
        for (card, other) in homes("family-card") {
            if is_elsewhere(&home, &other, 4) {
                let draft = Code::AddressDiffers.info().on(person.result, &["address"]);
                drafts.push(draft.on(card.result, &["address"]).mended_by(person.result));
            }
        }
    }
    let Some((person, home)) = homes("person-identity").chain(homes("family-card")).next() else {
        return drafts;
    };
    for name in ["land-title", "property-tax"] {
        for property in view.own(name) {
            let place = village(&property, "village_code");
            if place.is_some_and(|place| is_elsewhere(&home, &place, 2)) {
                let draft = Code::PropertyElsewhere
                    .info()
                    .on(person.result, &["address"]);
                drafts.push(draft.on(property.result, &["village_code"]));
            }
        }
    }
    drafts
}

#[derive(Clone, Copy)]
enum Oddity {
    Retired,
    Unknown,
}

fn oddity(region: &RegionCode) -> Option<Oddity> {
    if region.successor().is_some() {
        return Some(Oddity::Retired);
    }
    (!region.is_known()).then_some(Oddity::Unknown)
}

/// A number is for life: one finding for every record that has it, and nobody to mend it.
fn numbers(
    view: &View<'_>,
    places: &[(&'static str, &'static str)],
    oddity: impl Fn(&str) -> Option<Oddity>,
    retired: Code,
    unknown: Code,
) -> Vec<Draft> {
    let (mut are_retired, mut are_unknown) = (None, None);
    for (name, field) in places {
        for record in view.records(name) {
            let (draft, code) = match record.text(field).and_then(&oddity) {
                Some(Oddity::Retired) => (&mut are_retired, retired),
                Some(Oddity::Unknown) => (&mut are_unknown, unknown),
                None => continue,
            };
            let so_far: Draft = draft.take().unwrap_or_else(|| code.info());
            *draft = Some(so_far.on(record.result, &[field]));
        }
    }
    are_retired.into_iter().chain(are_unknown).collect()
}

fn villages(view: &View<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for (name, field) in VILLAGES {
        for record in view.records(name) {
            let code = match village(&record, field).as_ref().and_then(oddity) {
                Some(Oddity::Retired) => Code::VillageRegionRetired,
                Some(Oddity::Unknown) => Code::VillageRegionUnknown,
                None => continue,
            };
            drafts.push(
                code.info()
                    .on(record.result, &[field])
                    .mended_by(record.result),
            );
        }
    }
    drafts
}

fn village(record: &Record<'_>, field: &str) -> Option<RegionCode> {
    let code = match record.object(field) {
        Some(address) => text(address, "village_code"),
        None => record.text(field),
    };
    RegionCode::parse(code?).ok()
}

/// Whether two villages differ down to a level; a regency under its old code is the same one.
fn is_elsewhere(a: &RegionCode, b: &RegionCode, level: usize) -> bool {
    let levels = |region: &RegionCode| -> Vec<String> {
        let regency = region.successor().map(|today| today.code);
        let regency = regency
            .or_else(|| region.as_str().get(..5))
            .unwrap_or_default();
        let below = region.as_str().get(5..).unwrap_or_default();
        let all = format!("{regency}{below}");
        all.split('.').take(level).map(str::to_owned).collect()
    };
    levels(a) != levels(b)
}
