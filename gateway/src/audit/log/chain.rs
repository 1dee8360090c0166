//! How an entry becomes a line, and what makes a line the next one of the chain.

use std::io::{self, Write};
use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use memchr::memmem::Finder;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize as DeserializeDerive, Serialize};

use super::{AuditError, Receipt};

/// Where the hash of a line ends.
const HASH_END: usize = 64;
/// Where the JSON text of a line begins.
pub(crate) const JSON_START: usize = HASH_END + 1;

/// What is wrong with an entry.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// The text and the hash before it don't belong together.
    #[error("its text doesn't match its hash: it was altered")]
    Altered,
    /// The hash is right, but of something that this log doesn't write.
    #[error("it isn't an entry of this log")]
    Malformed,
    /// Another number stands where this entry should.
    #[error("entry {found} stands in its place: entries were removed, added or reordered")]
    OutOfPlace {
        /// The number that was found.
        found: u64,
    },
    /// It names another hash than that of the entry before it.
    #[error("it doesn't follow from the entry before it: one of the two was rewritten")]
    Unchained,
    /// Its time is before that of the entry before it.
    #[error("it is dated before the entry before it")]
    BackDated,
    /// A segment that isn't the last one ends in the middle of a line.
    #[error("it is cut off, and segments follow")]
    CutOff,
    /// The next segment begins with another entry than the one that is due.
    #[error("the next segment begins at {found}: entries or a whole segment are missing")]
    Gap {
        /// The entry that the next segment is named after.
        found: u64,
    },
    /// The file system refused; this says nothing about the entry.
    #[error("it can't be read")]
    Unreadable(#[source] io::Error),
}

/// A caller's object on one line, whose members can follow those of the log.
pub(super) struct Members {
    text: Vec<u8>,
    /// Where the members begin: after the brace.
    start: usize,
}

/// Room for the entry of a lookup of some records, so that writing it allocates once.
const USUAL: usize = 2048;

impl Members {
    pub(super) fn of<T: Serialize + ?Sized>(entry: &T) -> Result<Self, AuditError> {
        let mut text = Vec::with_capacity(USUAL);
        serde_json::to_writer(&mut text, entry)
            .map_err(|_| AuditError::Invalid("it can't be serialised"))?;
        if !is_plainly_free(&text) {
            // The cause would quote the entry, so it isn't passed on.
            serde_json::from_slice::<Free>(&text).map_err(|_| {
                AuditError::Invalid(
                    "it must be an object without `entry`, `prev`, `at` and `clock`",
                )
            })?;
        }
        // Only raw values bring line breaks, and outside strings, where they mean nothing.
        while let Some(at) = memchr::memchr2(b'\n', b'\r', &text) {
            text[at] = b' ';
        }
        text.truncate(text.trim_ascii_end().len());
        let start = text.len() - text.trim_ascii_start().len() + 1;
        Ok(Self { text, start })
    }

    pub(super) fn len(&self) -> usize {
        self.bytes().len()
    }

    fn bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

/// Whether text that serde_json wrote is an object without the log's own members, seen without
/// reading it: no string in it is one of those names, however deep. Most entries are like that; what
/// isn't, or could hide a name behind an escape, has to be read.
fn is_plainly_free(text: &[u8]) -> bool {
    // Made once: for a text as short as an entry it costs more than the search.
    static OWN: LazyLock<[Finder<'static>; 4]> =
        LazyLock::new(|| [r#""entry""#, r#""prev""#, r#""at""#, r#""clock""#].map(Finder::new));
    text.starts_with(b"{")
        && memchr::memchr(b'\\', text).is_none()
        && OWN.iter().all(|name| name.find(text).is_none())
}

/// An object that has none of the log's own members.
struct Free;

#[derive(DeserializeDerive)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Name {
    Entry,
    Prev,
    At,
    Clock,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Free {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Free;

            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Free, A::Error> {
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    match name {
                        Name::Other => {}
                        Name::Entry | Name::Prev | Name::At | Name::Clock => {
                            return Err(A::Error::custom("reserved"));
                        }
                    }
                }
                Ok(Free)
            }
        }
        from.deserialize_map(Object)
    }
}

/// Where the chain stands: the last entry's number, hash and time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain {
    pub(crate) entries: u64,
    pub(crate) hash: [u8; 32],
    pub(crate) at: Option<Timestamp>,
}

impl Chain {
    /// The chain that ends in `line`, taken by itself.
    pub(super) fn ending_in(line: &[u8]) -> Result<Self, Flaw> {
        let line = Line::parse(line)?;
        Ok(Self {
            entries: line.entry,
            hash: line.hash,
            at: Some(line.at),
        })
    }

    /// The number of the next entry.
    pub(crate) fn next(&self) -> u64 {
        // A forged line may claim the last number there is.
        self.entries.saturating_add(1)
    }

    /// Adds the next entry's line to `out`.
    pub(super) fn append(
        &mut self,
        now: Timestamp,
        members: &Members,
        out: &mut Vec<u8>,
    ) -> Receipt {
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        // A clock that was set back must not date an entry before its predecessor; what it says is
        // told beside, or all entries until it catches up would seem to be of one moment.
        let at = self.at.map_or(now, |last| now.max(last));
        let entry = self.next();
        let start = out.len();
        out.extend_from_slice(&[b'0'; HASH_END]);
        // Writing to a vector can't fail.
        let _ = write!(out, r#" {{"entry":{entry},"prev":""#);
        out.extend_from_slice(&hex(&self.hash));
        let _ = write!(out, r#"","at":"{at:.6}""#);
        if now < at {
            let _ = write!(out, r#","clock":"{now:.6}""#);
        }
        let members = members.bytes();
        if !members.trim_ascii_start().starts_with(b"}") {
            out.push(b',');
        }
        out.extend_from_slice(members);
        let hash = sha256(&out[start + JSON_START..]);
        out[start..start + HASH_END].copy_from_slice(&hex(&hash));
        out.push(b'\n');
        *self = Self {
            entries: entry,
            hash,
            at: Some(at),
        };
        Receipt { entry, at, hash }
    }

    /// Moves on to `line` (without its line break) if it is the next one.
    pub(crate) fn follow(&mut self, line: &[u8]) -> Result<(), Flaw> {
        let line = Line::parse(line)?;
        if line.entry != self.next() {
            return Err(Flaw::OutOfPlace { found: line.entry });
        }
        if line.prev != hex(&self.hash) {
            return Err(Flaw::Unchained);
        }
        if self.at.is_some_and(|last| line.at < last) {
            return Err(Flaw::BackDated);
        }
        self.entries = line.entry;
        self.hash = line.hash;
        self.at = Some(line.at);
        Ok(())
    }
}

struct Line<'a> {
    hash: [u8; 32],
    entry: u64,
    prev: &'a [u8],
    at: Timestamp,
}

impl<'a> Line<'a> {
    fn parse(line: &'a [u8]) -> Result<Self, Flaw> {
        let (stored, json) = line.split_at_checked(JSON_START).ok_or(Flaw::Altered)?;
        let hash = sha256(json);
        if stored[..HASH_END] != hex(&hash) || stored[HASH_END] != b' ' {
            return Err(Flaw::Altered);
        }
        let text = str::from_utf8(json).map_err(|_| Flaw::Malformed)?;
        let (entry, prev, at) = head(text).ok_or(Flaw::Malformed)?;
        Ok(Self {
            hash,
            entry,
            prev,
            at,
        })
    }
}

/// Reads the members that the log wrote: always these three, always first, never spaced.
fn head(text: &str) -> Option<(u64, &[u8], Timestamp)> {
    let (entry, rest) = text.strip_prefix(r#"{"entry":"#)?.split_once(',')?;
    let (prev, rest) = rest.strip_prefix(r#""prev":""#)?.split_once('"')?;
    let (at, rest) = rest.strip_prefix(r#","at":""#)?.split_once('"')?;
    if !rest.starts_with([',', '}', ' ']) || !rest.ends_with('}') {
        return None;
    }
    Some((entry.parse().ok()?, prev.as_bytes(), at.parse().ok()?))
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

pub(super) fn hex(hash: &[u8; 32]) -> [u8; HASH_END] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; HASH_END];
    for (pair, byte) in text.chunks_exact_mut(2).zip(hash) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}
