//! C07: a death that is recorded, and what is still running in the dead person's name.

use loket_sdk::claims::{ClaimResult, Op};
use loket_sdk::message::{Outcome, Purpose, Severity, SourceResult};

use super::code::Code;
use super::draft::Draft;
use super::view::{Record, View, text};

pub(super) fn c07_deceased(view: &View<'_>) -> Vec<Draft> {
    let evidence = evidence(view);
    if evidence.is_empty() {
        return Vec::new();
    }
    let severity = gravity(view.context.purpose);
    let mut drafts: Vec<Draft> = still_active(view)
        .into_iter()
        .map(|(code, record, field)| {
            let draft = code.at(severity);
            let draft = evidence
                .iter()
                .fold(draft, |draft, (result, field)| draft.on(result, &[field]));
            draft.on(record.result, &[field]).mended_by(record.result)
        })
        .collect();
    // At the death counter it is the business and no finding.
    if view.context.purpose != Purpose::DeathRegistration {
        let draft = Code::Deceased.at(severity);
        let draft = evidence
            .iter()
            .fold(draft, |draft, (result, field)| draft.on(result, &[field]));
        drafts.extend(evidence.first().map(|(result, _)| draft.mended_by(result)));
    }
    drafts
}

/// The records that say that the lookup's person is dead, and the field that says it.
pub(super) fn evidence<'a>(view: &View<'a>) -> Vec<(&'a SourceResult, &'static str)> {
    if view.nik.is_none() {
        return Vec::new();
    }
    let identity = view
        .own("person-identity")
        .filter(|person| person.is("identity_status", "deceased"))
        .map(|person| (person.result, "identity_status"));
    let read = view
        .own("death-certificate")
        .filter(is_in_force)
        .map(|deed| (deed.result, "deceased_nik"));
    let verified = view
        .results
        .iter()
        .copied()
        .filter(|result| result.record.name() == "death-certificate" && is_confirmed(result))
        .map(|result| (result, "deceased_nik"));
    identity.chain(read).chain(verified).collect()
}

/// Whether a deed still says that its person is dead.
pub(super) fn is_in_force(deed: &Record<'_>) -> bool {
    !deed.is("state", "cancelled") && !deed.is("state", "revoked")
}

fn is_confirmed(result: &SourceResult) -> bool {
    let answered = |field: &str, answer: ClaimResult| {
        result
            .claims
            .iter()
            .any(|claim| claim.field == field && claim.op == Op::Equals && claim.result == answer)
    };
    result.outcome == Outcome::Found
        && answered("deceased_nik", ClaimResult::Match)
        && !answered("state", ClaimResult::Mismatch)
}

fn still_active<'a>(view: &View<'a>) -> Vec<(Code, Record<'a>, &'static str)> {
    let mut active = Vec::new();
    let mut add = |code, field, records: Vec<Record<'a>>| {
        active.extend(records.into_iter().map(|record| (code, record, field)));
    };
    let own = |name, runs: &dyn Fn(&Record<'a>) -> bool| -> Vec<Record<'a>> {
        view.own(name).filter(|record| runs(record)).collect()
    };
    add(
        Code::DeceasedInsured,
        "membership_status",
        own("health-insurance", &|card| {
            card.is("membership_status", "active")
        }),
    );
    add(
        Code::DeceasedLicensed,
        "state",
        own("driving-licence", &|licence| {
            let expiry = licence.date("expires_on");
            licence.is("state", "valid") && expiry.is_none_or(|day| day >= view.context.today)
        }),
    );
    add(
        Code::DeceasedReceivesAid,
        "programmes",
        own("social-assistance", &|aid| {
            let programmes = aid.items("programmes");
            programmes
                .iter()
                .any(|item| text(item, "status") == Some("receiving"))
        }),
    );
    add(
        Code::DeceasedTaxpayer,
        "registration_status",
        own("taxpayer", &|payer| {
            payer.is("registration_status", "active")
        }),
    );
    add(
        Code::DeceasedOwnsVehicle,
        "owner_nik",
        own("vehicle-registration", &|vehicle| {
            view.is_person(vehicle.text("owner_nik"))
        }),
    );
    active
}

/// What heirs or clerks do in the dead person's name can go on; what only the living do can't.
fn gravity(purpose: Purpose) -> Severity {
    match purpose {
        Purpose::DeathRegistration => Severity::Info,
        Purpose::BirthRegistration
        | Purpose::VehicleTax
        | Purpose::PropertyTax
        | Purpose::DataSubjectAccess
        | Purpose::ComplaintHandling => Severity::Warning,
        Purpose::IdentityCheck
        | Purpose::AddressChange
        | Purpose::HealthInsuranceEnrolment
        | Purpose::DrivingLicenceRenewal
        | Purpose::PassportApplication
        | Purpose::PoliceClearance
        | Purpose::BusinessLicence
        | Purpose::LandTransfer
        | Purpose::SocialAssistance => Severity::Blocking,
    }
}
