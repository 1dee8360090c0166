//! TLS failures in plain words.
//!
//! In: an error from hyper, hyper-util or the system. Out: which certificate was refused by whom,
//! and what to do. A TLS 1.3 server refuses the client's certificate only after the client's side
//! of the handshake is done, so the alert can come wrapped in an error of the first request.

use std::error::Error as StdError;
use std::{fmt, io};

use rustls::{AlertDescription, CertificateError};

use crate::problem::Fault;

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident $code:literal $fault:ident $sentence:literal;)*) => {
        /// What was wrong in the handshake: `Display` is a sentence with the remedy.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum TlsFault { $($(#[$doc])* $name,)* }

        impl TlsFault {
            /// A stable word for programs.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Whose move it is.
            #[must_use]
            pub fn fault(self) -> Fault {
                match self { $(Self::$name => Fault::$fault,)* }
            }
        }

        impl fmt::Display for TlsFault {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $sentence,)* })
            }
        }
    };
}

faults! {
    /// We showed no certificate.
    CertificateMissing "tls_certificate_missing" Caller
        "the gateway wants a certificate and was shown none: set LOKET_CERT and LOKET_KEY";
    /// Our certificate is on a revocation list.
    CertificateRevoked "tls_certificate_revoked" Caller
        "the gateway refused this certificate: it is revoked; ask the gateway's operator for a new one";
    /// Our certificate's validity is over.
    CertificateExpired "tls_certificate_expired" Caller
        "the gateway refused this certificate: it has expired or isn't valid yet; renew it, and check the clocks";
    /// The gateway doesn't know who issued ours.
    CertificateUnknownIssuer "tls_certificate_unknown_issuer" Caller
        "the gateway refused this certificate: it doesn't know the authority that issued it; use a certificate of an authority that the gateway trusts, with the intermediate certificates in the file";
    /// The gateway refuses ours and doesn't say more.
    CertificateRefused "tls_certificate_refused" Caller
        "the gateway refused this certificate: it isn't enrolled, or it isn't one for client authentication; ask the gateway's operator";
    /// Our anchors don't cover the gateway's certificate.
    GatewayUnknownIssuer "tls_gateway_unknown_issuer" Caller
        "the gateway's certificate comes from an authority that isn't in LOKET_CA: check LOKET_CA, and that LOKET_URL is the right gateway";
    /// The gateway's certificate names another host.
    GatewayWrongName "tls_gateway_wrong_name" Caller
        "the gateway's certificate is for another name than LOKET_URL: use the name that stands in the certificate, or set the server name";
    /// The gateway's certificate's validity is over.
    GatewayExpired "tls_gateway_expired" Gateway
        "the gateway's certificate has expired: tell its operator, and check this machine's clock";
    /// The gateway's certificate isn't valid yet.
    GatewayNotYetValid "tls_gateway_not_yet_valid" Gateway
        "the gateway's certificate isn't valid yet: check this machine's clock";
    /// The gateway's certificate is on a revocation list.
    GatewayRevoked "tls_gateway_revoked" Gateway
        "the gateway's certificate is revoked: send nothing, and tell its operator";
    /// The gateway's revocation can't be told from the lists given.
    GatewayRevocationUnknown "tls_gateway_revocation_unknown" Caller
        "no valid revocation list covers the gateway's certificate: renew the lists";
    /// The gateway's certificate is unusable for another reason.
    GatewayRefused "tls_gateway_refused" Gateway
        "the gateway's certificate can't be used: tell its operator";
    /// No common version or cipher.
    NoCommonGround "tls_no_common_ground" Caller
        "client and gateway have no TLS version or cipher in common: TLS 1.2 or 1.3 is needed, with no proxy that opens it";
    /// The other side doesn't speak TLS.
    NotTls "tls_not_tls" Caller
        "what answers at LOKET_URL doesn't speak TLS: check host and port, and whether a proxy stands between";
    /// Anything else.
    Other "tls_handshake_failed" Gateway
        "the TLS handshake with the gateway failed";
}

impl TlsFault {
    /// The TLS failure in an error's chain, if there is one.
    pub(super) fn in_chain(error: &(dyn StdError + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return Some(Self::of(tls));
            }
            // An io::Error's own source() skips the error that it wraps.
            let wrapped = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            if let Some(fault) = wrapped.and_then(|inner| Self::in_chain(inner)) {
                return Some(fault);
            }
            next = error.source();
        }
        None
    }

    pub(super) fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::of_alert(*alert),
            rustls::Error::InvalidCertificate(reason) => Self::of_gateway(reason),
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol => {
                Self::NoCommonGround
            }
            _ => Self::Other,
        }
    }

    fn of_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate => {
                Self::CertificateMissing
            }
            AlertDescription::CertificateRevoked => Self::CertificateRevoked,
            AlertDescription::CertificateExpired => Self::CertificateExpired,
            AlertDescription::UnknownCA => Self::CertificateUnknownIssuer,
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::DecryptError
            | AlertDescription::AccessDenied => Self::CertificateRefused,
            AlertDescription::HandshakeFailure
            | AlertDescription::ProtocolVersion
            | AlertDescription::InsufficientSecurity
            | AlertDescription::NoApplicationProtocol => Self::NoCommonGround,
            AlertDescription::UnrecognisedName => Self::GatewayWrongName,
            _ => Self::Other,
        }
    }

    fn of_gateway(reason: &CertificateError) -> Self {
        match reason {
            CertificateError::UnknownIssuer
            | CertificateError::BadSignature
            | CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
                Self::GatewayUnknownIssuer
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::GatewayWrongName
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Self::GatewayExpired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::GatewayNotYetValid
            }
            CertificateError::Revoked => Self::GatewayRevoked,
            CertificateError::UnknownRevocationStatus
            | CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => {
                Self::GatewayRevocationUnknown
            }
            _ => Self::GatewayRefused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_found_however_deep() {
        let alert = rustls::Error::AlertReceived(AlertDescription::CertificateRevoked);
        let twice = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, alert));
        assert_eq!(
            TlsFault::in_chain(&twice),
            Some(TlsFault::CertificateRevoked)
        );
        assert_eq!(TlsFault::in_chain(&io::Error::other("x")), None);
    }

    #[test]
    fn alerts_become_sentences() {
        for (alert, words) in [
            (AlertDescription::CertificateRevoked, "it is revoked"),
            (AlertDescription::CertificateExpired, "it has expired"),
            (AlertDescription::UnknownCA, "doesn't know the authority"),
            (AlertDescription::CertificateRequired, "shown none"),
            (AlertDescription::BadCertificate, "refused this certificate"),
            (AlertDescription::ProtocolVersion, "in common"),
        ] {
            let sentence = TlsFault::of(&rustls::Error::AlertReceived(alert)).to_string();
            assert!(sentence.contains(words), "{alert:?}: {sentence}");
        }
    }
}
