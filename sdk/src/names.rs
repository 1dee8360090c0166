//! Whether two registries write the same person's name.
//!
//! In: two names as registries hold them. Out: one of four degrees, [`NameMatch`]. Only the
//! first two are a match; a variant is for a human to look at. Refused, as
//! [`NameMatch::Different`]: names of more than 200 characters, since the comparison is quadratic
//! in the number of words.
//!
//! Registries differ lawfully: titles may stand on the identity card and the family card but not
//! on civil deeds, a passport drops punctuation, and documents from before 21 April 2022 stay
//! valid with one-word and long names (Permendagri 73/2022).
//!
//! ```
//! use loket_sdk::names::{NameMatch, compare};
//!
//! assert_eq!(compare("BAGAS CONTOH", "Bagas  Contoh"), NameMatch::Equal);
//! assert_eq!(compare("M. FIRMAN CONTOH", "M FIRMAN CONTOH"), NameMatch::Equivalent);
//! assert_eq!(compare("SOERYO CONTOH", "SURYO CONTOH"), NameMatch::Variant);
//! assert_eq!(compare("WAGIMAN", "BAGAS CONTOH PRATAMA"), NameMatch::Different);
//! ```

mod fold;
mod pair;
mod titles;

use serde::{Deserialize, Serialize};

/// Longer names are taken for different: the schemas allow 100 characters.
const MAX_CHARS: usize = 200;

/// How near two names are. Source: Permendagri 73/2022 for what may lawfully differ.
///
/// Exhaustive on purpose: the four words are on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameMatch {
    /// The same letters, whatever the case and the spaces.
    Equal,
    /// The same after diacritics are folded as ICAO Doc 9303 does, apostrophes and punctuation
    /// are dropped, and BIN, BINTI, OĞLU and QIZI are left out.
    Equivalent,
    /// Possibly the same: titles, initials, short forms, old spelling, one slip of the pen,
    /// another order, words joined or apart. Never a match without a human.
    Variant,
    /// Another name.
    Different,
}

impl NameMatch {
    /// Whether a claim on the name is a match: equal or equivalent, never a variant.
    pub const fn is_match(self) -> bool {
        matches!(self, Self::Equal | Self::Equivalent)
    }

    /// The word of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Equivalent => "equivalent",
            Self::Variant => "variant",
            Self::Different => "different",
        }
    }
}

/// Compares two names; the order of the two doesn't matter.
pub fn compare(a: &str, b: &str) -> NameMatch {
    if is_too_long(a) || is_too_long(b) {
        return NameMatch::Different;
    }
    if a == b || fold::plain(a) == fold::plain(b) {
        return NameMatch::Equal;
    }
    let (a, b) = (fold::words(a), fold::words(b));
    if a.is_empty() || b.is_empty() {
        return NameMatch::Different;
    }
    if a == b {
        return NameMatch::Equivalent;
    }
    // `S E` at the end may be Sarjana Ekonomi or Setia Eka: both readings count.
    let with_titles = is_variant(&a, &b);
    match with_titles || is_variant(titles::without(&a), titles::without(&b)) {
        true => NameMatch::Variant,
        false => NameMatch::Different,
    }
}

fn is_too_long(name: &str) -> bool {
    name.chars().nth(MAX_CHARS).is_some()
}

fn is_variant(a: &[String], b: &[String]) -> bool {
    if a.concat() == b.concat() {
        return true;
    }
    let (shorter, longer) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    // One word of three is no evidence: half a village shares it.
    let too_little = shorter.len() == 1 && longer.len() > 2;
    !too_little && pair::all_pair(shorter, longer)
}

#[cfg(test)]
mod tests;
