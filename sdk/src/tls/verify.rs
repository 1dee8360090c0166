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
use rustls::crypto::{self, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{
    CertRevocationListError, CertificateError, DigitallySignedStruct, DistinguishedName, Error,
    OtherError, RootCertStore, SignatureScheme,
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
    algorithms: WebPkiSupportedAlgorithms,
    /// The anchors that a client is told of.
    hints: Vec<DistinguishedName>,
    /// With every anchor.
    whole: Arc<Verifiers<V>>,
    /// With the anchors that were valid when it was last asked, and which those are.
    current: Mutex<(Vec<bool>, Arc<Verifiers<V>>)>,
}

type Build<V> = fn(Arc<RootCertStore>, Vec<List>) -> Result<Arc<V>, VerifierBuilderError>;
type List = CertificateRevocationListDer<'static>;

impl Strict<dyn ClientCertVerifier> {
    /// Checks clients.
    pub(super) fn of_clients(trust: Arc<Trust>) -> Result<Self, VerifierBuilderError> {
        Self::new(trust, |roots, lists| {
            let builder = WebPkiClientVerifier::builder_with_provider(roots, provider());
            if lists.is_empty() {
                return builder.build();
            }
            let builder = builder.with_crls(lists);
            builder.enforce_revocation_expiration().build()
        })
    }
}

impl Strict<WebPkiServerVerifier> {
    /// Checks servers.
    pub(super) fn of_servers(trust: Arc<Trust>) -> Result<Self, VerifierBuilderError> {
        Self::new(trust, |roots, lists| {
            let builder = WebPkiServerVerifier::builder_with_provider(roots, provider());
            if lists.is_empty() {
                return builder.build();
            }
            let builder = builder.with_crls(lists);
            builder.enforce_revocation_expiration().build()
        })
    }
}

/// One for each choice of lists; a chain that any of them lets pass is good.
struct Verifiers<V: ?Sized>(Vec<Arc<V>>);

impl<V: ?Sized> Verifiers<V> {
    fn new(
        trust: &Trust,
        roots: RootCertStore,
        build: Build<V>,
    ) -> Result<Self, VerifierBuilderError> {
        let roots = Arc::new(roots);
        let choices = trust.lists().choices().iter();
        let built = choices.map(|lists| build(roots.clone(), lists.clone()));
        built.collect::<Result<_, _>>().map(Self)
    }

    /// What the first says that lets the chain pass; otherwise what says most. Every list is signed
    /// as it should be, so a signature that doesn't fit says only that a list, or an anchor of the
    /// same name, is of another key.
    fn ask<T>(&self, webpki: impl Fn(&V) -> Result<T, Error>) -> Result<T, Error> {
        const LIST: Error = Error::InvalidCertRevocationList(CertRevocationListError::BadSignature);
        const ANCHOR: Error = Error::InvalidCertificate(CertificateError::BadSignature);
        let mut said = LIST;
        for verifier in &self.0 {
            match webpki(verifier) {
                Err(error) if error == LIST => {}
                Err(error) if said == LIST || said == ANCHOR => said = error,
                Err(_) => {}
                passed => return passed,
            }
        }
        Err(if said == LIST {
            CertificateError::UnknownRevocationStatus.into()
        } else {
            said
        })
    }
}

impl<V: ?Sized> Strict<V> {
    fn new(trust: Arc<Trust>, build: Build<V>) -> Result<Self, VerifierBuilderError> {
        let roots = trust.roots();
        let every = vec![true; roots.len()];
        let hints = roots.subjects();
        let whole = Arc::new(Verifiers::new(&trust, roots, build)?);
        Ok(Self {
            trust,
            build,
            algorithms: provider().signature_verification_algorithms,
            hints,
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
        let current = self.at(now)?;
        let checked = current.ask(|v| webpki(v, &issuers)).map_err(|error| {
            let passes = |verifiers: &Verifiers<V>, issuers| {
                verifiers.ask(|verifier| webpki(verifier, issuers)).is_ok()
            };
            if issuers.len() < intermediates.len() && passes(&current, intermediates) {
                ChainFault::IssuerMayNotCertify.into()
            } else if !Arc::ptr_eq(&current, &self.whole) && passes(&self.whole, &issuers) {
                ChainFault::AnchorOutOfValidity.into()
            } else {
                error
            }
        })?;
        let leaf = Standing::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
        let mut shown = issuers.iter().flat_map(Standing::from_der);
        let lists = self.trust.lists();
        if lists.revokes(&leaf) || shown.any(|issuer| lists.revokes(&issuer)) {
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

    /// webpki's verifiers with the anchors that are valid at the moment. Built anew only when one
    /// has ended since the last time.
    fn at(&self, now: UnixTime) -> Result<Arc<Verifiers<V>>, Error> {
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
            let built = Verifiers::new(&self.trust, roots, self.build)
                .map_err(|error| Error::General(error.to_string()))?;
            *current = (valid, Arc::new(built));
        }
        Ok(current.1.clone())
    }
}

impl<V: ?Sized> fmt::Debug for Strict<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strict").finish_non_exhaustive()
    }
}

/// The signatures of the handshake, the same for both traits.
macro_rules! signatures_of_the_handshake {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            crypto::verify_tls12_signature(message, leaf, signed, &self.algorithms)
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            leaf: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            crypto::verify_tls13_signature(message, leaf, signed, &self.algorithms)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.algorithms.supported_schemes()
        }
    };
}

impl ClientCertVerifier for Strict<dyn ClientCertVerifier> {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
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

    signatures_of_the_handshake!();
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

    signatures_of_the_handshake!();
}
