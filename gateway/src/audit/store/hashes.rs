//! Hashes: a reader in, what tlog_tiles makes proofs of out.

use std::cell::RefCell;
use std::io;

use tlog_tiles::tlog::{self, Hash, HashReader};

use super::{ReadError, Reader};

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
