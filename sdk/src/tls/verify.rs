//! A peer's chain in the handshake in, the refusal of what webpki lets pass out.
//!
//! webpki builds the path, checks signatures, validity, names, purpose and revocation, and is asked
//! first. It doesn't look at key usage, and an anchor never ends for it. So: no path goes through a
//! certificate that may not sign certificates or ends at an anchor that isn't valid now, and the
//! peer's own certificate is one that may sign a handshake and issues none. It also asks only one of
//! several lists; here what any of them revokes is revoked.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};

use super::{provider, trust::Trust};
use crate::identity::Standing;

/// What webpki would have let pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainFault {
    /// The peer's certificate has a key usage without `digitalSignature`.
    #[error("the peer's certificate may not sign a handshake (no digitalSignature)")]
    LeafMayNotSign,
    /// The peer's certificate is an authority's.
    #[error("the peer shows an authority's certificate as its own")]
    LeafIsAuthority,
    /// The only way to an anchor is through a certificate that may not sign others.
    #[error("an issuer in the peer's chain may not sign certificates (no CA, or no keyCertSign)")]
    IssuerMayNotCertify,
    /// The anchor at the end of the chain has expired since it was loaded.
    #[error("the anchor of the peer's chain isn't valid any more; load the one that replaced it")]
    AnchorOutOfValidity,
}

impl From<ChainFault> for Error {
    fn from(fault: ChainFault) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault))))
    }
}

impl ChainFault {
    /// The fault in an error of a handshake, if it is one of these.
    #[must_use]
    pub fn of(error: &Error) -> Option<Self> {
        match error {
            Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
                inner.downcast_ref::<Self>().copied()
            }
            _ => None,
        }
    }
}

/// webpki's verifier `V`, and the checks that it leaves out.
pub(super) struct Strict<V: ?Sized> {
    trust: Arc<Trust>,
    build: Build<V>,
    /// With every anchor.
    whole: Arc<V>,
    /// With the anchors that were valid when it was last asked, and which those are.
    current: Mutex<(Vec<bool>, Arc<V>)>,
}

type Build<V> = fn(&Trust, RootCertStore) -> Result<Arc<V>, VerifierBuilderError>;

impl Strict<dyn ClientCertVerifier> {
    /// Checks clients.
    pub(super) fn of_clients(trust: Arc<Trust>) -> Result<Self, VerifierBuilderError> {
        Self::new(trust, |trust, roots| {
            let mut builder =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
            if !trust.lists().is_empty() {
                builder = builder
                    .with_crls(trust.lists().to_vec())
                    .enforce_revocation_expiration();
            }
            builder.build()
        })
    }
}

impl Strict<WebPkiServerVerifier> {
    /// Checks servers.
    pub(super) fn of_servers(trust: Arc<Trust>) -> Result<Self, VerifierBuilderError> {
        Self::new(trust, |trust, roots| {
            let mut builder =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
            if !trust.lists().is_empty() {
                builder = builder
                    .with_crls(trust.lists().to_vec())
                    .enforce_revocation_expiration();
            }
            builder.build()
        })
    }
}

impl<V: ?Sized> Strict<V> {
    fn new(trust: Arc<Trust>, build: Build<V>) -> Result<Self, VerifierBuilderError> {
        let roots = trust.roots();
        let every = vec![true; roots.len()];
        let whole = build(&trust, roots)?;
        Ok(Self {
            trust,
            build,
            current: Mutex::new((every, whole.clone())),
            whole,
        })
    }

    /// Lets webpki check what may be relied on, and then the peer's certificate.
    fn check<T>(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        webpki: impl Fn(&V, &[CertificateDer<'_>]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let issuers: Vec<CertificateDer<'_>> = intermediates
            .iter()
            .filter(|der| {
                Standing::from_der(der).is_ok_and(|issuer| issuer.is_ca && issuer.may_certify())
            })
            .map(|der| CertificateDer::from(der.as_ref()))
            .collect();
        let verifier = self.at(now)?;
        let checked = webpki(&verifier, &issuers).map_err(|error| {
            if issuers.len() < intermediates.len() && webpki(&verifier, intermediates).is_ok() {
                ChainFault::IssuerMayNotCertify.into()
            } else if !Arc::ptr_eq(&verifier, &self.whole) && webpki(&self.whole, &issuers).is_ok()
            {
                ChainFault::AnchorOutOfValidity.into()
            } else {
                error
            }
        })?;
        let leaf = Standing::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
        let mut shown = issuers.iter().flat_map(Standing::from_der);
        if self.trust.revokes(&leaf) || shown.any(|issuer| self.trust.revokes(&issuer)) {
            return Err(CertificateError::Revoked.into());
        }
        if leaf.is_ca || leaf.claims_to_certify() {
            return Err(ChainFault::LeafIsAuthority.into());
        }
        if !leaf.may_sign() {
            return Err(ChainFault::LeafMayNotSign.into());
        }
        Ok(checked)
    }

    /// webpki's verifier with the anchors that are valid at the moment. Built anew only when one
    /// has ended since the last time.
    fn at(&self, now: UnixTime) -> Result<Arc<V>, Error> {
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let valid = self.trust.valid_at(seconds);
        if valid.iter().all(|valid| *valid) {
            return Ok(self.whole.clone());
        }
        if !valid.contains(&true) {
            return Err(ChainFault::AnchorOutOfValidity.into());
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 != valid {
            let roots = self.trust.roots_of(&valid);
            let built = (self.build)(&self.trust, roots)
                .map_err(|error| Error::General(error.to_string()))?;
            *current = (valid, built);
        }
        Ok(current.1.clone())
    }
}

impl<V: ?Sized> fmt::Debug for Strict<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strict").finish_non_exhaustive()
    }
}

impl ClientCertVerifier for Strict<dyn ClientCertVerifier> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.whole.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(leaf, intermediates, now, |webpki, issuers| {
            webpki.verify_client_cert(leaf, issuers, now)
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.whole.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.whole.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.whole.supported_verify_schemes()
    }
}

impl ServerCertVerifier for Strict<WebPkiServerVerifier> {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(leaf, intermediates, now, |webpki, issuers| {
            webpki.verify_server_cert(leaf, issuers, name, ocsp, now)
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.whole.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.whole.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.whole.supported_verify_schemes()
    }
}
