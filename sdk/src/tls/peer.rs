//! A client's chain and a moment in, whether it is still welcome out; no handshake is needed.
//!
//! A connection outlives the lists and anchors that it was let in by. After a reload, its chain is
//! checked again here, by the very verifier that the next handshake uses.

use std::sync::Arc;

use rustls::CertificateError as Reason;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;

use super::verify::ChainFault;

/// Checks a client's chain as a handshake would, signature of the handshake aside.
#[derive(Debug, Clone)]
pub struct PeerVerifier {
    verifier: Arc<dyn ClientCertVerifier>,
    turns: Arc<[i64]>,
}

/// Why a peer's chain isn't welcome.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerFault {
    /// The chain is empty.
    #[error("the peer has shown no certificate")]
    NoCertificate,
    /// A certificate of the chain is on a revocation list.
    #[error("a certificate of the peer's chain is revoked")]
    Revoked,
    /// A certificate of the chain or its anchor has expired, or isn't valid yet.
    #[error("a certificate of the peer's chain isn't valid now")]
    OutOfValidity,
    /// No list, or none that is still in force, tells whether the chain is revoked.
    #[error("no revocation list in force covers the peer's chain; load a fresh one")]
    RevocationUnknown,
    /// Anything else: another authority, a wrong use, a broken signature.
    #[error("the peer's chain isn't trusted: {0}")]
    Untrusted(rustls::Error),
}

impl PeerVerifier {
    pub(super) fn new(verifier: Arc<dyn ClientCertVerifier>, turns: &[i64]) -> Self {
        let turns = turns.into();
        Self { verifier, turns }
    }

    /// When the same chain may be judged otherwise than at first, in seconds since the Unix epoch, in
    /// order: a list must have been replaced, an anchor begins or has ended. That a certificate of
    /// the chain itself ends isn't among them.
    #[must_use]
    pub fn turns(&self) -> &[i64] {
        &self.turns
    }

    /// Checks a chain, end entity first, as `rustls` keeps it for a connection
    /// (`peer_certificates`).
    ///
    /// # Errors
    /// When a handshake at `now` would refuse the chain.
    pub fn verify(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), PeerFault> {
        let (leaf, intermediates) = chain.split_first().ok_or(PeerFault::NoCertificate)?;
        match self.verifier.verify_client_cert(leaf, intermediates, now) {
            Ok(_) => Ok(()),
            Err(error) => Err(PeerFault::of(error)),
        }
    }

    /// The verifier by itself, for a `ServerConfig` of one's own.
    #[must_use]
    pub fn into_inner(self) -> Arc<dyn ClientCertVerifier> {
        self.verifier
    }
}

impl PeerFault {
    /// What an error of a handshake says of the peer's chain.
    #[must_use]
    pub fn of(error: rustls::Error) -> Self {
        if ChainFault::of(&error) == Some(ChainFault::AnchorOutOfValidity) {
            return Self::OutOfValidity;
        }
        let rustls::Error::InvalidCertificate(reason) = &error else {
            return Self::Untrusted(error);
        };
        match reason {
            Reason::Revoked => Self::Revoked,
            Reason::Expired
            | Reason::ExpiredContext { .. }
            | Reason::NotValidYet
            | Reason::NotValidYetContext { .. } => Self::OutOfValidity,
            Reason::UnknownRevocationStatus
            | Reason::ExpiredRevocationList
            | Reason::ExpiredRevocationListContext { .. } => Self::RevocationUnknown,
            _ => Self::Untrusted(error),
        }
    }
}
