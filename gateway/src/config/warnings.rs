//! Warnings: what the gateway can run with today, and what someone should look at.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::identity::{IdentityError, PeerCertificate};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;

use super::directory::{Entries, Surroundings};
use super::document::{Keys, Report};
use super::finding::Severity;
use super::grants::finding;
use crate::directory::{Directory, GrantState};
use crate::grants::EXTENSION;
use loket_sdk::identity::next_update;

/// From how many days before its end a certificate is spoken of.
const DAYS_BEFORE_END: i64 = 21;

/// Warns of our own certificate; one that is out of its validity is an error.
pub(crate) fn of_certificate(
    at: &Keys,
    peer: Result<PeerCertificate, IdentityError>,
    trust_domain: Option<&str>,
    now: Timestamp,
    out: &mut Report,
) {
    let key = "certificate";
    let named = "issue one whose URI is spiffe://<trust-domain>/<member>/<system>";
    let peer = match peer {
        Ok(peer) => peer,
        Err(error) => return out.warn(at, key, error.to_string(), named),
    };
    let days = (peer.not_after - now.as_second()) / 86_400;
    if peer.not_after < now.as_second() {
        out.error(
            at,
            key,
            "the certificate has ended; every peer refuses it",
            "renew it",
        );
    } else if peer.not_before > now.as_second() {
        let remedy = "wait, or correct this machine's clock";
        out.error(at, key, "the certificate isn't valid yet", remedy);
    } else if days < DAYS_BEFORE_END {
        out.warn(
            at,
            key,
            format!("the certificate ends in {days} days"),
            "renew it",
        );
    }
    match (&peer.spiffe, trust_domain) {
        (None, _) => out.warn(at, key, "the certificate carries no SPIFFE ID", named),
        (Some(id), Some(domain)) if id.trust_domain != domain => {
            let message = format!("the certificate is of the trust domain {}", id.trust_domain);
            out.warn(at, key, message, format!("issue one of {domain}"));
        }
        _ => (),
    }
}

/// How many days before a list must be replaced it is warned of.
const LIST_DAYS: i64 = 7;

/// Warns of lists near or past their next update: with one of those, every peer is refused.
pub(crate) fn of_revocation_lists(at: &Keys, paths: &[PathBuf], now: Timestamp, out: &mut Report) {
    for path in paths {
        let lists = CertificateRevocationListDer::pem_file_iter(path)
            .into_iter()
            .flatten();
        if lists
            .flatten()
            .filter_map(|list| next_update(&list))
            .any(|next| next <= now.as_second() + LIST_DAYS * 86_400)
        {
            let message = format!(
                "{} ends within {LIST_DAYS} days or has ended: every peer is refused then",
                path.display()
            );
            out.warn(
                at,
                "revocation_lists",
                message,
                "fetch or issue a fresh list",
            );
        }
    }
}

/// How many days before its last a grant is spoken of.
const GRANT_DAYS: i32 = 30;

/// Warns of what the directory holds and nobody can use today. Called when every entry was read, so
/// that positions in the file are positions in the directory.
pub(crate) fn of_directory(
    directory: &Directory,
    file: &Entries,
    around: &Surroundings<'_>,
    out: &mut Report,
) {
    let today = around.zone.to_datetime(around.now).date();
    // Those of the file come first, and those that were signed after them.
    let mut entries = file.grants.iter().flatten();
    for grant in directory.grants() {
        let life = (grant.state, grant.valid_from, grant.valid_to);
        let at = entries.next().map(|entry| &entry.at);
        of_grant(
            &grant.id,
            life,
            today,
            &mut teller(at, &grant.id, file, around, out),
        );
    }
    let mut entries = file.service_grants.iter().flatten();
    for grant in directory.service_grants() {
        let life = (grant.state, grant.valid_from, grant.valid_to);
        let at = entries.next().map(|entry| &entry.at);
        of_grant(
            &grant.id,
            life,
            today,
            &mut teller(at, &grant.id, file, around, out),
        );
    }
    of_members(directory, file, out);
    let entries = file.sources.iter().flatten();
    for (source, entry) in directory.sources().iter().zip(entries) {
        for record in &source.records {
            let granted = directory
                .grants()
                .iter()
                .any(|grant| grant.source == source.agency && grant.record == *record);
            if !granted {
                let message = format!("no grant names {record} of {}", source.agency);
                out.warn(&entry.at, "records", message, "nobody can ask for it yet");
            }
        }
    }
    let entries = file.services.iter().flatten();
    for (service, entry) in directory.services().iter().zip(entries) {
        let (agency, name) = (&service.agency, &service.service);
        let granted = directory
            .service_grants()
            .iter()
            .any(|grant| grant.agency == *agency && grant.service == *name);
        if !granted {
            let message = format!("no grant names the service {name} of {agency}");
            out.warn(&entry.at, "service", message, "nobody can call it yet");
        }
    }
}

/// Says it where the grant stands: in an entry, or in a file of its own.
fn teller(
    at: Option<&Keys>,
    id: &str,
    file: &Entries,
    around: &Surroundings<'_>,
    out: &mut Report,
) -> impl FnMut(&str, String, &str) {
    move |key, message, remedy| match (at, &file.grants_dir) {
        (None, Some(dir)) => {
            let path = around.base.join(&dir.raw).join(format!("{id}.{EXTENSION}"));
            out.push_warning(finding(Severity::Warning, &path, message, remedy));
        }
        (Some(at), _) => out.warn(at, key, message, remedy),
        (None, None) => {}
    }
}

fn of_grant(
    id: &str,
    (state, first, last): (GrantState, Date, Date),
    today: Date,
    say: &mut dyn FnMut(&str, String, &str),
) {
    let left = (last - today).get_days();
    if state != GrantState::Active {
        let message = format!("grant {id} is {} and lets nothing through", state.as_str());
        let remedy = "nothing, if it is meant so; only an active one counts";
        say("state", message, remedy);
    } else if last < today {
        let remedy = "agree on a new period, or take the grant out";
        say("valid_to", format!("grant {id} has ended"), remedy);
    } else if left <= GRANT_DAYS {
        let remedy = "agree on a new period in time: the agency signs it with a higher serial";
        say(
            "valid_to",
            format!("grant {id} ends in {left} days"),
            remedy,
        );
    } else if first > today {
        let message = format!("grant {id} isn't in force before {first}");
        say("valid_from", message, "nothing, if it is meant so");
    }
}

fn of_members(directory: &Directory, file: &Entries, out: &mut Report) {
    let entries = file.members.iter().flatten();
    for (member, entry) in directory.members().iter().zip(entries) {
        let id = &member.id;
        // An agency that signs needn't ask.
        let signs = !member.keys.is_empty();
        if member.systems.is_empty() && !signs {
            let message = format!("member {id} has no system, so nobody can come as it");
            out.warn(&entry.at, "id", message, "add [[members.systems]]");
        }
        let mut records = directory.grants().iter();
        let mut services = directory.service_grants().iter();
        if !signs
            && !records.any(|grant| grant.consumer == *id)
            && !services.any(|grant| grant.consumer == *id)
        {
            let message = format!("member {id} has no grant, so it may ask nothing");
            let remedy = "let an agency sign a grant with it as consumer";
            out.warn(&entry.at, "id", message, remedy);
        }
    }
}
