//! Access: a citizen in, who looked at the data about them out.
//!
//! Only a system that is a desk for subjects may ask, and what it is told is recorded before it
//! leaves. An entry is the citizen's own when they are its subject: who is only named in another's
//! record, as a spouse or a child, isn't in the entry and so isn't told of it.

mod gather;
mod messages;
mod page;
mod tell;

use std::collections::BTreeSet;

use loket_sdk::ids::Scheme;
use loket_sdk::json;
use loket_sdk::message::{
    AccessReport, AccessRequest, HeldBack, LegalBasis, LegalBasisKind, Locale, Receipt, Subject,
    SubjectKey,
};
use loket_sdk::problem::Violation;
use loket_sdk::schema;

use crate::admission::Admitted;
use crate::audit::{Kind, ReportEntry};
use crate::directory::{Directory, Hidden, Role};
use crate::refusal::Refusal;
use crate::snapshot::Snapshot;
use crate::trail::Trail;
use crate::validate;

pub use page::page;

/// A request for a report that is as agreed, of a system that may make it. Built only here.
#[derive(Debug)]
pub struct Asked {
    request: AccessRequest,
    /// The citizen, under each scheme that the log may have them under.
    names: Vec<SubjectKey>,
}

/// Reads a request for a report.
///
/// # Errors
/// [`Refusal::NothingGranted`] when the system isn't a desk for subjects; [`Refusal::Malformed`] or
/// [`Refusal::BreaksSchema`] when the request isn't as agreed.
pub fn request(admitted: &Admitted, body: &[u8]) -> Result<Asked, Refusal> {
    if !admitted.identified().has(Role::SubjectDesk) {
        return Err(Refusal::NothingGranted);
    }
    let document = json::parse(body).map_err(|error| {
        let remedy = "Send one JSON document as the schema describes";
        Refusal::Malformed(format!("The body isn't as agreed: {error}. {remedy}"))
    })?;
    schema::access_request()
        .check(&document)
        .map_err(Refusal::BreaksSchema)?;
    // The schema says all that the type does but one thing: a time may be none of the calendar.
    let request: AccessRequest = serde_json::from_value(document)
        .map_err(|_| Refusal::BreaksSchema(vec![Violation::new("", "isn't such a request")]))?;
    let names = validate::names(&request.subject)?;
    Ok(Asked { request, names })
}

/// The citizen's right that a report rests on.
fn right(subject: &Subject) -> LegalBasis {
    let reference = match subject.scheme {
        Scheme::AzFin | Scheme::AzVoen => "998-IIIQ",
        _ => "UU 27/2022 art. 32",
    };
    LegalBasis {
        kind: LegalBasisKind::LegalObligation,
        reference: reference.to_owned(),
        agreement_id: None,
        consent_id: None,
    }
}

/// Looks the citizen up in the log, records that, and makes the report.
///
/// # Errors
/// [`Refusal::AuditUnavailable`] when the log can't be read or the report not be recorded.
pub async fn report(
    asked: Asked,
    snapshot: &Snapshot,
    trail: &mut Trail,
) -> Result<AccessReport, Refusal> {
    let Asked { request, names } = asked;
    let basis = right(&request.subject);
    if let Some(name) = names.first() {
        trail.access(&request, name, basis);
    }
    let today = snapshot.admission.today(jiff::Timestamp::now());
    let references = names.iter().map(|name| trail.subject_ref(name)).collect();
    let wanted = gather::Wanted {
        references,
        from: request.from,
        to: request.to,
        before: request.before,
        today,
    };
    let audit = trail.audit().clone();
    let gathered = audit.search(move |audit, caller| gather::gather(audit, &wanted, caller));
    let gathered = gathered.await?;
    let locale = request.locale.unwrap_or(Locale::Id);
    let teller = tell::Teller {
        directory: &snapshot.directory,
        zone: snapshot.admission.zone(),
        locale,
    };
    let entries: Vec<_> = gathered
        .told
        .iter()
        .map(|line| teller.entry(line))
        .collect();
    trail.reported(ReportEntry {
        entries: entries.len(),
    });
    let receipt: Receipt = trail.close(Kind::AccessReport).await?;
    Ok(AccessReport {
        request_id: request.request_id,
        trace_id: trail.trace_id().to_owned(),
        locale,
        entries,
        held_back: held_back(&snapshot.directory),
        next: gathered.next,
        receipt,
    })
}

/// What rules keep out of reports. It says nothing of this citizen's: whoever is told that there is an
/// entry, and asks for one hour after the other, knows of the inquiry that the rule protects.
fn held_back(directory: &Directory) -> HeldBack {
    let rules = || directory.visibility_rules().iter().map(|rule| &rule.then);
    let days = rules().filter_map(|hidden| match hidden {
        Hidden::Days(days) => Some(*days),
        Hidden::For(_) => None,
    });
    let grounds = rules().filter_map(|hidden| match hidden {
        Hidden::Days(_) => None,
        Hidden::For(ground) => Some(ground.to_string()),
    });
    HeldBack {
        deferred_days: days.max(),
        grounds: grounds.collect::<BTreeSet<_>>().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests;
