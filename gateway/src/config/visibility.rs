//! Visibility: the file's rules of what citizens aren't told at once in, the directory's out.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use loket_sdk::message::{LegalBasisKind, Purpose};

use super::document::{Keys, Report, Section};
use super::explain::nearest;
use super::file;
use crate::directory::{Hidden, VisibilityRule};

/// Longer is for good, and has to say why.
const MOST_DAYS: u16 = 3650;
/// A law and its article, not an essay: it stands in every entry.
const LONGEST_GROUND: usize = 120;

pub(super) fn rule(
    section: &Section<file::Visibility>,
    out: &mut Report,
) -> Option<VisibilityRule> {
    let (raw, at) = (&section.raw, &section.at);
    let purposes = words(
        &raw.purposes,
        "purposes",
        "isn't a purpose",
        Purpose::ALL,
        at,
        out,
    );
    let legal_bases = words(
        &raw.legal_bases,
        "legal_bases",
        "isn't a legal basis",
        LegalBasisKind::ALL,
        at,
        out,
    );
    if raw.purposes.is_empty() && raw.legal_bases.is_empty() {
        let message = "names neither a purpose nor a legal basis, and would hide every lookup";
        let remedy = "citizens are told of lookups; name those that are the exception";
        out.error(at, "purposes", message, remedy);
    }
    let then = match (raw.deferred_days, raw.withheld.as_deref().map(str::trim)) {
        (Some(days @ 1..=MOST_DAYS), None) => Some(Hidden::Days(days)),
        (Some(_), None) => {
            let message = format!("isn't between 1 and {MOST_DAYS}");
            let remedy = "leave the rule out to tell at once; `withheld` is for good";
            out.error(at, "deferred_days", message, remedy);
            None
        }
        (None, Some(ground)) if (3..=LONGEST_GROUND).contains(&ground.chars().count()) => {
            Some(Hidden::For(ground.into()))
        }
        (None, Some(_)) => {
            let message = format!("isn't between 3 and {LONGEST_GROUND} characters");
            let remedy = "name the law that lets it be withheld; the citizen is told this text";
            out.error(at, "withheld", message, remedy);
            None
        }
        (None, None) | (Some(_), Some(_)) => {
            let message = "doesn't say one thing: until when, or on which ground";
            let remedy = "write either deferred_days or withheld";
            out.error(at, "deferred_days", message, remedy);
            None
        }
    };
    Some(VisibilityRule {
        purposes,
        legal_bases,
        then: then?,
    })
}

/// Words of one of the SDK's closed lists.
fn words<W: Copy + Ord + Display + FromStr>(
    raw: &[toml::Spanned<String>],
    key: &str,
    message: &str,
    all: &[W],
    at: &Keys,
    out: &mut Report,
) -> BTreeSet<W> {
    let mut known = BTreeSet::new();
    for word in raw {
        match word.get_ref().parse() {
            Ok(word) => drop(known.insert(word)),
            Err(_) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                let all = all.iter().map(String::as_str).collect();
                let remedy = nearest(word.get_ref(), all);
                out.error_at(word.span(), &at.path(key), message, remedy);
            }
        }
    }
    known
}
