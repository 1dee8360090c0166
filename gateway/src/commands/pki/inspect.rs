//! Inspect: a PEM file in, what its certificates say out.

use std::path::Path;

use anyhow::{Context, bail};
use jiff::Timestamp;
use loket_sdk::identity::PeerCertificate;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// What a certificate says.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// Whose it is.
    pub certificate: PeerCertificate,
    /// Days that are left, negative when it has ended.
    pub days_left: i64,
}

impl Inspection {
    /// SHA-256 of the public key, as it is pinned in the configuration.
    #[must_use]
    pub fn pin(&self) -> String {
        self.certificate
            .spki_sha256
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Reads every certificate of a PEM file.
///
/// # Errors
/// When there is none, or one can't be read.
pub fn inspect(path: &Path, now: Timestamp) -> anyhow::Result<Vec<Inspection>> {
    let mut found = Vec::new();
    let file = CertificateDer::pem_file_iter(path)
        .with_context(|| format!("can't read {}", path.display()))?;
    for der in file {
        let der = der.with_context(|| format!("{} isn't PEM", path.display()))?;
        let certificate = PeerCertificate::from_der(&der)?;
        let days_left = (certificate.not_after - now.as_second()).div_euclid(86_400);
        found.push(Inspection {
            certificate,
            days_left,
        });
    }
    if found.is_empty() {
        bail!("{} holds no certificate", path.display());
    }
    Ok(found)
}
