//! Material: the files that the configuration names. Certificates, keys, revocation lists, the key
//! of the audit log, holds. Names files in what it reports, and never shows what is in them.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use loket_sdk::identity::PeerCertificate;
use loket_sdk::jws::PublicKey;
use loket_sdk::sensitive::Sensitive;
use loket_sdk::tls::{MutualTls, TlsError};
use toml::Spanned;

use super::document::{Keys, Report, Section};
use super::finding::{Severity, Text};
use super::{file, warnings};

/// Fewest bytes of the key that stands for subjects in the audit log.
pub(crate) const SUBJECT_KEY_BYTES: usize = 32;

/// The remedy itself stands in what the SDK says.
const SHOWN_BY: &str = "`loket pki inspect` shows what a file holds";

/// The two tables of TLS files, which differ in the name of the peers' CA and in the role.
pub(crate) struct Side {
    pub(crate) at: Keys,
    certificate: String,
    key: String,
    ca: String,
    ca_key: &'static str,
    lists: Vec<String>,
}

impl From<Section<file::Tls>> for Side {
    fn from(Section { raw, at }: Section<file::Tls>) -> Self {
        Self {
            at,
            certificate: raw.certificate,
            key: raw.key,
            ca: raw.client_ca,
            ca_key: "client_ca",
            lists: raw.revocation_lists,
        }
    }
}

impl From<Section<file::Upstream>> for Side {
    fn from(Section { raw, at }: Section<file::Upstream>) -> Self {
        Self {
            at,
            certificate: raw.certificate,
            key: raw.key,
            ca: raw.server_ca,
            ca_key: "server_ca",
            lists: raw.revocation_lists,
        }
    }
}

pub(crate) fn mutual_tls(
    side: &Side,
    base: &Path,
    trust_domain: Option<&str>,
    now: Timestamp,
    out: &mut Report,
) -> Option<MutualTls> {
    let at = &side.at;
    let certificate = readable(at, "certificate", &side.certificate, base, out);
    let key = readable(at, "key", &side.key, base, out);
    let anchors = readable(at, side.ca_key, &side.ca, base, out);
    let lists: Vec<Option<PathBuf>> = side
        .lists
        .iter()
        .map(|list| readable(at, "revocation_lists", list, base, out))
        .collect();
    if key.as_deref().is_some_and(is_for_everyone) {
        let message = "the private key can be read by every user of this machine";
        out.warn(
            at,
            "key",
            message,
            "chmod 0600 it and give it to the gateway's user",
        );
    }
    let lists = lists.into_iter().collect::<Option<Vec<PathBuf>>>()?;
    let (certificate, key, anchors) = (certificate?, key?, anchors?);
    let built = MutualTls::from_files(&certificate, &key, &anchors, &lists).and_then(|tls| {
        // The lists are only read when a verifier is built.
        match side.ca_key {
            "client_ca" => tls.server().map(drop),
            _ => tls.client().map(drop),
        }?;
        Ok(tls)
    });
    let tls = match built {
        Ok(tls) => tls,
        Err(error) => {
            let wrong = match &error {
                TlsError::File {
                    what: "revocation list",
                    ..
                }
                | TlsError::Empty {
                    what: "revocation list",
                    ..
                }
                | TlsError::Unusable {
                    what: "revocation list",
                    ..
                } => "revocation_lists",
                TlsError::File { path, .. } | TlsError::Empty { path, .. } => match path {
                    path if *path == certificate => "certificate",
                    path if *path == key => "key",
                    _ => side.ca_key,
                },
                TlsError::Unusable {
                    what: "certificate and key",
                    ..
                } => "key",
                TlsError::Unusable { .. } | TlsError::Anchor { .. } => side.ca_key,
                _ => "revocation_lists",
            };
            let remedy = match wrong {
                _ if matches!(
                    error,
                    TlsError::Anchor { .. }
                        | TlsError::ListIssuer { .. }
                        | TlsError::ListSignature { .. }
                ) =>
                {
                    SHOWN_BY
                }
                "key" => "name the PEM key that belongs to the certificate",
                _ => "name a PEM file of the right kind; `loket pki inspect` shows what is in one",
            };
            out.error(at, wrong, error.to_string(), remedy);
            return None;
        }
    };
    for anchor in tls.idle_anchors() {
        out.warn(at, side.ca_key, anchor.to_string(), SHOWN_BY);
    }
    let peer = tls.end_entity().map(PeerCertificate::from_der)?;
    warnings::of_certificate(at, peer, trust_domain, now, out);
    warnings::of_revocation_lists(at, &lists, now, out);
    Some(tls)
}

/// The key's value as a path, relative to the file; an error when it isn't one.
pub(crate) fn path(
    at: &Keys,
    key: &str,
    value: &str,
    base: &Path,
    out: &mut Report,
) -> Option<PathBuf> {
    if value.is_empty() || looks_secret(value) {
        let message = "isn't the name of a file";
        out.error(
            at,
            key,
            message,
            "write the path of a file; secrets don't belong in here",
        );
        return None;
    }
    Some(base.join(value))
}

pub(super) fn readable(
    at: &Keys,
    key: &str,
    value: &str,
    base: &Path,
    out: &mut Report,
) -> Option<PathBuf> {
    let path = path(at, key, value, base, out)?;
    match fs::File::open(&path).and_then(|file| file.metadata()) {
        Ok(data) if data.is_file() => return Some(path),
        Ok(_) => out.error(
            at,
            key,
            format!("{} isn't a file", path.display()),
            "name a file",
        ),
        Err(error) => {
            let message = format!("{} can't be read: {}", path.display(), error.kind());
            let remedy = "correct the path, or let the gateway's user read the file";
            out.error(at, key, message, remedy);
        }
    }
    None
}

/// Whether someone pasted a secret where its file's name belongs; then it isn't repeated.
fn looks_secret(value: &str) -> bool {
    let key_like = |b: u8| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b);
    value.contains("-----")
        || value.contains('\n')
        || (value.len() >= 32 && value.bytes().all(key_like) && !value.starts_with('/'))
}

#[cfg(unix)]
pub(super) fn is_for_everyone(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
pub(super) fn is_for_everyone(_: &Path) -> bool {
    false
}

/// The key that stands for subjects in the audit log: raw bytes, or hexadecimal.
pub(crate) fn subject_key(
    at: &Keys,
    value: &str,
    base: &Path,
    out: &mut Report,
) -> Option<Sensitive<Vec<u8>>> {
    let key = "subject_key_file";
    let path = readable(at, key, value, base, out)?;
    if is_for_everyone(&path) {
        let message = format!("{} is open to every user of this machine", path.display());
        out.error(
            at,
            key,
            message,
            "chmod 0600 it; whoever has it can name subjects in the log",
        );
        return None;
    }
    let bytes = fs::read(&path).unwrap_or_default();
    let text = bytes.trim_ascii();
    let is_hex = text.len() >= 2 * SUBJECT_KEY_BYTES && text.len().is_multiple_of(2);
    let bytes = match is_hex.then(|| unhex(text)).flatten() {
        Some(decoded) => decoded,
        None => bytes,
    };
    if bytes.len() < SUBJECT_KEY_BYTES {
        let message = format!(
            "{} holds less than {SUBJECT_KEY_BYTES} bytes",
            path.display()
        );
        out.error(
            at,
            key,
            message,
            "make one: openssl rand -hex 32 > subject.key",
        );
        return None;
    }
    Some(Sensitive::new(bytes))
}

/// A member's public key.
pub(crate) fn public_key(
    name: &Spanned<String>,
    key: &str,
    base: &Path,
    out: &mut Report,
) -> Option<PublicKey> {
    let remedy = "name the agency's PEM public key (Ed25519 or P-256): `loket grant key` or \
                  `openssl pkey -pubout` writes one";
    if name.get_ref().is_empty() || looks_secret(name.get_ref()) {
        out.error_at(name.span(), key, "isn't the name of a file", remedy);
        return None;
    }
    let path = base.join(name.get_ref());
    let read = fs::read(&path).map_err(|error| error.kind().to_string());
    let public = read.and_then(|pem| PublicKey::from_pem(&pem).map_err(|error| error.to_string()));
    public
        .map_err(|why| {
            let message = format!("{} can't be used: {why}", path.display());
            out.error_at(name.span(), key, message, remedy);
        })
        .ok()
}

/// The subjects whose data is held: one reference a line, and what stands behind `#` is for people.
pub(crate) fn holds(section: &Section<String>, base: &Path, out: &mut Report) -> Vec<String> {
    let key = "holds_file";
    let Some(path) = readable(&section.at, key, &section.raw, base, out) else {
        return Vec::new();
    };
    let Ok(text) = fs::read_to_string(&path) else {
        out.error(
            &section.at,
            key,
            format!("{} isn't UTF-8 text", path.display()),
            "rewrite it",
        );
        return Vec::new();
    };
    let mut holds = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let reference = line.split('#').next().unwrap_or_default().trim();
        if unhex(reference.as_bytes()).is_some_and(|bytes| bytes.len() == 32) {
            holds.push(reference.to_ascii_lowercase());
        } else if !reference.is_empty() {
            let remedy = "write the subject_ref of the audit log: 64 hexadecimal digits";
            let message = "isn't a subject_ref";
            let span = start..start;
            let shown = Text::bare(&path, &text);
            out.push(shown.finding(Severity::Error, span, key, message, remedy));
        }
        start += line.len();
    }
    holds
}

/// Hexadecimal digits as bytes.
pub(crate) fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    if !text.len().is_multiple_of(2) {
        return None;
    }
    text.chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect()
}
