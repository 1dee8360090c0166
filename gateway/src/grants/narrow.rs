//! Narrowing: what an operator takes away from a grant, for a reason. It never adds.

use std::collections::BTreeSet;
use std::fmt::Display;

use jiff::civil::Date;
use loket_sdk::message::Purpose;

use super::Granted;
use crate::directory::GrantState;

/// What is left of a grant, said by the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Narrowing {
    /// The fields that are left.
    pub fields: Option<BTreeSet<String>>,
    /// The purposes that are left.
    pub purposes: Option<BTreeSet<Purpose>>,
    /// Questions or calls a day that are left.
    pub daily_quota: Option<u64>,
    /// The last day that is left.
    pub valid_to: Option<Date>,
    /// Whether nothing is left for now.
    pub suspended: bool,
    /// Why, for the agency and the auditor.
    pub reason: String,
}

/// What a narrowing would add.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("would widen the grant {grant}: {what}")]
pub struct Widening {
    /// The key of the narrowing.
    pub key: &'static str,
    grant: String,
    what: String,
}

/// Takes away. A grant that isn't active lets nothing through, so nothing can widen it: an agency that
/// suspends one isn't held up by what an operator wrote before.
///
/// # Errors
/// Everything that the narrowing would add; the grant is narrowed nevertheless.
pub fn narrow(granted: &mut Granted, by: &Narrowing) -> Result<(), Vec<Widening>> {
    let grant = granted.id().to_owned();
    let mut wrong = Vec::new();
    let mut say = |key, what: String| {
        wrong.push(Widening {
            key,
            grant: grant.clone(),
            what,
        });
    };
    let (quota, last, state, narrowed) = match granted {
        Granted::Record(grant) => {
            keep(&mut grant.fields, by.fields.as_ref(), |extra| {
                say("fields", format!("it doesn't name {extra}"));
            });
            keep(&mut grant.purposes, by.purposes.as_ref(), |extra| {
                say("purposes", format!("it isn't for {extra}"));
            });
            (
                &mut grant.daily_quota,
                &mut grant.valid_to,
                &mut grant.state,
                &mut grant.narrowed,
            )
        }
        Granted::Service(grant) => {
            for (key, there) in [
                ("fields", by.fields.is_some()),
                ("purposes", by.purposes.is_some()),
            ] {
                if there {
                    say(key, format!("it is of routed calls and has no {key}"));
                }
            }
            (
                &mut grant.daily_quota,
                &mut grant.valid_to,
                &mut grant.state,
                &mut grant.narrowed,
            )
        }
    };
    if let Some(left) = by.daily_quota {
        match *quota {
            Some(granted) if left > granted => {
                say("daily_quota", format!("it allows {granted} a day"));
            }
            _ => *quota = Some(left),
        }
    }
    if let Some(left) = by.valid_to {
        match left > *last {
            true => say("valid_to", format!("it ends on {last}")),
            false => *last = left,
        }
    }
    *narrowed = Some(by.reason.clone());
    let active = *state == GrantState::Active;
    if by.suspended && active {
        *state = GrantState::Suspended;
    }
    match wrong.is_empty() || !active {
        true => Ok(()),
        false => Err(wrong),
    }
}

fn keep<T: Ord + Clone + Display>(
    granted: &mut BTreeSet<T>,
    left: Option<&BTreeSet<T>>,
    extra: impl FnOnce(String),
) {
    let Some(left) = left else { return };
    let added: Vec<String> = left.difference(granted).map(T::to_string).collect();
    if !added.is_empty() {
        extra(added.join(", "));
    }
    granted.retain(|it| left.contains(it));
}
