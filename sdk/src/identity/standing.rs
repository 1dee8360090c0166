//! Certificates and revocation lists in, what they let their keys do and whom they belong to out.
//!
//! Read here and judged in `tls`. What can't be read allows nothing.

use std::collections::{HashMap, HashSet};

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_parser::extensions::{ParsedExtension, X509Extension};
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

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
    name: Vec<u8>,
    key: Option<Vec<u8>>,
    usage: Option<Usage>,
    /// Who issued it, and under which serial number.
    issued: (Vec<u8>, Vec<u8>),
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
            key: subject_key(&certificate),
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

    /// Whether the moment, in seconds since the Unix epoch, lies within the validity.
    pub(crate) fn is_valid_at(&self, unix_seconds: i64) -> bool {
        (self.not_before..=self.not_after).contains(&unix_seconds)
    }
}

/// The serial numbers that any of an authority's lists names, by the authority's name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Revoked(HashMap<Vec<u8>, HashSet<Vec<u8>>>);

impl Revoked {
    pub(crate) fn add(&mut self, list: ListHead) {
        let serials = self.0.entry(list.name).or_default();
        serials.extend(list.serials);
    }

    pub(crate) fn names(&self, certificate: &Standing) -> bool {
        let (issuer, serial) = &certificate.issued;
        let serials = self.0.get(issuer);
        serials.is_some_and(|serials| serials.contains(serial))
    }
}

fn subject_key(certificate: &X509Certificate<'_>) -> Option<Vec<u8>> {
    extensions(certificate.extensions()).find_map(|extension| match extension {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(id.0.to_owned()),
        _ => None,
    })
}

/// What a revocation list says of itself.
#[derive(Debug, Clone)]
pub(crate) struct ListHead {
    /// The issuer, for people.
    pub(crate) issuer: String,
    /// When it must have been replaced, seconds since the Unix epoch.
    pub(crate) next_update: Option<i64>,
    name: Vec<u8>,
    key: Option<Vec<u8>>,
    /// The issuing distribution point: which of the issuer's certificates it speaks of.
    scope: Option<Vec<u8>>,
    number: Option<Vec<u8>>,
    this_update: i64,
    /// What it revokes.
    serials: Vec<Vec<u8>>,
}

impl ListHead {
    /// # Errors
    /// When it isn't one DER revocation list.
    pub(crate) fn from_der(der: &CertificateRevocationListDer<'_>) -> Result<Self, IdentityError> {
        let (rest, list) =
            CertificateRevocationList::from_der(der).map_err(|_| IdentityError::Unreadable)?;
        if !rest.is_empty() {
            return Err(IdentityError::Unreadable);
        }
        let mut scope = None;
        let mut key = None;
        for extension in list.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::IssuingDistributionPoint(_) => {
                    scope = Some(extension.value.to_owned());
                }
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    key = id.key_identifier.as_ref().map(|id| id.0.to_owned());
                }
                ParsedExtension::ParseError { .. } => return Err(IdentityError::Unreadable),
                _ => {}
            }
        }
        Ok(Self {
            issuer: list.issuer().to_string(),
            next_update: list.next_update().map(|moment| moment.timestamp()),
            name: list.issuer().as_raw().to_owned(),
            key,
            scope,
            number: list.crl_number().map(|number| number.to_bytes_be()),
            this_update: list.last_update().timestamp(),
            serials: list
                .iter_revoked_certificates()
                .map(|revoked| revoked.raw_serial().to_owned())
                .collect(),
        })
    }

    /// Whether the certificate has the issuer's name, and its key where both say which it is: an
    /// authority that changed its key kept its name.
    pub(crate) fn names_as_issuer(&self, candidate: &Standing) -> bool {
        let same_key = match (&self.key, &candidate.key) {
            (Some(list), Some(certificate)) => list == certificate,
            _ => true,
        };
        candidate.is_ca && candidate.name == self.name && same_key
    }

    /// Whether it stands for the other one now: it speaks of the same certificates and was made
    /// later. Its number is higher (RFC 5280 section 5.2.3) and it is no older; an authority that
    /// began to count anew has made both count.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        let same = self.name == other.name && self.key == other.key && self.scope == other.scope;
        same && self.this_update >= other.this_update
            && match (&self.number, &other.number) {
                // Without leading zeros, the longer number is the larger one.
                (Some(ours), Some(theirs)) => (ours.len(), ours) >= (theirs.len(), theirs),
                _ => true,
            }
    }

    /// When it was made, in seconds since the Unix epoch.
    pub(crate) fn this_update(&self) -> i64 {
        self.this_update
    }
}

fn extensions<'a, 'b>(
    all: &'a [X509Extension<'b>],
) -> impl Iterator<Item = &'a ParsedExtension<'b>> {
    all.iter().map(X509Extension::parsed_extension)
}
