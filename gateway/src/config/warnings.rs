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
        let renew = "agree on a new period, or take the grant out";
        if grant.state != GrantState::Active {
            let message = format!("grant {} isn't active and lets nothing through", grant.id);
            out.warn(
                &entry.at,
                "state",
                message,
                "set it to \"active\" once it is in force",
            );
        } else if grant.valid_to < today {
            out.warn(
                &entry.at,
                "valid_to",
                format!("grant {} has ended", grant.id),
                renew,
            );
        } else if grant.valid_from > today {
            let message = format!(
                "grant {} isn't in force before {}",
                grant.id, grant.valid_from
            );
            out.warn(
                &entry.at,
                "valid_from",
                message,
                "nothing, if it is meant so",
            );
        }
    }
    for (member, entry) in directory
        .members()
        .iter()
        .zip(file.members.iter().flatten())
    {
        if member.systems.is_empty() {
            let message = format!(
                "member {} has no system, so nobody can come as it",
                member.id
            );
            out.warn(&entry.at, "id", message, "add [[members.systems]]");
        }
        if !directory
            .grants()
            .iter()
            .any(|grant| grant.consumer == member.id)
        {
            let message = format!("member {} has no grant, so it may ask nothing", member.id);
            out.warn(
                &entry.at,
                "id",
                message,
                "add [[grants]] with it as consumer",
            );
        }
    }
    for (source, entry) in directory
        .sources()
        .iter()
        .zip(file.sources.iter().flatten())
    {
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
}
