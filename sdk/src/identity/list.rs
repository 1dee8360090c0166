//! A revocation list in, who issued and signed it and what it revokes out.
//!
//! Read here and judged in `tls`. What can't be read is refused.

use std::collections::{HashMap, HashSet};

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::CertificateRevocationListDer;
use x509_parser::asn1_rs::{Any, FromDer, Sequence};
use x509_parser::extensions::ParsedExtension;
use x509_parser::revocation_list::CertificateRevocationList;

use super::IdentityError;
use super::standing::{PublicKey, Standing};

/// What a revocation list says of itself.
#[derive(Debug, Clone)]
pub(crate) struct ListHead {
    /// The issuer, for people.
    pub(crate) issuer: String,
    /// When it must have been replaced, seconds since the Unix epoch.
    pub(crate) next_update: Option<i64>,
    name: Vec<u8>,
    /// The issuing distribution point: which of the issuer's certificates it speaks of.
    scope: Option<Vec<u8>>,
    number: Option<Vec<u8>>,
    this_update: i64,
    signed: Signed,
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
        for extension in list.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::IssuingDistributionPoint(_) => {
                    scope = Some(extension.value.to_owned());
                }
                ParsedExtension::ParseError { .. } => return Err(IdentityError::Unreadable),
                _ => {}
            }
        }
        Ok(Self {
            issuer: list.issuer().to_string(),
            next_update: list.next_update().map(|moment| moment.timestamp()),
            name: list.issuer().as_raw().to_owned(),
            scope,
            number: list.crl_number().map(|number| number.to_bytes_be()),
            signed: Signed::read(&list)?,
            this_update: list.last_update().timestamp(),
            serials: list
                .iter_revoked_certificates()
                .map(|revoked| revoked.raw_serial().to_owned())
                .collect(),
        })
    }

    /// Whether the authority has the issuer's name.
    pub(crate) fn names_as_issuer(&self, candidate: &Standing) -> bool {
        candidate.is_ca && candidate.name == self.name
    }

    /// Whether the authority's key has signed it.
    pub(crate) fn is_signed_by(&self, candidate: &Standing) -> bool {
        let PublicKey { algorithm, bits } = &candidate.key;
        let Signed {
            message,
            by,
            signature,
        } = &self.signed;
        let known = aws_lc_rs::default_provider().signature_verification_algorithms;
        known.all.iter().any(|known| {
            known.public_key_alg_id().as_ref() == algorithm
                && known.signature_alg_id().as_ref() == by
                && known.verify_signature(bits, message, signature).is_ok()
        })
    }

    /// Whether it stands now for the other one, which the same key signed: it speaks of the same
    /// certificates and was made later. Its number is higher (RFC 5280 section 5.2.3) and it is no
    /// older; an authority that began to count anew has made both count.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        let same = self.name == other.name && self.scope == other.scope;
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

/// What stands under a signature, how it was made, and itself.
#[derive(Debug, Clone)]
struct Signed {
    message: Vec<u8>,
    /// DER of the algorithm, without the outer sequence's tag and length.
    by: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    fn read(list: &CertificateRevocationList<'_>) -> Result<Self, IdentityError> {
        let unreadable = |_| IdentityError::Unreadable;
        let message = list.tbs_cert_list.as_ref();
        let (_, whole) = Sequence::from_der(list.as_raw()).map_err(unreadable)?;
        let behind = whole.content.get(message.len()..).unwrap_or_default();
        let (_, by) = Any::from_der(behind).map_err(unreadable)?;
        // RFC 5280 section 5.1.1.2: what is signed says by which algorithm.
        if list.tbs_cert_list.signature != list.signature_algorithm {
            return Err(IdentityError::Unreadable);
        }
        Ok(Self {
            message: message.to_owned(),
            by: by.data.to_owned(),
            signature: list.signature_value.data.to_vec(),
        })
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
