//! Compare: two documents in, plain sentences out: what the second lets through that the first didn't,
//! and the reverse.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::Document;
use crate::directory::{GrantState, Mode};

/// What a difference means for the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Neither.
    Alike,
    /// Less is let through.
    Narrower,
    /// More is let through.
    Wider,
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it means.
    pub effect: Effect,
    /// In words.
    pub sentence: String,
}

/// What differs, in the order of the document.
#[must_use]
pub fn compare(old: &Document, new: &Document) -> Vec<Difference> {
    let mut out = Vec::new();
    let mut say = |effect, sentence: String| out.push(Difference { effect, sentence });
    let whole = [
        (
            "consumer",
            old.consumer.to_string(),
            new.consumer.to_string(),
        ),
        ("source", old.source.to_string(), new.source.to_string()),
        (
            "record",
            shown(old.record.as_ref()),
            shown(new.record.as_ref()),
        ),
        (
            "service",
            shown(old.service.as_ref()),
            shown(new.service.as_ref()),
        ),
        ("grant_id", old.grant_id.clone(), new.grant_id.clone()),
    ];
    for (key, old, new) in whole {
        if old != new {
            say(
                Effect::Wider,
                format!("{key} was {old} and is {new}: this is another grant"),
            );
        }
    }
    let words = [
        ("agreement", old.agreement.clone(), new.agreement.clone()),
        (
            "dpia_ref",
            shown(old.dpia_ref.as_ref()),
            shown(new.dpia_ref.as_ref()),
        ),
    ];
    for (key, old, new) in words {
        if old != new {
            say(Effect::Alike, format!("{key} was {old} and is {new}"));
        }
    }
    sets("purpose", &old.purposes, &new.purposes, &mut say);
    sets("field", &old.fields, &new.fields, &mut say);
    sets("method", &old.methods, &new.methods, &mut say);
    sets("path", &old.paths, &new.paths, &mut say);
    match (old.mode, new.mode) {
        (Some(Mode::Verify), Some(Mode::Read)) => {
            say(
                Effect::Wider,
                "values may be read, not only claims verified".into(),
            );
        }
        (Some(Mode::Read), Some(Mode::Verify)) => {
            say(
                Effect::Narrower,
                "claims may be verified, and values no longer read".into(),
            );
        }
        _ => {}
    }
    if old.daily_quota != new.daily_quota {
        let bound = |quota: Option<u64>| quota.unwrap_or(u64::MAX);
        let words = |quota: Option<u64>| quota.map_or("without bound".into(), |it| it.to_string());
        let (before, after) = (words(old.daily_quota), words(new.daily_quota));
        let sentence = format!("the daily quota was {before} and is {after}");
        say(
            effect(bound(new.daily_quota) > bound(old.daily_quota)),
            sentence,
        );
    }
    if old.valid_from != new.valid_from {
        let sentence = format!(
            "the first day was {} and is {}",
            old.valid_from, new.valid_from
        );
        say(effect(new.valid_from < old.valid_from), sentence);
    }
    if old.valid_to != new.valid_to {
        let sentence = format!("the last day was {} and is {}", old.valid_to, new.valid_to);
        say(effect(new.valid_to > old.valid_to), sentence);
    }
    if old.state != new.state {
        let (before, after) = (old.state.as_str(), new.state.as_str());
        let effect = match (old.state, new.state) {
            (_, GrantState::Active) => Effect::Wider,
            (GrantState::Active, _) => Effect::Narrower,
            _ => Effect::Alike,
        };
        say(effect, format!("the state was {before} and is {after}"));
    }
    if old.break_glass_ok != new.break_glass_ok {
        let sentence = match new.break_glass_ok {
            true => "a lookup may break the glass within it",
            false => "no lookup may break the glass within it",
        };
        say(effect(new.break_glass_ok), sentence.into());
    }
    if old.stale_ok != new.stale_ok {
        let sentence = match new.stale_ok {
            true => "the last good answer may stand in when the source fails",
            false => "the last good answer may no longer stand in when the source fails",
        };
        say(effect(new.stale_ok), sentence.into());
    }
    match new.serial.cmp(&old.serial) {
        _ if out.is_empty() && old.serial == new.serial => {}
        std::cmp::Ordering::Greater => out.push(Difference {
            effect: Effect::Alike,
            sentence: format!("the serial grows from {} to {}", old.serial, new.serial),
        }),
        _ => out.push(Difference {
            effect: Effect::Alike,
            sentence: format!(
                "the serial was {} and is {}: gateways refuse the change until it grows",
                old.serial, new.serial
            ),
        }),
    }
    out
}

fn effect(wider: bool) -> Effect {
    match wider {
        true => Effect::Wider,
        false => Effect::Narrower,
    }
}

fn shown<T: Display>(value: Option<&T>) -> String {
    value.map_or("none".into(), T::to_string)
}

fn sets<T: Ord + Display>(
    what: &str,
    old: &BTreeSet<T>,
    new: &BTreeSet<T>,
    say: &mut impl FnMut(Effect, String),
) {
    for added in new.difference(old) {
        say(Effect::Wider, format!("the {what} {added} is added"));
    }
    for removed in old.difference(new) {
        say(
            Effect::Narrower,
            format!("the {what} {removed} is taken out"),
        );
    }
}
