//! Draft: an entry before it has a place in the log. Leaf: the text that has one.
//!
//! A leaf is one JSON object: `at` first, what the clock said beside it where that differs, then the
//! entry's own members. Its number is its place in the tree, so the text doesn't say it.

use std::io::Write;
use std::sync::LazyLock;

use jiff::Timestamp;
use memchr::memmem::Finder;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize as DeserializeDerive, Serialize};

/// How long a leaf may be: a bundle of C2SP's `tlog-tiles` counts its bytes in sixteen bits.
pub const MAX_LEAF: usize = u16::MAX as usize;

/// What `at` and `clock` take at most.
const DATES: usize = 96;

/// Room for the entry of a lookup of some records, so that writing it allocates once.
const USUAL: usize = 2048;

/// A caller's object on one line, whose members can follow those of the log.
#[derive(Debug, Clone)]
pub struct Draft {
    text: Vec<u8>,
    /// Where the members begin: after the brace.
    start: usize,
}

/// Why something can't be an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAnEntry(pub &'static str);

impl Draft {
    /// The object as text.
    ///
    /// # Errors
    /// When it isn't an object, has a member that the log writes itself, or is too long.
    pub fn of<T: Serialize + ?Sized>(entry: &T) -> Result<Self, NotAnEntry> {
        let mut text = Vec::with_capacity(USUAL);
        serde_json::to_writer(&mut text, entry)
            .map_err(|_| NotAnEntry("it can't be serialised"))?;
        if !is_plainly_free(&text) {
            // The cause would quote the entry, so it isn't passed on.
            serde_json::from_slice::<Free>(&text).map_err(|_| {
                NotAnEntry("it must be an object without `entry`, `at` and `clock`")
            })?;
        }
        if text.len() > MAX_LEAF - DATES {
            return Err(NotAnEntry("it is longer than an entry may be"));
        }
        // Only raw values bring line breaks, and outside strings, where they mean nothing.
        while let Some(at) = memchr::memchr2(b'\n', b'\r', &text) {
            text[at] = b' ';
        }
        text.truncate(text.trim_ascii_end().len());
        let start = text.len() - text.trim_ascii_start().len() + 1;
        Ok(Self { text, start })
    }

    /// How many bytes it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members().len()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn members(&self) -> &[u8] {
        &self.text[self.start..]
    }

    /// Adds its leaf to `out`, and says how it is dated: now, in whole microseconds, but never before
    /// `last`.
    ///
    /// A clock that was set back must not date an entry before its predecessor; what it says is told
    /// beside, or all entries until it catches up would seem to be of one moment.
    pub fn write(&self, now: Timestamp, last: Option<Timestamp>, out: &mut Vec<u8>) -> Timestamp {
        let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
        let at = last.map_or(now, |last| now.max(last));
        // Writing to a vector can't fail.
        let _ = write!(out, r#"{{"at":"{at:.6}""#);
        if now < at {
            let _ = write!(out, r#","clock":"{now:.6}""#);
        }
        let members = self.members();
        if !members.trim_ascii_start().starts_with(b"}") {
            out.push(b',');
        }
        out.extend_from_slice(members);
        at
    }
}

/// When a leaf is dated; nothing if it isn't one that this log writes.
#[must_use]
pub fn dated(leaf: &[u8]) -> Option<Timestamp> {
    let (at, rest) = member(leaf, br#"{"at":""#)?;
    if !rest.ends_with(b"}") || !matches!(rest.first(), Some(b',' | b'}' | b' ')) {
        return None;
    }
    at.parse().ok()
}

/// What the clock said when a leaf was written, also while that was before the last entry's date.
#[must_use]
pub fn clocked(leaf: &[u8]) -> Option<Timestamp> {
    let (at, rest) = member(leaf, br#"{"at":""#)?;
    let (clock, _) = member(rest, br#","clock":""#).unwrap_or((at, rest));
    clock.parse().ok()
}

/// The text after `name` up to the next quote, and what follows that.
fn member<'a>(leaf: &'a [u8], name: &[u8]) -> Option<(&'a str, &'a [u8])> {
    let rest = leaf.strip_prefix(name)?;
    let end = memchr::memchr(b'"', rest)?;
    Some((str::from_utf8(&rest[..end]).ok()?, &rest[end + 1..]))
}

/// Whether text that serde_json wrote is an object without the log's own members, seen without
/// reading it: no string in it is one of those names, however deep. Most entries are like that; what
/// isn't, or could hide a name behind an escape, has to be read.
fn is_plainly_free(text: &[u8]) -> bool {
    // Made once: for a text as short as an entry it costs more than the search.
    static OWN: LazyLock<[Finder<'static>; 3]> =
        LazyLock::new(|| [r#""entry""#, r#""at""#, r#""clock""#].map(Finder::new));
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
                        Name::Entry | Name::At | Name::Clock => {
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

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::{Value, json};

    use super::*;

    fn leaf(draft: &Draft, now: Timestamp, last: Option<Timestamp>) -> (String, Timestamp) {
        let mut out = Vec::new();
        let at = draft.write(now, last, &mut out);
        assert_eq!(dated(&out), Some(at));
        (String::from_utf8(out).unwrap(), at)
    }

    #[test]
    fn a_leaf_begins_with_its_date() {
        let draft = Draft::of(&json!({ "kind": "lookup", "case_id": "c-1" })).unwrap();
        let now: Timestamp = "2026-11-24T08:00:00.1234567Z".parse().unwrap();
        let (text, at) = leaf(&draft, now, None);
        let expected = r#"{"at":"2026-11-24T08:00:00.123456Z","case_id":"c-1","kind":"lookup"}"#;
        assert_eq!(text, expected);
        let ahead = at + SignedDuration::from_hours(1);
        let (text, at) = leaf(&draft, now, Some(ahead));
        assert_eq!(at, ahead);
        let said: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(said["clock"], "2026-11-24T08:00:00.123456Z");
        assert_eq!(said["clock"], clocked(text.as_bytes()).unwrap().to_string());
    }

    #[test]
    fn what_is_not_an_entry_is_refused() {
        for not in [
            json!(null),
            json!("text"),
            json!([1]),
            json!({ "entry": 1 }),
            json!({ "a": 1, "at": "now" }),
            json!({ "clock": "then" }),
            json!({ "long": "x".repeat(MAX_LEAF) }),
        ] {
            assert!(Draft::of(&not).is_err(), "{not}");
        }
        for hidden in [r#"{"\u0061t": 1}"#, " { \"entry\" : 1 }"] {
            let raw = serde_json::value::RawValue::from_string(hidden.trim().to_owned()).unwrap();
            assert!(Draft::of(&raw).is_err(), "{hidden}");
        }
        for odd in [
            "{}",
            r#"{"a": "at", "b": ["\u0061t"]}"#,
            "{ }",
            "{\n \"a\": \"\\n\",\r\n \"ü\": {\"entry\": 1}\n}",
        ] {
            let raw = serde_json::value::RawValue::from_string(odd.to_owned()).unwrap();
            let (text, _) = leaf(&Draft::of(&raw).unwrap(), Timestamp::now(), None);
            assert!(!text.contains('\n'), "{text}");
            serde_json::from_str::<Value>(&text).unwrap();
        }
        for not in [
            "",
            "{}",
            r#"{"at":"now"}"#,
            r#"{"at":"2026-11-24T08:00:00Z""#,
        ] {
            assert_eq!(dated(not.as_bytes()), None, "{not}");
        }
    }
}
