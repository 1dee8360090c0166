//! Visibility: the file's rules of what citizens aren't told at once in, the directory's out.

use loket_sdk::message::{LegalBasisKind, Purpose};

use super::document::{Report, Section};
use super::file;
use super::unsigned::words;
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
    if raw.purposes.is_empty() {
        // A grant binds a purpose to a member; the legal basis is what the caller says it is.
        let message = match raw.legal_bases.is_empty() {
            true => "names no purpose, and would hide every lookup",
            false => {
                "names no purpose: by stating the legal basis, whoever asks would choose whether the citizen is told"
            }
        };
        let remedy = "citizens are told of lookups; name the purposes that are the exception";
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
