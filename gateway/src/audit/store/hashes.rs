//! Hashes: a reader in, what tlog_tiles makes proofs of out, and the tree of the first leaves.

use std::cell::RefCell;
use std::io;

use tlog_tiles::tlog::{self, Hash, HashReader, stored_hash_index};

use super::{ReadError, Reader};
use crate::audit::tree::Tree;

/// A reader as tlog_tiles asks for hashes. It wants errors of its own, so the cause is kept here.
#[derive(Debug)]
pub struct Hashes<'a> {
    reader: &'a dyn Reader,
    failed: RefCell<Option<ReadError>>,
}

impl<'a> Hashes<'a> {
    /// Reads from there.
    #[must_use]
    pub fn of(reader: &'a dyn Reader) -> Self {
        Self {
            reader,
            failed: RefCell::default(),
        }
    }

    /// Why what was asked of tlog_tiles failed.
    #[must_use]
    pub fn cause(self, error: &tlog::Error) -> ReadError {
        let failed = self.failed.take();
        failed.unwrap_or_else(|| ReadError::Io(io::Error::other(error.to_string())))
    }
}

impl HashReader for Hashes<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        self.reader.hashes(indexes).map_err(|error| {
            *self.failed.borrow_mut() = Some(error);
            tlog::Error::IndexesNotInTree
        })
    }
}

/// The tree of the first `size` leaves, by the hashes that the store has. Whoever has its root from elsewhere
/// can hold it against that.
///
/// # Errors
/// [`ReadError`].
pub(crate) fn tree(reader: &dyn Reader, size: u64) -> Result<Tree, ReadError> {
    let levels = (0..64_u8).rev().filter(|level| size >> level & 1 == 1);
    let indexes: Vec<u64> = levels
        .map(|level| stored_hash_index(level, (size >> level) - 1))
        .collect();
    let edge = reader.hashes(&indexes)?;
    Ok(Tree::of(size, edge).unwrap_or_default())
}
