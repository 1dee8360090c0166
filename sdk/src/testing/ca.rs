//! A throw-away certificate authority: names in, certificates, keys and revocation lists out.
//!
//! Every [`Ca`] has a name and a P-256 key of its own, so that two of them never trust each other's
//! certificates by chance.

mod leaf;
mod spec;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
    RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;

use leaf::write;
pub use leaf::{Leaf, LeafFiles};
use spec::params;
pub use spec::{Eku, KeyUsage, LeafSpec};

use crate::identity::SpiffeId;
use crate::tls::MutualTls;

/// A certificate authority that lives as long as the test.
///
/// ```
/// use loket_sdk::testing::Ca;
///
/// let ca = Ca::new("loket.example");
/// let leaf = ca.system("dukcapil", "siak");
/// assert!(leaf.certificate_pem.contains("BEGIN CERTIFICATE"));
/// let server = leaf.mutual_tls().server()?;
/// # drop(server);
/// # Ok::<(), loket_sdk::tls::TlsError>(())
/// ```
#[derive(Clone)]
pub struct Ca(Arc<Authority>);

struct Authority {
    trust_domain: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
    next_serial: AtomicU64,
    next_list: AtomicU64,
}

const YEAR: i64 = 365 * 24 * 3_600;

impl Ca {
    /// A new authority; `trust_domain` is the host of the SPIFFE IDs of [`Ca::system`].
    ///
    /// # Panics
    /// When the machine can't make a key.
    #[must_use]
    pub fn new(trust_domain: &str) -> Self {
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let mut params = CertificateParams::default();
        params.distinguished_name =
            common_name(&format!("Loket throw-away authority {}", &unique[..8]));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(from_now(-86_400));
        params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(from_now(10 * YEAR));
        Self(Arc::new(Authority {
            trust_domain: trust_domain.to_owned(),
            issuer: must(CertifiedIssuer::self_signed(params, key_pair())),
            next_serial: AtomicU64::new(0x1000),
            next_list: AtomicU64::new(1),
        }))
    }

    /// The host of the SPIFFE IDs.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        &self.0.trust_domain
    }

    /// The SPIFFE ID of a system of a member, whether or not it has a certificate.
    ///
    /// # Panics
    /// When either isn't an identifier.
    #[must_use]
    pub fn spiffe(&self, member: &str, system: &str) -> SpiffeId {
        must(self.uri(member, system).parse())
    }

    fn uri(&self, member: &str, system: &str) -> String {
        format!("spiffe://{}/{member}/{system}", self.0.trust_domain)
    }

    /// A certificate of a system of a member, client and server, for loopback addresses.
    #[must_use]
    pub fn system(&self, member: &str, system: &str) -> Leaf {
        self.issue(LeafSpec {
            uris: vec![self.uri(member, system)],
            common_name: format!("{member}-{system}"),
            ..LeafSpec::default()
        })
    }

    /// Any end-entity certificate.
    ///
    /// # Panics
    /// When a name isn't ASCII.
    #[must_use]
    pub fn issue(&self, spec: LeafSpec) -> Leaf {
        let serial = spec
            .serial
            .unwrap_or_else(|| self.0.next_serial.fetch_add(1, Ordering::Relaxed));
        let serial_number = SerialNumber::from(serial);
        let spiffe = match spec.uris.as_slice() {
            [uri] => uri.parse::<SpiffeId>().ok(),
            _ => None,
        };
        let common_name = spec.common_name.clone();
        let key = key_pair();
        let certificate = must(params(spec, serial_number.clone()).signed_by(&key, &self.0.issuer));
        Leaf::new(
            &certificate,
            &key,
            serial_number,
            spiffe,
            common_name,
            self.0.issuer.der().clone(),
        )
    }

    /// The authority's own certificate, PEM: the anchor.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.0.issuer.pem()
    }

    /// A revocation list, PEM, valid for a week.
    #[must_use]
    pub fn crl(&self, revoked: &[&Leaf]) -> String {
        self.list(revoked, from_now(-3_600), from_now(7 * 86_400))
    }

    /// A revocation list that revokes nothing and ran out yesterday, PEM.
    #[must_use]
    pub fn crl_expired(&self) -> String {
        self.list(&[], from_now(-8 * 86_400), from_now(-86_400))
    }

    fn list(&self, revoked: &[&Leaf], from: Timestamp, to: Timestamp) -> String {
        let revoked_certs = revoked
            .iter()
            .map(|leaf| RevokedCertParams {
                serial_number: leaf.serial_number.clone(),
                revocation_time: date_time_ymd(1970, 1, 1) + since_epoch(from),
                reason_code: Some(RevocationReason::KeyCompromise),
                invalidity_date: None,
            })
            .collect();
        let list = must(
            CertificateRevocationListParams {
                this_update: date_time_ymd(1970, 1, 1) + since_epoch(from),
                next_update: date_time_ymd(1970, 1, 1) + since_epoch(to),
                crl_number: SerialNumber::from(self.0.next_list.fetch_add(1, Ordering::Relaxed)),
                issuing_distribution_point: None,
                revoked_certs,
                key_identifier_method: KeyIdMethod::Sha256,
            }
            .signed_by(&self.0.issuer),
        );
        must(list.pem())
    }

    /// Shows the certificate, which may be another authority's, and trusts this authority, with a
    /// revocation list (PEM) or none.
    ///
    /// # Panics
    /// When the list isn't PEM.
    #[must_use]
    pub fn mutual_tls(&self, leaf: &Leaf, crl: Option<&str>) -> MutualTls {
        let lists = crl
            .map(|pem| must(CertificateRevocationListDer::from_pem_slice(pem.as_bytes())))
            .into_iter()
            .collect();
        leaf.trusting(self.0.issuer.der().clone(), lists)
    }

    /// Writes `ca.pem` and answers its path.
    ///
    /// # Panics
    /// When the directory can't be written.
    pub fn write_to(&self, directory: &Path) -> PathBuf {
        write(directory, "ca.pem", &self.certificate_pem(), 0o644)
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ca").field(&self.0.trust_domain).finish()
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn key_pair() -> KeyPair {
    must(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256))
}

fn from_now(seconds: i64) -> Timestamp {
    must(Timestamp::now().checked_add(SignedDuration::from_secs(seconds)))
}

/// A moment before 1970 counts as 1970.
fn since_epoch(at: Timestamp) -> Duration {
    Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0))
}

#[expect(
    clippy::expect_used,
    reason = "a test kit fails the test where it stands"
)]
pub(crate) fn must<T, E: fmt::Debug>(result: Result<T, E>) -> T {
    result.expect("the test kit works")
}

#[cfg(test)]
mod tests;
