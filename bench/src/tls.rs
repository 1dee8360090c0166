//! TLS of everything that is measured and measures: files in, rustls configurations out.
//!
//! Pinned to what every peer can do, so that none is faster for having agreed on less: TLS 1.3,
//! X25519, AES-256-GCM, certificates of both sides checked against authority and revocation list,
//! no session resumed.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use loket_sdk::testing::Leaf;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// ALPN of HTTP/1.1.
pub(crate) const HTTP1: &[u8] = b"http/1.1";
/// ALPN of HTTP/2.
pub(crate) const HTTP2: &[u8] = b"h2";

/// Who someone is and whom it trusts.
pub(crate) struct Tls {
    /// Without a certificate there is only a client, whom everyone should refuse.
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    anchors: Arc<RootCertStore>,
    revocations: Vec<CertificateRevocationListDer<'static>>,
}

impl Tls {
    /// Reads `<stem>.pem`, `<stem>.key`, `ca.pem` and `crl.pem`; of no stem, the last two.
    ///
    /// # Errors
    /// When one can't be read.
    pub(crate) fn read(dir: &Path, stem: Option<&str>) -> anyhow::Result<Self> {
        let own = stem.map(|stem| {
            anyhow::Ok((
                all(&dir.join(format!("{stem}.pem")))?,
                one(&dir.join(format!("{stem}.key")))?,
            ))
        });
        let mut anchors = RootCertStore::empty();
        for anchor in all(&dir.join("ca.pem"))? {
            anchors.add(anchor)?;
        }
        Ok(Self {
            own: own.transpose()?,
            anchors: Arc::new(anchors),
            revocations: all(&dir.join("crl.pem"))?,
        })
    }

    /// As [`Self::server`], with another's certificate.
    ///
    /// # Errors
    /// When it isn't PEM.
    pub(crate) fn server_as(&self, other: &Leaf) -> anyhow::Result<ServerConfig> {
        let certificate = CertificateDer::from_pem_slice(other.certificate_pem.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(other.key_pem.as_bytes())?;
        let impostor = Self {
            own: Some((vec![certificate], key)),
            anchors: self.anchors.clone(),
            revocations: self.revocations.clone(),
        };
        impostor.server()
    }

    /// A client that speaks one protocol.
    ///
    /// # Errors
    /// When certificate and key don't belong together.
    pub(crate) fn client(&self, protocol: &[u8]) -> anyhow::Result<ClientConfig> {
        let verifier =
            WebPkiServerVerifier::builder_with_provider(self.anchors.clone(), provider())
                .with_crls(self.revocations.clone())
                .build()?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_webpki_verifier(verifier);
        let mut config = match &self.own {
            Some((chain, key)) => config.with_client_auth_cert(chain.clone(), key.clone_key())?,
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// A server that requires a certificate.
    ///
    /// # Errors
    /// When there is none to show, or its key doesn't belong to it.
    pub(crate) fn server(&self) -> anyhow::Result<ServerConfig> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(self.anchors.clone(), provider())
                .with_crls(self.revocations.clone())
                .build()?;
        let (chain, key) = self
            .own
            .as_ref()
            .context("a server needs a certificate to show")?;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())?;
        config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    })
}

fn all<T: PemObject>(path: &Path) -> anyhow::Result<Vec<T>> {
    T::pem_file_iter(path)
        .and_then(Iterator::collect)
        .with_context(|| format!("{} can't be read", path.display()))
}

fn one<T: PemObject>(path: &Path) -> anyhow::Result<T> {
    T::from_pem_file(path).with_context(|| format!("{} can't be read", path.display()))
}
