//! Warnings: what the gateway can run with today, and what someone should look at.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::identity::{IdentityError, PeerCertificate};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;

use super::directory::Entries;
use super::document::{Keys, Report};
use crate::directory::{Directory, GrantState};
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

/// Warns of what the directory holds and nobody can use today. Called when every entry was read, so
/// that positions in the file are positions in the directory.
pub(crate) fn of_directory(directory: &Directory, file: &Entries, today: Date, out: &mut Report) {
    for (grant, entry) in directory.grants().iter().zip(file.grants.iter().flatten()) {
        let days = (grant.valid_from, grant.valid_to);
        of_grant(&entry.at, &grant.id, grant.state, days, today, out);
    }
    let entries = file.service_grants.iter().flatten();
    for (grant, entry) in directory.service_grants().iter().zip(entries) {
        let days = (grant.valid_from, grant.valid_to);
        of_grant(&entry.at, &grant.id, grant.state, days, today, out);
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

fn of_grant(
    at: &Keys,
    id: &str,
    state: GrantState,
    (first, last): (Date, Date),
    today: Date,
    out: &mut Report,
) {
    if state != GrantState::Active {
        let message = format!("grant {id} isn't active and lets nothing through");
        let remedy = "set it to \"active\" once it is in force";
        out.warn(at, "state", message, remedy);
    } else if last < today {
        let remedy = "agree on a new period, or take the grant out";
        out.warn(at, "valid_to", format!("grant {id} has ended"), remedy);
    } else if first > today {
        let message = format!("grant {id} isn't in force before {first}");
        out.warn(at, "valid_from", message, "nothing, if it is meant so");
    }
}

fn of_members(directory: &Directory, file: &Entries, out: &mut Report) {
    let entries = file.members.iter().flatten();
    for (member, entry) in directory.members().iter().zip(entries) {
        let id = &member.id;
        if member.systems.is_empty() {
            let message = format!("member {id} has no system, so nobody can come as it");
            out.warn(&entry.at, "id", message, "add [[members.systems]]");
        }
        let mut records = directory.grants().iter();
        let mut services = directory.service_grants().iter();
        if !records.any(|grant| grant.consumer == *id)
            && !services.any(|grant| grant.consumer == *id)
        {
            let message = format!("member {id} has no grant, so it may ask nothing");
            let remedy = "add [[grants]] or [[service_grants]] with it as consumer";
            out.warn(&entry.at, "id", message, remedy);
        }
    }
}
