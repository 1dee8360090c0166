//! Keys: what a member signs documents with, and what a signature said of itself.

use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::jws::PublicKey;

use super::{Member, Parts};

/// What a key may sign. One that signs answers all day stands on another machine than one that signs
/// a grant a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyUse {
    /// Grants.
    Grant,
    /// Answers about subjects.
    Answer,
}

impl KeyUse {
    /// As it is written in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Answer => "answer",
        }
    }
}

/// A key of a member, enrolled to sign documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberKey {
    /// Its id, unique within the member. A signature's `kid` is `<member>/<id>`.
    pub id: String,
    /// What it may sign.
    pub allows: KeyUse,
    /// The key.
    pub public: PublicKey,
    /// First day on which it may sign.
    pub from: Option<Date>,
    /// Last day on which it may sign.
    pub to: Option<Date>,
}

impl MemberKey {
    /// Whether it may sign on this day.
    #[must_use]
    pub fn is_valid_on(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}

/// What is known of the signature of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Grows with each change of the grant.
    pub serial: u64,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// The key: `<agency>/<key id>`.
    pub kid: String,
    /// SHA-256 of the signed text.
    pub sha256: [u8; 32],
}

/// The key that a `kid` names, and whose it is.
#[must_use]
pub fn key_named<'m>(members: &'m [Member], kid: &str) -> Option<(&'m Member, &'m MemberKey)> {
    let (member, id) = kid.split_once('/')?;
    let member = members.iter().find(|it| it.id.as_str() == member)?;
    let key = member.keys.iter().find(|key| key.id == id)?;
    Some((member, key))
}

/// Ids of keys that a member has twice.
pub(super) fn named_twice(parts: &Parts) -> impl Iterator<Item = (usize, &str)> {
    parts.members.iter().enumerate().flat_map(|(m, member)| {
        let keys = member.keys.iter().enumerate();
        let twice = keys.filter(|(k, key)| member.keys[..*k].iter().any(|it| it.id == key.id));
        twice.map(move |(_, key)| (m, key.id.as_str()))
    })
}
