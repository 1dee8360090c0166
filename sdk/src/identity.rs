//! Identity: a peer's certificate in, whose it is out. The only place that reads X.509.
//!
//! A member is an organisation and runs systems. A certificate names a system by one URI subject
//! alternative name, a SPIFFE ID `spiffe://<trust-domain>/<member>/<system>`. A certificate without
//! one can still be pinned by its public key ([`PeerCertificate::spki_sha256`]). Trust in the chain
//! is the TLS handshake's affair, not this module's.

mod list;
mod standing;

use std::fmt;
use std::str::FromStr;

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::prelude::{CertificateRevocationList, FromDer, GeneralName, X509Certificate};

use crate::ids::{MemberId, SystemId};

pub(crate) use list::{ListHead, Revoked};
pub(crate) use standing::{PublicKey, Standing};

/// Why a certificate names nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Not one DER certificate.
    #[error("the certificate can't be read as X.509")]
    Unreadable,
    /// More than one SPIFFE ID: which one would count?
    #[error("the certificate has {0} SPIFFE IDs; exactly one may name the system")]
    SeveralUris(usize),
    /// The URI isn't `spiffe://<trust-domain>/<member>/<system>`.
    #[error(
        "the certificate's URI isn't a SPIFFE ID of the form spiffe://<trust-domain>/<member>/<system>"
    )]
    NotSpiffe,
}

/// A SPIFFE ID of exactly two path segments: `spiffe://<trust-domain>/<member>/<system>`
/// (SPIFFE-ID section 2).
///
/// ```
/// use loket_sdk::identity::SpiffeId;
/// let id: SpiffeId = "spiffe://loket.example/dukcapil/siak".parse()?;
/// assert_eq!(id.member.as_str(), "dukcapil");
/// # Ok::<(), loket_sdk::identity::IdentityError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    /// Lower-case DNS-like name of who vouches.
    pub trust_domain: String,
    /// The organisation.
    pub member: MemberId,
    /// Its system.
    pub system: SystemId,
}

impl FromStr for SpiffeId {
    type Err = IdentityError;

    fn from_str(text: &str) -> Result<Self, IdentityError> {
        let rest = text
            .strip_prefix("spiffe://")
            .ok_or(IdentityError::NotSpiffe)?;
        let mut parts = rest.split('/');
        let (Some(domain), Some(member), Some(system), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(IdentityError::NotSpiffe);
        };
        let domain_ok = !domain.is_empty()
            && domain.len() <= 255
            && domain
                .bytes()
                .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_'));
        if !domain_ok {
            return Err(IdentityError::NotSpiffe);
        }
        Ok(Self {
            trust_domain: domain.to_owned(),
            member: MemberId::parse(member).map_err(|_| IdentityError::NotSpiffe)?,
            system: SystemId::parse(system).map_err(|_| IdentityError::NotSpiffe)?,
        })
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "spiffe://{}/{}/{}",
            self.trust_domain, self.member, self.system
        )
    }
}

/// What a certificate says of its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The system that the URI names, if there is a URI.
    pub spiffe: Option<SpiffeId>,
    /// SHA-256 of the DER SubjectPublicKeyInfo; survives a renewal with the same key.
    pub spki_sha256: [u8; 32],
    /// Serial number, lower-case hexadecimal with colons.
    pub serial: String,
    /// The subject, for people.
    pub subject: String,
    /// What it may be used for: `server`, `client`, `other`; empty where it doesn't say
    /// (RFC 5280 section 4.2.1.12).
    pub usages: Vec<&'static str>,
    /// Start of validity, seconds since the Unix epoch.
    pub not_before: i64,
    /// End of validity, seconds since the Unix epoch.
    pub not_after: i64,
}

impl PeerCertificate {
    /// Reads an end-entity certificate.
    ///
    /// # Errors
    /// When it isn't X.509, has several URIs, or a URI that is no SPIFFE ID of ours.
    pub fn from_der(der: &CertificateDer<'_>) -> Result<Self, IdentityError> {
        let certificate = certificate(der)?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|_| IdentityError::Unreadable)?;
        let mut uris: Vec<&str> = names
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(|name| match name {
                GeneralName::URI(uri) => Some(*uri),
                _ => None,
            })
            .collect();
        // A URI of another scheme names nobody here, and the key can still be pinned.
        uris.retain(|uri| uri.starts_with("spiffe:"));
        let spiffe = match uris.as_slice() {
            [] => None,
            [uri] => Some(uri.parse()?),
            several => return Err(IdentityError::SeveralUris(several.len())),
        };
        Ok(Self {
            spiffe,
            spki_sha256: sha256(certificate.public_key().raw),
            serial: certificate.raw_serial_as_string(),
            subject: certificate.subject().to_string(),
            usages: usages(&certificate)?,
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }

    /// Whether the moment, in seconds since the Unix epoch, lies within the validity.
    #[must_use]
    pub fn is_valid_at(&self, unix_seconds: i64) -> bool {
        (self.not_before..=self.not_after).contains(&unix_seconds)
    }
}

fn certificate<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, IdentityError> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(IdentityError::Unreadable),
    }
}

fn usages(certificate: &X509Certificate<'_>) -> Result<Vec<&'static str>, IdentityError> {
    let extension = certificate
        .extended_key_usage()
        .map_err(|_| IdentityError::Unreadable)?;
    let Some(extension) = extension else {
        return Ok(Vec::new());
    };
    let usage = extension.value;
    let other = usage.any
        || usage.code_signing
        || usage.email_protection
        || usage.time_stamping
        || usage.ocsp_signing
        || !usage.other.is_empty();
    let named = [
        (usage.server_auth, "server"),
        (usage.client_auth, "client"),
        (other, "other"),
    ];
    Ok(named
        .into_iter()
        .filter_map(|(is, name)| is.then_some(name))
        .collect())
}

/// When a certificate revocation list must have been replaced, in seconds since the Unix epoch
/// (`nextUpdate`, RFC 5280 section 5.1.2.5); none when it doesn't say or can't be read.
#[must_use]
pub fn next_update(list: &CertificateRevocationListDer<'_>) -> Option<i64> {
    let (_, list) = CertificateRevocationList::from_der(list).ok()?;
    list.next_update().map(|moment| moment.timestamp())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spiffe_id_has_a_domain_a_member_and_a_system() {
        let text = "spiffe://loket.example/dukcapil/siak";
        assert_eq!(text.parse::<SpiffeId>().unwrap().to_string(), text);
        for bad in [
            "https://loket.example/dukcapil/siak",
            "spiffe://loket.example/dukcapil",
            "spiffe://loket.example/dukcapil/siak/",
            "spiffe://loket.example/dukcapil/siak/x",
            "spiffe:///dukcapil/siak",
            "spiffe://LOKET/dukcapil/siak",
            "spiffe://loket.example/../siak",
            "spiffe://loket.example/dukcapil/siak?x",
        ] {
            assert!(bad.parse::<SpiffeId>().is_err(), "{bad}");
        }
    }
}
