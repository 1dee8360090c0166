//! Signing: what the configuration names to sign the audit log's checkpoints, and to believe them.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use http::Uri;
use loket_sdk::sensitive::Sensitive;
use loket_sdk::transparency::is_witness_key;
use toml::Spanned;

use super::document::{Keys as At, Report};
use super::file;
use super::material::{is_for_everyone, readable};
use crate::checkpoint::{Keys, Signer, SignerError, Witness};

/// One key, and others for as long as it is replaced.
const MAX_KEYS: usize = 4;

/// The private keys, each of which can sign for `origin`.
pub(super) fn signing_keys(
    at: &At,
    files: &[Spanned<String>],
    origin: &str,
    base: &Path,
    out: &mut Report,
) -> Option<Vec<Sensitive<Vec<u8>>>> {
    let key = "signing_key_files";
    if files.is_empty() || files.len() > MAX_KEYS {
        let message = format!("names {} keys", files.len());
        let remedy = format!(
            "name one to {MAX_KEYS}; make one: openssl genpkey -algorithm ed25519 -out audit.key"
        );
        out.error(at, key, message, remedy);
        return None;
    }
    let keys = files.iter().map(|file| {
        let path = readable(at, key, file.get_ref(), base, out)?;
        if is_for_everyone(&path) {
            let message = format!("{} is open to every user of this machine", path.display());
            let remedy = "chmod 0600 it; whoever has it can sign another log in this one's name";
            out.error(at, key, message, remedy);
            return None;
        }
        let pem = fs::read(&path).unwrap_or_default();
        match Signer::new(origin, [pem.as_slice()]) {
            Ok(_) => return Some(Sensitive::new(pem)),
            Err(SignerError::Origin) => out.error(
                at,
                "origin",
                SignerError::Origin.to_string(),
                "give the log a name such as mpp.example/audit",
            ),
            Err(fault @ SignerError::Key) => out.error(
                at,
                key,
                format!("{}: {fault}", path.display()),
                "make one: openssl genpkey -algorithm ed25519 -out audit.key",
            ),
        }
        None
    });
    // All of them, so that each is reported.
    let keys: Vec<_> = keys.collect();
    keys.into_iter().collect()
}

/// The earlier public keys, each of the log called `origin`.
pub(super) fn verifier_keys(
    at: &At,
    keys: &[Spanned<String>],
    origin: &str,
    out: &mut Report,
) -> Vec<String> {
    let key = "verifier_keys";
    for given in keys {
        if let Err(fault) = Keys::new(origin, [given.get_ref()]) {
            let remedy = "write it as `loket audit key` printed it when it signed";
            out.error_at(given.span(), &at.path(key), fault.to_string(), remedy);
        }
    }
    keys.iter().map(|key| key.get_ref().clone()).collect()
}

/// Who is shown the checkpoints.
pub(super) fn witnesses(at: &At, given: &[file::Witness], out: &mut Report) -> Vec<Witness> {
    let mut witnesses: Vec<Witness> = Vec::new();
    for (n, file::Witness { key, url }) in given.iter().enumerate() {
        let name = |witness: &str| witness.split('+').next().map(str::to_owned);
        let is_twice = witnesses
            .iter()
            .any(|other| name(&other.key) == name(key.get_ref()));
        if !is_witness_key(key.get_ref()) || is_twice {
            let message = match is_twice {
                true => "is of a witness that is named already",
                false => "isn't the public key of a witness",
            };
            let path = at.path(&format!("witnesses[{n}].key"));
            let remedy = "write it as the witness publishes it: name+id+key, algorithm 4";
            out.error_at(key.span(), &path, message, remedy);
        }
        let uri = url.get_ref().parse::<Uri>().ok();
        match uri.filter(is_endpoint) {
            Some(url) => witnesses.push(Witness {
                key: key.get_ref().clone(),
                url,
            }),
            None => out.error_at(
                url.span(),
                &at.path(&format!("witnesses[{n}].url")),
                "isn't where a witness can be reached",
                "write https://HOST, or http:// on this machine",
            ),
        }
    }
    witnesses
}

/// Its notes are signed and public, but whoever stands between could withhold them.
fn is_endpoint(url: &Uri) -> bool {
    let is_here = url.host().is_some_and(|host| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost"
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    });
    let is_plain = url.query().is_none();
    is_plain
        && match url.scheme_str() {
            Some("https") => url.host().is_some(),
            Some("http") => is_here,
            _ => false,
        }
}
