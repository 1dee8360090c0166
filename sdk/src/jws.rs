//! JWS: signatures over documents, compact or detached (RFC 7515).
//!
//! In: a payload and a key; or a signature, the type that it must have, and the keys that may have
//! made it. Out: a signature; or what was signed and by which key. The key stands for who signs, so
//! it comes from the verifier's own register, never from the signature. Refused are headers with
//! more than `alg`, `kid` and `typ` (so `crit`, `jwk`, `jku`, `x5u`, `x5c` and `b64` too), a member
//! named twice, an algorithm that isn't the key's, and base64url that isn't canonical, padded, or
//! broken by white space.

mod key;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::json::{self, JsonError};

pub use key::{Algorithm, KeyError, PublicKey, SigningKey};

/// Longest header, in characters as written.
pub const MAX_HEADER: usize = 1_024;
/// Longest compact signature with its payload, in characters.
pub const MAX_COMPACT: usize = 262_144;
/// Longest key id, and longest type.
pub const MAX_NAME: usize = 200;
/// Both algorithms' signatures have 64 bytes.
const SIGNATURE_CHARS: usize = 86;

/// What a signature says of itself; believe it only once it is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The algorithm.
    pub alg: Algorithm,
    /// Which key signed.
    pub kid: String,
    /// What kind of document is signed.
    pub typ: String,
}

/// A verified document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What stood above the signature.
    pub header: Header,
    /// What was signed.
    pub payload: Vec<u8>,
}

/// Why a signature doesn't count, or can't be made. Quotes no more than names from the header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsError {
    /// Not of the form.
    #[error("it isn't three parts of base64url between two dots")]
    Parts,
    /// Too long to be read.
    #[error("it is longer than {0} characters")]
    TooLong(usize),
    /// The payload stands within where it should be left out, or the reverse.
    #[error("{}", match .0 {
        true => "it holds its payload, and should be detached from it",
        false => "it is detached from its payload, and should hold it",
    })]
    Attached(bool),
    /// A part isn't base64url as it must be written.
    #[error("its {0} isn't canonical base64url without padding")]
    Base64(&'static str),
    /// The header isn't strict JSON.
    #[error("its header isn't as agreed: {0}")]
    Header(#[from] JsonError),
    /// The header isn't an object.
    #[error("its header isn't a JSON object")]
    NoObject,
    /// The header has a member that isn't agreed.
    #[error("its header has the member {0:?}; only alg, kid and typ are agreed")]
    Member(String),
    /// The header lacks a member, or has it empty, too long or not as printable ASCII.
    #[error("its header has no usable {0}")]
    Lacks(&'static str),
    /// The algorithm is none of ours; `none` is none of ours.
    #[error("its algorithm is {0:?}; Ed25519 and ES256 are agreed")]
    Algorithm(String),
    /// It is a signature of another kind of document.
    #[error("its type is {found:?} and should be {wanted:?}")]
    Type {
        /// What the header says.
        found: String,
        /// What is wanted here.
        wanted: String,
    },
    /// Nobody that we know has this key.
    #[error("its key {0:?} isn't known")]
    UnknownKey(String),
    /// The header names another algorithm than the key's.
    #[error("its algorithm isn't that of the key {0:?}")]
    KeyAlgorithm(String),
    /// The signature isn't of this key over these bytes.
    #[error("the signature isn't that of the key {0:?}: it was altered, or signed by another")]
    Signature(String),
    /// The key can't sign.
    #[error("the key can't sign")]
    CantSign,
}

/// Signs a payload and puts it between header and signature.
///
/// # Errors
/// When `typ` or `kid` can't stand in a header, the result would be too long, or the key can't sign.
///
/// ```
/// use loket_sdk::jws::{self, SigningKey};
///
/// let key = SigningKey::generate()?;
/// let public = key.public_key();
/// let signed = jws::sign_compact(&key, "example+jws", "dukcapil/2026", b"{}")?;
/// let read = jws::verify_compact(&signed, "example+jws", |kid| {
///     (kid == "dukcapil/2026").then_some(public)
/// })?;
/// assert_eq!(read.payload, b"{}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sign_compact(
    key: &SigningKey,
    typ: &str,
    kid: &str,
    payload: &[u8],
) -> Result<String, JwsError> {
    let mut signed = header(key, typ, kid)?;
    signed.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut signed);
    if signed.len() + 1 + SIGNATURE_CHARS > MAX_COMPACT {
        return Err(JwsError::TooLong(MAX_COMPACT));
    }
    let signature = key.sign(signed.as_bytes()).ok_or(JwsError::CantSign)?;
    signed.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut signed);
    Ok(signed)
}

/// Signs a payload that travels apart from its signature (RFC 7515, appendix F): what is signed is
/// the same, and what is returned has nothing between the dots.
///
/// # Errors
/// When `typ` or `kid` can't stand in a header, or the key can't sign.
pub fn sign_detached(
    key: &SigningKey,
    typ: &str,
    kid: &str,
    payload: &[u8],
) -> Result<String, JwsError> {
    let mut detached = header(key, typ, kid)?;
    let signature = key.sign(&input(&detached, payload));
    detached.push_str("..");
    URL_SAFE_NO_PAD.encode_string(signature.ok_or(JwsError::CantSign)?, &mut detached);
    Ok(detached)
}

/// Verifies a compact signature: its type, its key and every bit of header and payload.
///
/// `key` finds the key of a `kid`; whether that key may sign this document is the caller's to
/// say.
///
/// # Errors
/// When anything isn't as agreed.
pub fn verify_compact<'k>(
    jws: &str,
    typ: &str,
    key: impl FnOnce(&str) -> Option<&'k PublicKey>,
) -> Result<Verified, JwsError> {
    let parts = Parts::of(jws, MAX_COMPACT)?;
    if parts.payload.is_empty() {
        return Err(JwsError::Attached(false));
    }
    let header = parts.header()?;
    let payload = decode("payload", parts.payload)?;
    let signed = &jws[..parts.head.len() + 1 + parts.payload.len()];
    check(&header, typ, key, signed.as_bytes(), parts.signature)?;
    Ok(Verified { header, payload })
}

/// Verifies a detached signature over a payload; bounds on the payload are the caller's.
///
/// # Errors
/// When anything isn't as agreed.
pub fn verify_detached<'k>(
    jws: &str,
    payload: &[u8],
    typ: &str,
    key: impl FnOnce(&str) -> Option<&'k PublicKey>,
) -> Result<Header, JwsError> {
    let parts = Parts::of(jws, MAX_HEADER + 2 + SIGNATURE_CHARS)?;
    if !parts.payload.is_empty() {
        return Err(JwsError::Attached(true));
    }
    let header = parts.header()?;
    let signed = input(parts.head, payload);
    check(&header, typ, key, &signed, parts.signature)?;
    Ok(header)
}

/// What a compact signature says, unverified: to show it, never to act on it.
///
/// # Errors
/// When it can't be read.
pub fn read_unverified(jws: &str) -> Result<Verified, JwsError> {
    let parts = Parts::of(jws, MAX_COMPACT)?;
    Ok(Verified {
        header: parts.header()?,
        payload: decode("payload", parts.payload)?,
    })
}

fn check<'k>(
    header: &Header,
    typ: &str,
    key: impl FnOnce(&str) -> Option<&'k PublicKey>,
    signed: &[u8],
    signature: &str,
) -> Result<(), JwsError> {
    if header.typ != typ {
        return Err(JwsError::Type {
            found: header.typ.clone(),
            wanted: typ.to_owned(),
        });
    }
    let signature = decode("signature", signature)?;
    let key = key(&header.kid).ok_or_else(|| JwsError::UnknownKey(header.kid.clone()))?;
    if key.algorithm() != header.alg {
        return Err(JwsError::KeyAlgorithm(header.kid.clone()));
    }
    match key.verifies(signed, &signature) {
        true => Ok(()),
        false => Err(JwsError::Signature(header.kid.clone())),
    }
}

/// What is signed of a detached payload.
fn input(head: &str, payload: &[u8]) -> Vec<u8> {
    let mut input = String::with_capacity(head.len() + 2 + payload.len().div_ceil(3) * 4);
    input.push_str(head);
    input.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut input);
    input.into_bytes()
}

fn header(key: &SigningKey, typ: &str, kid: &str) -> Result<String, JwsError> {
    for (name, text) in [("kid", kid), ("typ", typ)] {
        if !is_name(text) {
            return Err(JwsError::Lacks(name));
        }
    }
    let header = json!({"alg": key.public_key().algorithm().as_str(), "kid": kid, "typ": typ});
    Ok(URL_SAFE_NO_PAD.encode(header.to_string()))
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

struct Parts<'a> {
    head: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn of(jws: &'a str, longest: usize) -> Result<Self, JwsError> {
        if jws.len() > longest {
            return Err(JwsError::TooLong(longest));
        }
        let mut parts = jws.split('.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(head), Some(payload), Some(signature), None) if !head.is_empty() => Ok(Self {
                head,
                payload,
                signature,
            }),
            _ => Err(JwsError::Parts),
        }
    }

    fn header(&self) -> Result<Header, JwsError> {
        if self.head.len() > MAX_HEADER {
            return Err(JwsError::TooLong(MAX_HEADER));
        }
        let Value::Object(mut members) = json::parse(&decode("header", self.head)?)? else {
            return Err(JwsError::NoObject);
        };
        let alg = name(&mut members, "alg")?;
        let kid = name(&mut members, "kid")?;
        let typ = name(&mut members, "typ")?;
        if let Some((member, _)) = members.into_iter().next() {
            return Err(JwsError::Member(member));
        }
        let alg = Algorithm::named(&alg).ok_or(JwsError::Algorithm(alg))?;
        Ok(Header { alg, kid, typ })
    }
}

fn name(members: &mut Map<String, Value>, member: &'static str) -> Result<String, JwsError> {
    match members.remove(member) {
        Some(Value::String(text)) if is_name(&text) => Ok(text),
        _ => Err(JwsError::Lacks(member)),
    }
}

/// The engine refuses padding, and bits that are left over.
fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| JwsError::Base64(part))
}

#[cfg(test)]
mod tests;
