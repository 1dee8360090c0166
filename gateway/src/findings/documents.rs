//! C11 to C13: passport, driving licence, vehicle.

use jiff::ToSpan;

use super::code::Code;
use super::draft::Draft;
use super::view::{Record, View};

const PASSPORT_MONTHS: i32 = 6;

pub(super) fn c11_passport(view: &View<'_>) -> Vec<Draft> {
    let today = view.context.today;
    view.own("passport")
        .filter_map(|passport| {
            let expiry = passport.date("expires_on");
            let until = |months: i32| today.checked_add(months.months()).ok();
            let code = if has_expired(view, &passport) {
                Code::PassportExpired
            } else if expiry
                .is_some_and(|day| until(PASSPORT_MONTHS).is_some_and(|soon| day < soon))
            {
                Code::PassportExpiresSoon
            } else {
                return None;
            };
            let draft = code.warning().on(passport.result, &["expires_on"]);
            Some(draft.mended_by(passport.result))
        })
        .collect()
}

pub(super) fn c12_driving_licence(view: &View<'_>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    for licence in view.own("driving-licence") {
        let mut add = |draft: Draft, fields: &[&'static str]| {
            drafts.push(draft.on(licence.result, fields).mended_by(licence.result));
        };
        if has_expired(view, &licence) {
            add(Code::LicenceExpired.warning(), &["expires_on"]);
        }
        if is_misnumbered(view, &licence) {
            add(
                Code::LicenceNumberOdd.warning(),
                &["licence_number", "numbering"],
            );
        }
        if licence.is("numbering", "legacy12") || licence.is("numbering", "legacy14") {
            add(Code::LicenceNumberLegacy.info(), &["numbering"]);
        }
    }
    drafts
}

pub(super) fn c13_vehicle(view: &View<'_>) -> Vec<Draft> {
    view.records("vehicle-registration")
        .filter(|vehicle| vehicle.is_own == Some(false))
        .map(|vehicle| {
            let draft = Code::VehicleOwnerDiffers.warning();
            draft
                .on(vehicle.result, &["owner_nik"])
                .mended_by(vehicle.result)
        })
        .collect()
}

fn has_expired(view: &View<'_>, document: &Record<'_>) -> bool {
    let expiry = document.date("expires_on");
    document.is("state", "expired") || expiry.is_some_and(|day| day < view.context.today)
}

/// Whether the number isn't what its scheme says.
fn is_misnumbered(view: &View<'_>, licence: &Record<'_>) -> bool {
    let (Some(number), Some(scheme)) = (licence.text("licence_number"), licence.text("numbering"))
    else {
        return false;
    };
    match scheme {
        "nik16" => match licence.nik("nik").or_else(|| view.nik.clone()) {
            Some(nik) => number != nik.expose(),
            None => number.len() != 16,
        },
        "legacy12" => number.len() != 12,
        "legacy14" => number.len() != 14,
        _ => false,
    }
}
