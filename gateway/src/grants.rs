//! Grants: what an agency signed in, a grant of the directory out, or why it doesn't count.
//!
//! A grant is a compact JWS in a file named `<grant_id>.jws`; its payload is the document of
//! `schemas/envelope/grant.json`. Refused is what isn't signed, was altered, is signed with a key of
//! another agency, for another use or of another time, and what is wider than the record's schema.
//! An operator's [`Narrowing`] takes away and never adds. A version older than one that was in force
//! is refused by [`Versions`]. Reads no file and asks no clock.

mod compare;
mod document;
mod fault;
mod narrow;
mod versions;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use loket_sdk::json;
use loket_sdk::jws::{self, PublicKey, SigningKey};
use loket_sdk::schema;

use crate::directory::{KeyUse, Member, Signature, key_named};

pub use compare::{Difference, Effect, compare};
pub use document::{Document, Granted};
pub use fault::Fault;
pub use narrow::{Narrowing, Widening, narrow};
pub use versions::{Change, PutBack, Standing, Version, Versions};

/// The type of a grant's signature.
pub const TYP: &str = "loket-grant+jws";
/// Longest file of a grant, in bytes.
pub const MAX_BYTES: usize = 65_536;
/// What a grant's file is called after its id.
pub const EXTENSION: &str = "jws";
/// How far ahead of ours the clock of whoever signed may be.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// A grant whose signature is that of a known key, and whose document is as agreed.
#[derive(Debug, Clone)]
pub struct Signed {
    /// What was signed.
    pub document: Document,
    /// The key that signed.
    pub kid: String,
    sha256: [u8; 32],
}

impl Signed {
    /// Verifies the signature, then the document. Whether this key may grant is for
    /// [`Self::admit`].
    ///
    /// # Errors
    /// The first thing that isn't as agreed.
    pub fn open<'k>(
        text: &str,
        key: impl FnOnce(&str) -> Option<&'k PublicKey>,
    ) -> Result<Self, Fault> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        if text.len() > MAX_BYTES {
            return Err(Fault::TooLong);
        }
        if text.trim_start().starts_with('{') {
            return Err(Fault::Unsigned);
        }
        let verified = jws::verify_compact(text, TYP, key)?;
        let mut sha256 = [0; 32];
        sha256.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
        Ok(Self {
            document: read(&verified.payload)?,
            kid: verified.header.kid,
            sha256,
        })
    }

    /// What the directory makes of it, if the file has the grant's name and the key is one with
    /// which this agency may sign grants on the day of the signature.
    ///
    /// # Errors
    /// The first thing that isn't as agreed.
    pub fn admit(
        self,
        stem: &str,
        members: &[Member],
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<Granted, Fault> {
        let Self {
            document,
            kid,
            sha256,
        } = self;
        if document.grant_id != stem {
            let id = document.grant_id;
            return Err(Fault::FileName { id });
        }
        let Some((member, key)) = key_named(members, &kid) else {
            return Err(jws::JwsError::UnknownKey(kid).into());
        };
        if member.id.as_str() != document.source.as_str() {
            let owner = document.source.to_string();
            return Err(Fault::ForeignKey { kid, owner });
        }
        if key.allows != KeyUse::Grant {
            return Err(Fault::KeyUse(kid));
        }
        if document.issued_at > now + AHEAD {
            return Err(Fault::Future(document.issued_at));
        }
        let day = zone.to_datetime(document.issued_at).date();
        if !key.is_valid_on(day) {
            return Err(Fault::KeyDay { kid, day });
        }
        let signature = Signature {
            serial: document.serial,
            issued_at: document.issued_at,
            kid,
            sha256,
        };
        document.granted(signature)
    }
}

/// Reads a document and checks it as it will be when it is signed.
///
/// # Errors
/// The first thing that isn't as agreed.
pub fn read(json: &[u8]) -> Result<Document, Fault> {
    let value = json::parse(json).map_err(Fault::Json)?;
    schema::grant().check(&value).map_err(Fault::Schema)?;
    // What the schema lets pass and a type doesn't is a date or a time that there isn't.
    let document: Document = serde_json::from_value(value).map_err(|_| Fault::Value)?;
    document.check()?;
    Ok(document)
}

/// Verifies a file's text, as [`Signed::open`] and [`Signed::admit`] with the members' keys.
///
/// # Errors
/// The first thing that isn't as agreed.
pub fn admit(
    stem: &str,
    text: &str,
    members: &[Member],
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Granted, Fault> {
    let key = |kid: &str| key_named(members, kid).map(|(_, key)| &key.public);
    Signed::open(text, key)?.admit(stem, members, zone, now)
}

/// Signs a document as it stands, checked before; one line with its end.
///
/// # Errors
/// When the document isn't as agreed, or the key's id isn't `<agency>/<key id>` of the document's
/// source.
pub fn sign(json: &[u8], key: &SigningKey, kid: &str) -> Result<String, Fault> {
    let document = read(json)?;
    let agency = kid.split_once('/').map(|(agency, _)| agency);
    if agency != Some(document.source.as_str()) {
        let (kid, owner) = (kid.to_owned(), document.source.to_string());
        return Err(Fault::ForeignKey { kid, owner });
    }
    // Written anew, so that whoever reads the payload sees each member once and in one order.
    let payload = serde_json::to_vec(&document).map_err(|_| Fault::Value)?;
    let mut text = jws::sign_compact(key, TYP, kid, &payload)?;
    if text.len() > MAX_BYTES {
        return Err(Fault::TooLong);
    }
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
