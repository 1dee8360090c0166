//! What is recorded of an act upon the gateway itself: who asked for it, what came of it, and what
//! was in force. Hashes stand for the configuration; no address and nobody is named.

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use serde::Serialize;

use super::{Kind, hex};
use crate::config::Config;
use crate::directory::Signature;
use crate::grants::{Change, Standing};

/// Who asked for an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Asker {
    /// A signal to the process, or the program that the gateway runs in.
    Signal,
    /// Someone at the operators' listener.
    Admin,
    /// The watch over files.
    Watch,
    /// The term that is set in the configuration.
    Term,
    /// `loket audit prune`.
    Command,
}

/// An act in the log.
#[derive(Debug, Clone, Serialize)]
pub struct ActEntry {
    kind: Kind,
    /// Why it was refused, in the word that the operators' listener answers with.
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Act>,
    /// What became of a grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
    /// What is known of grants.
    #[serde(skip_serializing_if = "Option::is_none")]
    standing: Option<Standing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holds: Option<HoldCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pruned: Option<Pruned>,
}

/// What is deleted at the end of its term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Number of the first entry that stays.
    pub first: u64,
    /// How many entries go.
    pub entries: u64,
    /// Those that are dated before may go.
    pub before: Timestamp,
}

/// How many subjects are held; nobody is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct HoldCounts {
    /// Before the change.
    pub before: usize,
    /// After it.
    pub after: usize,
    /// Those that weren't held before.
    pub added: usize,
    /// Those that are no longer.
    pub removed: usize,
}

#[derive(Debug, Clone, Serialize)]
struct Act {
    asked_by: Asker,
    outcome: ActOutcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<Fingerprint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Fingerprint>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum ActOutcome {
    Applied,
    Refused,
}

impl ActEntry {
    fn of(kind: Kind) -> Self {
        Self {
            kind,
            refusal: None,
            act: None,
            change: None,
            standing: None,
            holds: None,
            pruned: None,
        }
    }

    /// The gateway begins to stop.
    #[must_use]
    pub fn drain(asked_by: Asker) -> Self {
        Self {
            act: Some(Act {
                asked_by,
                outcome: ActOutcome::Applied,
                before: None,
                after: None,
            }),
            ..Self::of(Kind::Drain)
        }
    }

    /// Another version of a grant is in force, or none.
    #[must_use]
    pub fn grant_changed(change: Change) -> Self {
        Self {
            change: Some(change),
            ..Self::of(Kind::GrantChanged)
        }
    }

    /// What is known of some grants.
    #[must_use]
    pub fn grants_standing(standing: Standing) -> Self {
        Self {
            standing: Some(standing),
            ..Self::of(Kind::GrantsStanding)
        }
    }

    /// Others are held since a reload.
    #[must_use]
    pub fn holds(asked_by: Asker, counts: HoldCounts) -> Self {
        Self {
            kind: Kind::HoldChanged,
            holds: Some(counts),
            ..Self::drain(asked_by)
        }
    }

    /// Entries are about to be deleted.
    #[must_use]
    pub fn pruned(asked_by: Asker, pruned: Pruned) -> Self {
        Self {
            kind: Kind::Pruned,
            pruned: Some(pruned),
            ..Self::drain(asked_by)
        }
    }

    /// A reload ended, with a reason if it was refused; what was in force before and is now.
    #[must_use]
    pub fn reload(
        asked_by: Asker,
        refusal: Option<&'static str>,
        before: Fingerprint,
        after: Fingerprint,
    ) -> Self {
        let outcome = match refusal {
            None => ActOutcome::Applied,
            Some(_) => ActOutcome::Refused,
        };
        Self {
            refusal,
            act: Some(Act {
                asked_by,
                outcome,
                before: Some(before),
                after: Some(after),
            }),
            ..Self::of(Kind::Reload)
        }
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

/// A configuration, told from others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fingerprint {
    /// SHA-256 of its file, as `sha256sum` shows it; absent when a program made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// SHA-256 of what the file names: certificates, anchors, lists, holds, signed grants. No key goes
    /// into it.
    pub material: String,
}

impl Fingerprint {
    /// Of what was read.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let mut digest = Context::new(&SHA256);
        digest.update(config.server_tls.fingerprint());
        digest.update(config.client_tls.fingerprint());
        let mut holds: Vec<&String> = config.directory.holds().iter().collect();
        holds.sort_unstable();
        for reference in holds {
            // All of one length.
            digest.update(reference.as_bytes());
        }
        let records = config.directory.grants().iter();
        let records = records.filter_map(|grant| grant.signature.as_ref());
        let calls = config.directory.service_grants().iter();
        let calls = calls.filter_map(|grant| grant.signature.as_ref());
        for Signature { sha256, .. } in records.chain(calls) {
            // In the order of their files' names.
            digest.update(sha256);
        }
        Self {
            file: config.file_sha256.map(|hash| hex(&hash)),
            material: hex(digest.finish().as_ref()),
        }
    }
}
