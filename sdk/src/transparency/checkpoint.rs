//! The head of the log, signed; and whether a later one continues an earlier one.

use std::fmt;

use jiff::Timestamp;
use signed_note::{Note, NoteError};
use tlog_tiles::{Hash, check_tree};

use super::keys::seen;
use super::{Error, LogKeys, MAX_CHECKPOINT, MAX_HASHES};

/// How large the log was and the hash of all of it, as its key signed it. There is none that wasn't
/// verified.
#[derive(Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: [u8; 32],
    witnesses: Vec<Witnessed>,
    text: String,
}

/// A witness that cosigned, and when it saw the checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The name of its key.
    pub name: String,
    /// When, by its clock.
    pub at: Timestamp,
}

impl Checkpoint {
    /// Reads a signed note and checks that it is of this log, signed by one of its keys and cosigned
    /// by as many witnesses as must have.
    ///
    /// # Errors
    /// When any of that isn't so.
    pub fn verify(note: &str, keys: &LogKeys) -> Result<Self, Error> {
        let checkpoint = Self::signed(note, keys)?;
        let (needed, found) = (keys.quorum(), checkpoint.witnesses.len());
        if found < needed {
            return Err(Error::TooFewWitnesses { needed, found });
        }
        Ok(checkpoint)
    }

    /// The same without the quorum: a receipt's checkpoint may be younger than its witnesses' round.
    ///
    /// # Errors
    /// When it isn't of this log, or none of its keys signed it.
    pub fn signed(text: &str, keys: &LogKeys) -> Result<Self, Error> {
        if text.len() > MAX_CHECKPOINT {
            return Err(Error::NotACheckpoint("it is too long"));
        }
        let note = Note::from_bytes(text.as_bytes())
            .map_err(|_| Error::NotACheckpoint("it isn't a signed note"))?;
        let head = tlog_tiles::Checkpoint::from_bytes(note.text())
            .map_err(|_| Error::NotACheckpoint("it doesn't say origin, size and root"))?;
        if head.origin() != keys.origin() {
            return Err(Error::OtherLog {
                expected: keys.origin().to_owned(),
                found: head.origin().chars().take(100).collect(),
            });
        }
        let (known, _) = note.verify(keys).map_err(|error| match error {
            NoteError::InvalidSignature { .. } => Error::BadSignature,
            _ => Error::NotSigned,
        })?;
        let mut is_signed = false;
        let mut witnesses: Vec<Witnessed> = Vec::new();
        for signature in &known {
            if keys.is_own(signature.name(), signature.id()) {
                is_signed = true;
            } else if witnesses.iter().all(|one| one.name != signature.name()) {
                let at = seen(signature.signature())
                    .and_then(|seconds| i64::try_from(seconds).ok())
                    .and_then(|seconds| Timestamp::from_second(seconds).ok())
                    .ok_or(Error::NotACheckpoint("a witness's time isn't one"))?;
                let name = signature.name().to_owned();
                witnesses.push(Witnessed { name, at });
            }
        }
        if !is_signed {
            return Err(Error::NotSigned);
        }
        Ok(Self {
            origin: head.origin().to_owned(),
            size: head.size(),
            root: head.hash().0,
            witnesses,
            text: text.to_owned(),
        })
    }

    /// The log's name.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many entries the log had.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hash over all of them, RFC 6962.
    #[must_use]
    pub fn root(&self) -> &[u8; 32] {
        &self.root
    }

    /// The witnesses that cosigned it, each once.
    #[must_use]
    pub fn witnesses(&self) -> &[Witnessed] {
        &self.witnesses
    }

    /// The note as it was signed, to be kept and compared with a later one.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("origin", &self.origin)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// Checks that the `new` log is the `old` one with nothing but more entries at its end. `proof` is
/// the consistency proof of RFC 6962 between the two sizes; none is needed when they are equal.
///
/// # Errors
/// [`Error::OtherLog`] when they are of two logs, [`Error::Shrunk`], [`Error::TwoHistories`] when one
/// size has two roots, otherwise [`Error::NotConsistent`].
pub fn consistent(old: &Checkpoint, new: &Checkpoint, proof: &[[u8; 32]]) -> Result<(), Error> {
    if old.origin != new.origin {
        return Err(Error::OtherLog {
            expected: old.origin.clone(),
            found: new.origin.clone(),
        });
    }
    if new.size < old.size {
        return Err(Error::Shrunk);
    }
    if new.size == old.size && new.root != old.root {
        return Err(Error::TwoHistories);
    }
    if proof.len() > MAX_HASHES {
        return Err(Error::NotConsistent);
    }
    // Every log continues the empty one, which has no proof.
    if old.size == 0 {
        let is_empty = old.root == tlog_tiles::EMPTY_HASH.0 && proof.is_empty();
        return is_empty.then_some(()).ok_or(Error::NotConsistent);
    }
    let proof = proof.iter().copied().map(Hash).collect();
    check_tree(&proof, new.size, Hash(new.root), old.size, Hash(old.root))
        .map_err(|_| Error::NotConsistent)
}
