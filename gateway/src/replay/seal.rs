//! Seal: an answer in, bytes out that only the same caller's key, id and body open.
//!
//! AES-256-GCM under HKDF-SHA256 of the caller's key, salted with a hash of the body under the gateway's
//! own key, for this member and id. A caller without a key has the hour's: a random one in a file
//! beside, which goes when the answers go. The gateway's isn't on that disk: whoever has only the disk
//! can neither read an answer nor put another in its place, also when the body is known, nor have an id
//! refused: the head in the clear bears a MAC under the gateway's.

use std::fmt;
use std::sync::LazyLock;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use loket_sdk::ids::MemberId;
use loket_sdk::message::REPLAY_KEY_HEADER;
use uuid::Uuid;

use super::files::LENGTH;
use super::first;
use super::packed::{WORDS, pack, unpack};
use super::slots::{Id, Mac};
use crate::refusal::Refusal;

/// What a caller's answers are sealed under. It is never kept, nor shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplayKey([u8; 32]);

impl fmt::Debug for ReplayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplayKey(…)")
    }
}

impl ReplayKey {
    /// The key in a request's head, if there is one.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let mut values = headers.get_all(REPLAY_KEY_HEADER).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        let key = BASE64_STANDARD.decode(value.as_bytes()).ok();
        let key = key.and_then(|key| <[u8; 32]>::try_from(key).ok());
        match (key, values.next()) {
            (Some(key), None) => Ok(Some(Self(key))),
            _ => Err(Refusal::Malformed(
                "The header Loket-Replay-Key isn't 32 bytes in base64. Send it so, once, or leave it out"
                    .to_owned(),
            )),
        }
    }

    /// A key that was made or read here.
    pub(super) fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }
}

static WORDS_SHA256: LazyLock<Digest> = LazyLock::new(|| digest(&SHA256, WORDS));

/// Under whose key.
#[derive(Debug)]
pub(super) enum Under {
    Caller(ReplayKey),
    Hour,
}

const BY_CALLER: u8 = 1;
const BY_HOUR: u8 = 2;

/// What an answer belongs to.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    member: MemberId,
    request_id: Uuid,
    body: [u8; 32],
}

impl Bound {
    pub(super) fn of(own: &hmac::Key, member: &MemberId, request_id: Uuid, body: &[u8]) -> Self {
        let mut hash = hmac::Context::with_key(own);
        hash.update(&[3]);
        hash.update(body);
        Self {
            member: member.clone(),
            request_id,
            body: first(hash.sign().as_ref()),
        }
    }

    fn key(&self, from: &ReplayKey) -> Result<LessSafeKey, Unspecified> {
        let salted = Salt::new(HKDF_SHA256, &self.body).extract(&from.0);
        let info: [&[u8]; 5] = [
            b"loket replay v1\0",
            self.member.as_str().as_bytes(),
            b"\0",
            self.request_id.as_bytes(),
            // What was packed by other words would be another answer.
            WORDS_SHA256.as_ref(),
        ];
        let okm = salted.expand(&info, &AES_256_GCM)?;
        Ok(LessSafeKey::new(UnboundKey::from(okm)))
    }
}

/// What is to be sealed.
pub(super) struct Answer<'a> {
    pub(super) under: &'a Under,
    pub(super) bound: &'a Bound,
    pub(super) about: (&'a Id, &'a Mac, u32),
    pub(super) plain: &'a [u8],
}

/// What stands before the nonce in the clear: by whose key, when, and which id and body.
const HEAD: usize = 1 + 4 + 16 + 8;
/// And what shows that it is this gateway's.
pub(super) const MARKED: usize = HEAD + MARK;
const MARK: usize = 16;
/// A larger record's memory isn't kept for the next.
const USUAL: usize = 64 << 10;

/// Packs and seals one answer after another, in the same memory.
pub(super) struct Sealer {
    own: hmac::Key,
    record: Vec<u8>,
}

impl Sealer {
    pub(super) fn new(own: hmac::Key) -> Self {
        Self {
            own,
            record: Vec::new(),
        }
    }

    /// The record, its length first.
    pub(super) fn seal(
        &mut self,
        answer: &Answer<'_>,
        hour: impl FnOnce() -> std::io::Result<ReplayKey>,
    ) -> std::io::Result<&[u8]> {
        let unsealed = |_| std::io::Error::other("an answer can't be sealed");
        let (by, key) = match answer.under {
            Under::Caller(key) => (BY_CALLER, key.clone()),
            Under::Hour => (BY_HOUR, hour()?),
        };
        let key = answer.bound.key(&key).map_err(unsealed)?;
        let (id, mac, at) = answer.about;
        let record = &mut self.record;
        record.clear();
        record.shrink_to(USUAL);
        record.extend([0; LENGTH as usize]);
        record.push(by);
        record.extend(at.to_le_bytes());
        record.extend(id);
        record.extend(mac);
        let mark = mark(&self.own, &record[LENGTH as usize..]);
        record.extend(mark);
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(unsealed)?;
        record.extend(nonce);
        let from = record.len();
        pack(answer.plain, record);
        let (before, packed) = record.split_at_mut(from);
        let head = &before[LENGTH as usize..][..MARKED];
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(head),
                packed,
            )
            .map_err(unsealed)?;
        record.extend(tag.as_ref());
        let length = u32::try_from(record.len() - LENGTH as usize);
        let length = length.map_err(|_| std::io::Error::other("an answer is too large"))?;
        record[..LENGTH as usize].copy_from_slice(&length.to_le_bytes());
        Ok(record)
    }
}

/// A sealed answer, as it is on disk behind its length.
#[derive(Debug)]
pub(super) struct Sealed(pub(super) Vec<u8>);

impl Sealed {
    /// The answer's plain bytes; nothing if it isn't of this key, id, body and time.
    pub(super) fn open(
        mut self,
        caller: Option<&ReplayKey>,
        hour: impl FnOnce() -> Option<ReplayKey>,
        bound: &Bound,
        (id, mac, at): (&Id, &Mac, u32),
    ) -> Option<Vec<u8>> {
        let head = Head::read(&self.0)?;
        let key = match (head.by, caller) {
            (BY_CALLER, Some(key)) => key.clone(),
            (BY_HOUR, None) => hour()?,
            _ => return None,
        };
        if (head.id, head.mac, head.at) != (*id, *mac, at) {
            return None;
        }
        let key = bound.key(&key).ok()?;
        let (head, rest) = self.0.split_at_mut_checked(MARKED)?;
        let (nonce, sealed) = rest.split_first_chunk_mut::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let packed = key.open_in_place(nonce, Aad::from(&*head), sealed).ok()?;
        unpack(packed)
    }
}

/// What shows that a head is this gateway's.
fn mark(own: &hmac::Key, head: &[u8]) -> [u8; MARK] {
    let mut hash = hmac::Context::with_key(own);
    hash.update(&[4]);
    hash.update(head);
    first(hash.sign().as_ref())
}

/// What is known of a sealed answer without a caller's key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    by: u8,
    pub(super) at: u32,
    pub(super) id: Id,
    pub(super) mac: Mac,
}

impl Head {
    /// Nothing if it isn't one.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let ([by], rest) = bytes.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (mac, _) = rest.split_first_chunk()?;
        matches!(*by, BY_CALLER | BY_HOUR).then_some(Self {
            by: *by,
            at: u32::from_le_bytes(*at),
            id: *id,
            mac: *mac,
        })
    }

    /// Whether the head in these bytes is one that this gateway wrote.
    pub(super) fn is_marked(bytes: &[u8], own: &hmac::Key) -> bool {
        let head = bytes.split_at_checked(HEAD);
        head.and_then(|(head, rest)| Some((head, rest.first_chunk::<MARK>()?)))
            .is_some_and(|(head, found)| verify_slices_are_equal(&mark(own, head), found).is_ok())
    }
}
