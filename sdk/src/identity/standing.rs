//! A certificate in, what it lets its key do in a chain out.
//!
//! Read here and judged in `tls`. What can't be read allows nothing.

use rustls::pki_types::CertificateDer;
use x509_parser::asn1_rs::{Any, FromDer, Sequence};
use x509_parser::x509::SubjectPublicKeyInfo;

use super::IdentityError;

/// What a certificate lets its key do in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// The subject, for people.
    pub(crate) subject: String,
    /// Whether basic constraints say that it is an authority (RFC 5280 section 4.2.1.9).
    pub(crate) is_ca: bool,
    /// Start of validity, seconds since the Unix epoch.
    pub(crate) not_before: i64,
    /// End of validity, seconds since the Unix epoch.
    pub(crate) not_after: i64,
    pub(super) name: Vec<u8>,
    pub(super) key: PublicKey,
    usage: Option<Usage>,
    /// Who issued it, and under which serial number.
    pub(super) issued: (Vec<u8>, Vec<u8>),
}

/// A key as whoever checks a signature is given it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PublicKey {
    /// DER of the algorithm, without the outer sequence's tag and length.
    pub(super) algorithm: Vec<u8>,
    pub(super) bits: Vec<u8>,
}

impl PublicKey {
    fn read(info: &SubjectPublicKeyInfo<'_>) -> Result<Self, IdentityError> {
        let unreadable = |_| IdentityError::Unreadable;
        let (_, whole) = Sequence::from_der(info.raw).map_err(unreadable)?;
        let (_, algorithm) = Any::from_der(&whole.content).map_err(unreadable)?;
        Ok(Self {
            algorithm: algorithm.data.to_owned(),
            bits: info.subject_public_key.data.to_vec(),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Usage {
    signs: bool,
    certifies: bool,
    revokes: bool,
}

impl Standing {
    /// # Errors
    /// When it isn't one DER certificate.
    pub(crate) fn from_der(der: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let certificate = super::certificate(der)?;
        let unreadable = |_| IdentityError::Unreadable;
        let usage = certificate.key_usage().map_err(unreadable)?;
        Ok(Self {
            subject: certificate.subject().to_string(),
            is_ca: certificate.is_ca(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
            name: certificate.subject().as_raw().to_owned(),
            key: PublicKey::read(certificate.public_key())?,
            issued: (
                certificate.issuer().as_raw().to_owned(),
                certificate.raw_serial().to_owned(),
            ),
            usage: usage.map(|usage| Usage {
                signs: usage.value.digital_signature(),
                certifies: usage.value.key_cert_sign(),
                revokes: usage.value.crl_sign(),
            }),
        })
    }

    // A conforming authority writes the extension (RFC 5280 section 4.2.1.3), but whoever checks is
    // to hold its bits against it only where it stands (section 6.1.4 (n) and 6.3.3 (f)): roots
    // made without it are common, and it takes nothing from a key that it doesn't speak of.

    /// Whether its key may sign a handshake.
    pub(crate) fn may_sign(&self) -> bool {
        self.usage.is_none_or(|usage| usage.signs)
    }

    /// Whether its key may sign certificates.
    pub(crate) fn may_certify(&self) -> bool {
        self.usage.is_none_or(|usage| usage.certifies)
    }

    /// Whether its key may sign revocation lists.
    pub(crate) fn may_revoke(&self) -> bool {
        self.usage.is_none_or(|usage| usage.revokes)
    }

    /// Whether it says in so many words that its key signs certificates.
    pub(crate) fn claims_to_certify(&self) -> bool {
        self.usage.is_some_and(|usage| usage.certifies)
    }

    /// Its serial number, lower-case hexadecimal with colons.
    pub(crate) fn serial(&self) -> String {
        let bytes = self.issued.1.iter().map(|byte| format!("{byte:02x}"));
        bytes.collect::<Vec<_>>().join(":")
    }

    /// Its name and key: two certificates of one authority have both in common.
    pub(crate) fn authority(&self) -> (&[u8], &PublicKey) {
        (&self.name, &self.key)
    }

    /// Whether the moment, in seconds since the Unix epoch, lies within the validity.
    pub(crate) fn is_valid_at(&self, unix_seconds: i64) -> bool {
        (self.not_before..=self.not_after).contains(&unix_seconds)
    }
}
