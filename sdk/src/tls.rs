//! TLS: files in, rustls configurations out, always mutual.
//!
//! [`MutualTls`] can't be half set: it has a certificate, its key, the anchors that the peer must
//! chain to, and the revocation lists (none is said, not left out). TLS 1.3 and 1.2, hybrid
//! post-quantum key exchange preferred. Refuses anchors and lists that can't be relied on when they
//! are loaded, and chains whose certificates are used for what they don't allow in the handshake.

mod lists;
mod peer;
mod trust;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::aws_lc_rs::digest::{Context, SHA256};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};

pub use peer::{PeerFault, PeerVerifier};
pub use trust::{AnchorFault, IdleAnchor};
pub use verify::ChainFault;

use trust::Trust;
use verify::Strict;

/// ALPN of HTTP/2, preferred, and HTTP/1.1.
pub const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What is wrong with the TLS material. Names files, never a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file can't be read as the PEM that it should be.
    #[error("{what} can't be read from {}: {reason}", path.display())]
    File {
        /// What the file should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why it can't be read.
        reason: String,
    },
    /// A file holds none of what it should hold.
    #[error("{} holds no {what}", path.display())]
    Empty {
        /// What the file should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
    },
    /// Certificate and key don't belong together, or an anchor or list is unusable.
    #[error("{what}: {source}")]
    Unusable {
        /// What can't be used.
        what: &'static str,
        /// What rustls says of it.
        source: rustls::Error,
    },
    /// An anchor, or an authority of our own chain, can't be relied on.
    #[error("the authority {subject} {fault}")]
    Anchor {
        /// The subject of its certificate.
        subject: String,
        /// What is wrong, and what to do.
        fault: AnchorFault,
    },
    /// A revocation list comes from nobody that we know.
    #[error(
        "the issuer of a revocation list, {issuer}, is none of the anchors: name the certificate \
         that signed the list among them, or take the list out"
    )]
    ListIssuer {
        /// Who issued the list.
        issuer: String,
    },
    /// A revocation list isn't what an authority signed.
    #[error(
        "a revocation list in the name of {issuer} is signed by no key of that name among the \
         anchors: fetch the list again, and name every certificate of an authority that changed \
         its key"
    )]
    ListSignature {
        /// Who should have issued the list.
        issuer: String,
    },
    /// The verifier refuses the anchors or revocation lists.
    #[error("the peer verifier can't be built: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// Both sides of a mutual TLS connection: who we are and whom we trust.
///
/// Equal are those with the same certificates, anchors and lists; a certificate has one key.
#[derive(Debug, Clone)]
pub struct MutualTls {
    certified: Arc<CertifiedKey>,
    trust: Arc<Trust>,
    fingerprint: [u8; 32],
}

impl MutualTls {
    /// Our own certificate.
    pub(crate) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certified.cert.first()
    }

    /// Reads PEM files: our chain (leaf first) and key, the peers' anchors, and revocation lists.
    ///
    /// With no list, revocation isn't checked; with one, every certificate of a peer's chain must
    /// be covered by a list that hasn't expired. Of several lists that one authority signed with one
    /// key for the same certificates, the newest counts. An anchor that isn't valid now leads nobody
    /// in, and is told of by [`idle_anchors`](Self::idle_anchors).
    ///
    /// # Errors
    /// When a file can't be read, certificate and key don't belong together, an anchor or list
    /// can't be relied on, or no anchor is valid now.
    pub fn from_files(
        certificate: &Path,
        key: &Path,
        anchors: &Path,
        revocations: &[PathBuf],
    ) -> Result<Self, TlsError> {
        let chain = pem_all::<CertificateDer<'static>>("certificate", certificate)?;
        let key = PrivateKeyDer::from_pem_file(key)
            .map_err(|error| file_error("private key", key, &error))?;
        let anchors = pem_all::<CertificateDer<'static>>("certificate", anchors)?;
        let mut lists = Vec::new();
        for path in revocations {
            lists.extend(pem_all::<CertificateRevocationListDer<'static>>(
                "revocation list",
                path,
            )?);
        }
        Self::new(chain, key, anchors, lists)
    }

    /// From material in memory.
    ///
    /// # Errors
    /// When certificate and key don't belong together, an anchor or list can't be relied on, or no
    /// anchor is valid now.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        anchors: Vec<CertificateDer<'static>>,
        revocations: Vec<CertificateRevocationListDer<'static>>,
    ) -> Result<Self, TlsError> {
        let certified = CertifiedKey::from_der(chain, key, &provider()).map_err(|source| {
            TlsError::Unusable {
                what: "certificate and key",
                source,
            }
        })?;
        let fingerprint = fingerprint(&certified.cert, &anchors, &revocations);
        let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
        let trust = Trust::new(anchors, revocations, &certified.cert, now)?;
        Ok(Self {
            certified: Arc::new(certified),
            trust: Arc::new(trust),
            fingerprint,
        })
    }

    /// Our own end-entity certificate.
    #[must_use]
    pub fn end_entity(&self) -> Option<&CertificateDer<'static>> {
        self.certified.cert.first()
    }

    /// SHA-256 of our chain, the anchors and the lists, in the order in which they were given. The
    /// key isn't part of it.
    #[must_use]
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// What [`server`](Self::server) lets in, to be asked again while a connection lives.
    ///
    /// # Errors
    /// When anchors or revocation lists are unusable.
    pub fn client_verifier(&self) -> Result<PeerVerifier, TlsError> {
        let strict = Strict::of_clients(self.trust.clone())?;
        Ok(PeerVerifier::new(Arc::new(strict), self.trust.turns()))
    }

    /// The anchors that weren't valid when they were loaded.
    #[must_use]
    pub fn idle_anchors(&self) -> &[IdleAnchor] {
        self.trust.idle()
    }

    /// Whether both trust the same anchors and heed the same lists.
    #[must_use]
    pub fn has_same_trust(&self, other: &Self) -> bool {
        self.trust == other.trust
    }

    /// The first moment at which a revocation list must have been replaced, in seconds since the
    /// Unix epoch; none without lists. From then on, peers of its issuer are refused. Lists of
    /// authorities that have ended don't count.
    #[must_use]
    pub fn next_update(&self) -> Option<i64> {
        self.trust.lists().next_update()
    }

    /// A server that requires and checks the client's certificate.
    ///
    /// No session is resumed, in either version: a resumed one skips the check of the client's
    /// certificate, and would outlive a change of anchors or lists. Nor are tickets made and sent
    /// that nobody could use.
    ///
    /// # Errors
    /// When anchors or revocation lists are unusable.
    pub fn server(&self) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(|source| TlsError::Unusable {
                what: "protocol versions",
                source,
            })?
            .with_client_cert_verifier(self.client_verifier()?.into_inner())
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(
                self.certified.clone(),
            )));
        config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        config.send_tls13_tickets = 0;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(config)
    }

    /// A client that shows its certificate and checks the server's chain, name and revocation, each
    /// time: no session is resumed, as that skips the check.
    ///
    /// # Errors
    /// When anchors or revocation lists are unusable.
    pub fn client(&self) -> Result<ClientConfig, TlsError> {
        let verifier = Strict::of_servers(self.trust.clone())?;
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .map_err(|source| TlsError::Unusable {
                what: "protocol versions",
                source,
            })?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(
                self.certified.clone(),
            )));
        config.alpn_protocols = ALPN.iter().map(|name| name.to_vec()).collect();
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

impl PartialEq for MutualTls {
    fn eq(&self, other: &Self) -> bool {
        self.certified.cert == other.certified.cert && self.has_same_trust(other)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn fingerprint(
    chain: &[CertificateDer<'_>],
    anchors: &[CertificateDer<'_>],
    lists: &[CertificateRevocationListDer<'_>],
) -> [u8; 32] {
    let mut digest = Context::new(&SHA256);
    let mut group = |items: Vec<&[u8]>| {
        // With lengths, so that nothing can stand in another's place.
        digest.update(&items.len().to_be_bytes());
        for item in items {
            digest.update(&item.len().to_be_bytes());
            digest.update(item);
        }
    };
    group(chain.iter().map(AsRef::as_ref).collect());
    group(anchors.iter().map(AsRef::as_ref).collect());
    group(lists.iter().map(AsRef::as_ref).collect());
    let mut out = [0; 32];
    out.copy_from_slice(digest.finish().as_ref());
    out
}

fn file_error(what: &'static str, path: &Path, error: &dyn std::error::Error) -> TlsError {
    TlsError::File {
        what,
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

fn pem_all<T: PemObject>(what: &'static str, path: &Path) -> Result<Vec<T>, TlsError> {
    let items: Vec<T> = T::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| file_error(what, path, &error))?;
    if items.is_empty() {
        return Err(TlsError::Empty {
            what,
            path: path.to_owned(),
        });
    }
    Ok(items)
}

#[cfg(test)]
mod tests;
