//! An entry with its proof, held against a receipt.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tlog_tiles::{Hash, check_record, record_hash};
use uuid::Uuid;

use super::{Checkpoint, Error, LogKeys, MAX_LEAF, Proof};
use crate::json;
use crate::message::Receipt;
use crate::sensitive::Sensitive;

/// What proves an entry: the answer of `GET /v1/receipts/{entry}`, to be kept with the receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Number of the entry, from 1.
    pub entry: u64,
    /// The entry, byte for byte as it was hashed: a JSON object.
    pub leaf: Sensitive<String>,
    /// `c2sp.org/tlog-proof@v1`.
    pub proof: String,
}

impl Evidence {
    /// Checks all of it, with nobody's help: the checkpoint's signatures, the way from the leaf to
    /// its root, and that the leaf is the one that the receipt promised. A checkpoint in the receipt
    /// must be of the same log and history.
    ///
    /// Whether the entry is of the caller's own request is told by [`Verified::request_id`].
    ///
    /// # Errors
    /// What speaks against it, by name.
    pub fn verify(&self, keys: &LogKeys, receipt: &Receipt) -> Result<Verified, Error> {
        let proof = Proof::parse(&self.proof)?;
        let checkpoint = Checkpoint::verify(&proof.checkpoint, keys)?;
        let entry = proof.index.checked_add(1).ok_or(Error::OtherEntry)?;
        if entry != self.entry || entry != receipt.entry {
            return Err(Error::OtherEntry);
        }
        if checkpoint.size() < entry {
            return Err(Error::TooSmall);
        }
        let leaf = self.leaf.expose();
        if leaf.len() > MAX_LEAF {
            return Err(Error::BadLeaf("it is too long"));
        }
        let hash = record_hash(leaf.as_bytes());
        if hex(&hash.0) != receipt.hash {
            return Err(Error::OtherLeaf);
        }
        let path = proof.path.into_iter().map(Hash).collect();
        let root = Hash(*checkpoint.root());
        check_record(&path, checkpoint.size(), root, proof.index, hash)
            .map_err(|_| Error::NotIncluded)?;
        same_history(receipt, &checkpoint, keys)?;
        let verified = Verified::read(entry, leaf, checkpoint)?;
        if verified.at != receipt.at {
            return Err(Error::OtherTime);
        }
        Ok(verified)
    }
}

/// Two heads of different sizes need a proof of consistency, which a receipt doesn't have.
fn same_history(receipt: &Receipt, proven: &Checkpoint, keys: &LogKeys) -> Result<(), Error> {
    let Some(note) = &receipt.checkpoint else {
        return Ok(());
    };
    let promised = Checkpoint::signed(note, keys)?;
    if promised.size() < receipt.entry {
        return Err(Error::TooSmall);
    }
    if promised.size() == proven.size() && promised.root() != proven.root() {
        return Err(Error::TwoHistories);
    }
    Ok(())
}

/// An entry that is in the log. There is none that wasn't checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    entry: u64,
    at: Timestamp,
    members: Sensitive<Map<String, Value>>,
    checkpoint: Checkpoint,
}

impl Verified {
    fn read(entry: u64, leaf: &str, checkpoint: Checkpoint) -> Result<Self, Error> {
        let Ok(Value::Object(members)) = json::parse(leaf.as_bytes()) else {
            return Err(Error::BadLeaf("it isn't a JSON object"));
        };
        let at = members.get("at").and_then(Value::as_str);
        let at = at
            .and_then(|text| text.parse().ok())
            .ok_or(Error::BadLeaf("it doesn't say when it was written"))?;
        Ok(Self {
            entry,
            at,
            members: Sensitive::new(members),
            checkpoint,
        })
    }

    /// Number of the entry, from 1.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// When it was written.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// The lookup that it is about.
    #[must_use]
    pub fn request_id(&self) -> Option<Uuid> {
        self.text("request_id").and_then(|text| text.parse().ok())
    }

    /// The organisation that asked.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        self.text("member")
    }

    /// All members of the entry, as `schemas/envelope/audit-entry.json` has them.
    #[must_use]
    pub fn members(&self) -> &Sensitive<Map<String, Value>> {
        &self.members
    }

    /// The head of the log that proves it, to be kept: a later one must continue it.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.expose().get(name).and_then(Value::as_str)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
