//! Versions: the grants in force and the highest serials seen; a directory in, what changed out, or
//! that an older version was put back.
//!
//! The log has each change, and from time to time all that is known ([`Standing`]), so that what was
//! once seen is found without reading the log from its beginning.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::directory::{Directory, GrantState, Signature};

/// One version of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its serial.
    pub serial: u64,
    /// Its state as in force.
    pub state: GrantState,
    /// Whether the operator narrowed it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub narrowed: bool,
    /// The key that signed it.
    pub kid: String,
    /// SHA-256 of the signed text, in hexadecimal.
    pub sha256: String,
}

impl Version {
    fn seen(&self) -> Seen {
        Seen {
            serial: self.serial,
            sha256: self.sha256.clone(),
        }
    }
}

/// What became of one grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Which.
    pub grant_id: String,
    /// What was in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Version>,
    /// What is in force now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Version>,
}

/// A version that isn't newer than one that was in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", match .serial == .seen {
    true => format!("the grant {grant} was altered and kept its serial {seen}"),
    false => format!("an older version of the grant {grant} was put back: serial {serial}, and {seen} was in force"),
})]
pub struct PutBack {
    /// Which grant.
    pub grant: String,
    /// The serial of what is there now.
    pub serial: u64,
    /// The highest serial seen.
    pub seen: u64,
}

/// The highest serial of a grant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The serial.
    pub serial: u64,
    /// SHA-256 of the signed text that had it, in hexadecimal.
    pub sha256: String,
}

/// What is known of some grants at a moment; together with others, of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What is in force.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub in_force: BTreeMap<String, Version>,
    /// The highest serial of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub highest: BTreeMap<String, Seen>,
    /// In the last of them, the number of the first entry that they don't take in: whoever reads on from
    /// there knows all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// How many grants one entry tells of: an entry has 64 KiB.
const STANDING: usize = 64;

/// The versions in force, and the highest ever seen, also of grants that are gone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Versions {
    in_force: BTreeMap<String, Version>,
    highest: BTreeMap<String, Seen>,
}

impl Versions {
    /// Takes in a change from the log, in the log's order.
    pub fn replay(&mut self, change: Change) {
        for version in [&change.before, &change.after].into_iter().flatten() {
            self.saw(&change.grant_id, version.seen());
        }
        match change.after {
            Some(after) => self.in_force.insert(change.grant_id, after),
            None => self.in_force.remove(&change.grant_id),
        };
    }

    /// Takes in what was known, in the log's order; of what was in force, only what wasn't out of date.
    pub fn replay_standing(&mut self, standing: Standing) {
        for (grant, seen) in standing.highest {
            self.saw(&grant, seen);
        }
        for (grant, version) in standing.in_force {
            let seen = self.highest.get(&grant);
            if seen.is_none_or(|seen| seen.serial <= version.serial) {
                self.in_force.insert(grant, version);
            }
        }
    }

    /// All that is known, in parts that fit an entry each; the last one has yet to be told `since`.
    #[must_use]
    pub fn standing(&self) -> Vec<Standing> {
        let highest: Vec<_> = self.highest.iter().collect();
        let parts = highest.chunks(STANDING).map(|some| Standing {
            in_force: (some.iter())
                .filter_map(|(grant, _)| {
                    Some(((*grant).clone(), self.in_force.get(*grant)?.clone()))
                })
                .collect(),
            highest: (some.iter())
                .map(|(grant, seen)| ((*grant).clone(), (*seen).clone()))
                .collect(),
            since: None,
        });
        parts.collect()
    }

    fn saw(&mut self, grant: &str, this: Seen) {
        let seen = self.highest.get(grant);
        if seen.is_none_or(|seen| seen.serial < this.serial) {
            self.highest.insert(grant.to_owned(), this);
        }
    }

    /// What comes after these when this directory is in force, and what that changes.
    ///
    /// # Errors
    /// When a grant of the directory is older than one that was in force, or another of the same
    /// serial.
    pub fn followed_by(&self, directory: &Directory) -> Result<(Self, Vec<Change>), PutBack> {
        let mut next = Self {
            in_force: signed(directory).collect(),
            highest: self.highest.clone(),
        };
        for (grant, version) in &next.in_force {
            if let Some(seen) = self.highest.get(grant)
                && (version.serial < seen.serial
                    || (version.serial == seen.serial && version.sha256 != seen.sha256))
            {
                return Err(PutBack {
                    grant: grant.clone(),
                    serial: version.serial,
                    seen: seen.serial,
                });
            }
        }
        let mut changes = Vec::new();
        let mut before = self.in_force.clone();
        for (grant, after) in next.in_force.clone() {
            next.saw(&grant, after.seen());
            let before = before.remove(&grant);
            if before.as_ref() != Some(&after) {
                changes.push(Change {
                    grant_id: grant,
                    before,
                    after: Some(after),
                });
            }
        }
        changes.extend(before.into_iter().map(|(grant_id, before)| Change {
            grant_id,
            before: Some(before),
            after: None,
        }));
        Ok((next, changes))
    }
}

/// The signed grants of a directory, by id.
fn signed(directory: &Directory) -> impl Iterator<Item = (String, Version)> {
    let records = directory.grants().iter();
    let records = records.map(|it| (&it.id, &it.signature, it.state, it.narrowed.is_some()));
    let calls = directory.service_grants().iter();
    let calls = calls.map(|it| (&it.id, &it.signature, it.state, it.narrowed.is_some()));
    records
        .chain(calls)
        .filter_map(|(id, signature, state, narrowed)| {
            let Signature {
                serial,
                kid,
                sha256,
                ..
            } = signature.as_ref()?;
            let version = Version {
                serial: *serial,
                state,
                narrowed,
                kid: kid.clone(),
                sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            };
            Some((id.clone(), version))
        })
}
