//! Signing: what the configuration names to sign the audit log's checkpoints, and to believe them.

use std::fs;
use std::path::Path;

use loket_sdk::sensitive::Sensitive;
use toml::Spanned;

use super::document::{Keys as At, Report};
use super::material::{is_for_everyone, readable};
use crate::checkpoint::{Keys, Signer, SignerError};

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
