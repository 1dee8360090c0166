//! C17 to C19: whether the insurance runs, the answer is fresh and the number is usable.

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use loket_sdk::message::{Outcome, Purpose, Reason, SourceResult};
use loket_sdk::schema;

use super::code::Code;
use super::draft::Draft;
use super::view::View;

/// Where the day begins first among the malls: Eastern Indonesia (WIT).
const EARLIEST: Offset = Offset::constant(9);

/// Instruction 1/2022 of the President asks for it; a counter may advise and not refuse.
pub(super) fn c17_insurance(view: &View<'_>) -> Vec<Draft> {
    let asks = matches!(
        view.context.purpose,
        Purpose::DrivingLicenceRenewal
            | Purpose::VehicleTax
            | Purpose::PoliceClearance
            | Purpose::LandTransfer
    );
    if !asks {
        return Vec::new();
    }
    let field = "membership_status";
    let inactive = view
        .own("health-insurance")
        .filter(|card| card.text(field).is_some() && !card.is(field, "active"))
        .map(|card| (Code::InsuranceNotActive, card.result));
    let none = view
        .without_record("health-insurance")
        .map(|result| (Code::NotInsured, result));
    inactive
        .chain(none)
        .map(|(code, result)| code.warning().on(result, &[field]).mended_by(result))
        .collect()
}

pub(super) fn c18_freshness(view: &View<'_>) -> Vec<Draft> {
    let stale = view
        .results
        .iter()
        .copied()
        .filter(|result| result.outcome == Outcome::Found)
        .filter(|result| result.reason == Reason::Stale || is_old(result, view.context.today))
        .map(|result| Code::Stale.info().on(result, &[]).mended_by(result));
    let unusable = view.own("person-identity").filter_map(|person| {
        let draft = match person.text("identity_status")? {
            "inactive" => Code::IdentityInactive.blocking(),
            "blocked_no_biometric" => Code::IdentityWithoutBiometric.blocking(),
            "moved_abroad" => Code::IdentityMovedAbroad.warning(),
            _ => return None,
        };
        let draft = draft.on(person.result, &["identity_status"]);
        Some(draft.mended_by(person.result))
    });
    stale.chain(unusable).collect()
}

const MANY: [&str; 5] = [
    "driving-licence",
    "vehicle-registration",
    "land-title",
    "property-tax",
    "business-licence",
];

pub(super) fn c19_duplicates(view: &View<'_>) -> Vec<Draft> {
    let several = view
        .results
        .iter()
        .copied()
        .filter(|result| result.reason == Reason::SeveralRecords)
        .map(|result| {
            // One person may lawfully have several of these; the counter must say which.
            let lawful = MANY.contains(&result.record.name());
            let code = Code::SeveralRecords;
            let draft = if lawful {
                code.warning()
            } else {
                code.blocking()
            };
            draft.on(result, &[]).mended_by(result)
        });
    let blocked = view
        .own("person-identity")
        .filter(|person| person.is("identity_status", "blocked_duplicate"))
        .map(|person| {
            let draft = Code::IdentityDuplicate.blocking();
            draft
                .on(person.result, &["identity_status"])
                .mended_by(person.result)
        });
    several.chain(blocked).collect()
}

/// Whether the answer was too old when the day began, whatever the hour now.
fn is_old(result: &SourceResult, today: Date) -> bool {
    let (Some(as_of), Some(schema)) = (result.as_of, schema::record(&result.record)) else {
        return false;
    };
    let Ok(day) = EARLIEST.to_timestamp(today.to_datetime(Time::midnight())) else {
        return false;
    };
    let limit: Result<Timestamp, _> = as_of.checked_add(schema.freshness);
    limit.is_ok_and(|limit| limit < day)
}
