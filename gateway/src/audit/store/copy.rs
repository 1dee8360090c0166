//! Copy: a log in one store in, the same log in another out. Every receipt stays good: the leaves are
//! the same, at the same places, under the same checkpoint.
//!
//! Refuses a log that isn't whole, one whose first entries were deleted, and a target that has other
//! entries. A copy that was broken off is gone on with.

use std::io;
use std::ops::ControlFlow;

use super::{
    Batch, Committed, Files, OpenError, Postgres, ReadError, Reader, Signed, Store, hashes,
};
use crate::audit::verify::Violation;
use crate::checkpoint::{Keys, Signer};
use crate::config::{AuditSettings, AuditStore};

/// Leaves that are written at once.
const ROW: u64 = 1024;

/// A store that takes leaves as another one has them.
pub trait Target: Store {
    /// Makes a batch durable that follows what is there.
    ///
    /// # Errors
    /// As [`Store::append`].
    fn write(&mut self, batch: Batch) -> io::Result<Committed>;
}

/// Opens what the configuration names, or begins it, to copy into.
///
/// # Errors
/// [`OpenError`].
pub fn target(settings: &AuditSettings) -> Result<Box<dyn Target>, OpenError> {
    let signer = settings.signer().map_err(|_| OpenError::Keys)?;
    let keys = settings.keys().map_err(|_| OpenError::Keys)?;
    Ok(match &settings.store {
        AuditStore::Files {
            directory,
            segment_bytes,
        } => Box::new(Files::open(directory, *segment_bytes, signer, keys)?),
        AuditStore::Postgres(database) => Box::new(Postgres::open(database, signer, keys)?),
    })
}

/// Why a log can't be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// It isn't whole, so there is nothing to sign over.
    #[error("the log isn't as it was written")]
    Broken(#[from] Violation),
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Entries whose term is over are missing, and their places can't be filled.
    #[error(
        "the entries before {first} were deleted at the end of their term: such a log can't be copied"
    )]
    Pruned {
        /// The first that is there.
        first: u64,
    },
    /// The target isn't the beginning of this log.
    #[error(
        "the target has {entries} entries that aren't the first ones of this log: name an empty one"
    )]
    Other {
        /// How many it has.
        entries: u64,
    },
    /// It has another root than the log's checkpoint names.
    #[error("the copy has another root than the log: somebody wrote to it meanwhile")]
    Differs,
    /// The target refuses.
    #[error("the target can't be written")]
    Write(#[source] io::Error),
}

/// Copies what `from` has and `to` doesn't, once it has been verified; the checkpoint that both have
/// then. `signer` signs for the log, `keys` are those that its checkpoints are believed under.
/// `progress` is told how many entries are there.
///
/// # Errors
/// [`CopyError`].
pub fn copy(
    from: &dyn Reader,
    to: &mut dyn Target,
    signer: &Signer,
    keys: &Keys,
    progress: &mut dyn FnMut(u64),
) -> Result<Signed, CopyError> {
    let gone = from.first()?;
    if gone > 0 {
        let first = gone + 1;
        return Err(CopyError::Pruned { first });
    }
    let whole = from.checkpoint()?;
    let has = to.head().tree;
    if has.size() > whole.size || hashes::tree(from, has.size())? != has {
        let entries = has.size();
        return Err(CopyError::Other { entries });
    }
    let mut next = has.size();
    while next < whole.size {
        let end = whole.size.min(next + ROW);
        let mut leaves = Vec::new();
        from.leaves(next..end, &mut |_, leaf| {
            leaves.push(leaf.to_vec());
            ControlFlow::Continue(())
        })?;
        let batch = Batch::again(&leaves, &to.head(), signer);
        let mut batch = batch.ok_or(CopyError::Differs)?;
        if end == whole.size {
            // The last one is the log's own.
            let said = keys.open(whole.note.as_bytes());
            let same = said.is_ok_and(|said| *said.hash() == batch.checkpoint.root);
            if !same || batch.checkpoint.root != whole.root {
                return Err(CopyError::Differs);
            }
            batch.checkpoint = whole.clone();
        }
        to.write(batch).map_err(CopyError::Write)?;
        next = end;
        progress(next);
    }
    match to.reader().checkpoint()? {
        there if (there.size, there.root) == (whole.size, whole.root) => Ok(there),
        _ => Err(CopyError::Differs),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::store::Memory;
    use crate::audit::store::suite::{append, cases, keys, signer};

    fn copied(from: &Memory, to: &mut Memory) -> Result<Signed, CopyError> {
        copy(&*from.reader(), to, &signer(), &keys(), &mut |_| {})
    }

    #[test]
    fn a_copy_is_the_same_log_and_is_gone_on_with() {
        let mut from = Memory::new(signer());
        let mut to = Memory::new(signer());
        assert_eq!(copied(&from, &mut to).unwrap().size, 0);
        append(&mut from, 1..=3000);
        let there = copied(&from, &mut to).unwrap();
        assert_eq!(there, from.reader().checkpoint().unwrap());
        assert_eq!(to.head(), from.head());
        append(&mut from, 3001..=3005);
        copied(&from, &mut to).unwrap();
        assert_eq!(to.head(), from.head());
        let all = |store: &Memory| cases(&*store.reader(), 0..3005);
        assert_eq!(all(&from), all(&to));
        append(&mut to, 3006..=3006);
        let refused = copied(&from, &mut to);
        assert!(
            matches!(refused, Err(CopyError::Other { entries: 3006 })),
            "{refused:?}"
        );
    }

    #[test]
    fn a_target_with_other_entries_is_refused() {
        let mut from = Memory::new(signer());
        append(&mut from, 1..=10);
        let mut to = Memory::new(signer());
        append(&mut to, 7..=7);
        let refused = copied(&from, &mut to);
        assert!(
            matches!(refused, Err(CopyError::Other { entries: 1 })),
            "{refused:?}"
        );
    }
}
