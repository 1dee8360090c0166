//! A certificate with its key, in memory and in files.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use rcgen::{Certificate, KeyPair, PublicKeyData, SerialNumber};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use super::must;
use crate::identity::SpiffeId;
use crate::tls::MutualTls;

/// A certificate with its key.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PKCS#8 PEM.
    pub key_pem: String,
    /// The serial number as [`PeerCertificate`](crate::identity::PeerCertificate) writes it.
    pub serial: String,
    /// SHA-256 of the DER SubjectPublicKeyInfo, for pins.
    pub spki_sha256: [u8; 32],
    /// The system that its URI names, when it has exactly one good URI.
    pub spiffe: Option<SpiffeId>,
    pub(super) serial_number: SerialNumber,
    stem: String,
    issuer: CertificateDer<'static>,
}

/// Where [`Leaf::write_to`] put things.
#[derive(Debug, Clone)]
pub struct LeafFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// The key, readable by its owner only.
    pub key: PathBuf,
}

impl Leaf {
    pub(super) fn new(
        certificate: &Certificate,
        key: &KeyPair,
        serial_number: SerialNumber,
        spiffe: Option<SpiffeId>,
        common_name: String,
        issuer: CertificateDer<'static>,
    ) -> Self {
        let stem = spiffe
            .as_ref()
            .map_or(common_name, |id| format!("{}-{}", id.member, id.system));
        Self {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            serial: colons(&serial_number.to_bytes()),
            spki_sha256: sha256(&key.subject_public_key_info()),
            spiffe,
            serial_number,
            stem,
            issuer,
        }
    }

    /// Shows this certificate and trusts the authority that issued it; revocation isn't checked.
    #[must_use]
    pub fn mutual_tls(&self) -> MutualTls {
        self.trusting(self.issuer.clone(), Vec::new())
    }

    pub(super) fn trusting(
        &self,
        anchor: CertificateDer<'static>,
        lists: Vec<CertificateRevocationListDer<'static>>,
    ) -> MutualTls {
        let chain = vec![must(CertificateDer::from_pem_slice(
            self.certificate_pem.as_bytes(),
        ))];
        let key = must(PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes()));
        must(MutualTls::new(chain, key, vec![anchor], lists))
    }

    /// Writes `<member>-<system>.pem` and `.key` (mode 0600); without a SPIFFE ID the common name
    /// names the files.
    ///
    /// # Panics
    /// When the directory can't be written.
    pub fn write_to(&self, directory: &Path) -> LeafFiles {
        let name = |ending: &str| format!("{}.{ending}", self.stem);
        LeafFiles {
            certificate: write(directory, &name("pem"), &self.certificate_pem, 0o644),
            key: write(directory, &name("key"), &self.key_pem, 0o600),
        }
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf")
            .field("name", &self.stem)
            .field("serial", &self.serial)
            .finish_non_exhaustive()
    }
}

/// The bytes as DER has them, the shortest form that isn't negative.
fn colons(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = &bytes[zeros.min(bytes.len() - 1)..];
    let sign: &[u8] = if digits[0] < 0x80 { &[] } else { &[0] };
    let pairs: Vec<String> = sign
        .iter()
        .chain(digits)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    pairs.join(":")
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    must(digest.as_ref().try_into())
}

pub(super) fn write(directory: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = directory.join(name);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    must(must(options.open(&path)).write_all(text.as_bytes()));
    path
}
