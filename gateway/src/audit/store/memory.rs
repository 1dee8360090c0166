//! The store that forgets: leaves and hashes in memory. What the others are compared with, and what
//! serves where nothing has to last.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tlog_tiles::tlog::Hash;

use super::copy::Target;
use super::{Batch, Committed, Draft, Each, Head, ReadError, Reader, Recovered, Signed, Store};
use crate::audit::draft::dated;
use crate::checkpoint::Signer;

/// A log in memory.
#[derive(Debug)]
pub struct Memory {
    signer: Signer,
    head: Head,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    leaves: Vec<Box<[u8]>>,
    hashes: Vec<Hash>,
    checkpoint: Signed,
}

impl Memory {
    /// An empty log.
    #[must_use]
    pub fn new(signer: Signer) -> Self {
        let head = Head::default();
        let kept = Kept {
            leaves: Vec::new(),
            hashes: Vec::new(),
            checkpoint: Signed::of(&head.tree, &signer),
        };
        Self {
            signer,
            head,
            shared: Arc::new(Shared(Mutex::new(kept))),
        }
    }
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing in a critical section can panic halfway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Memory {
    fn append(&mut self, drafts: &[Draft]) -> io::Result<Committed> {
        let batch = Batch::of(drafts, &self.head, &self.signer, Timestamp::now);
        self.write(batch)
    }

    fn recover(&mut self) -> io::Result<Recovered> {
        Ok(Recovered::Back)
    }

    fn probe(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn head(&self) -> Head {
        self.head.clone()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.shared.clone()
    }
}

impl Target for Memory {
    fn write(&mut self, batch: Batch) -> io::Result<Committed> {
        let mut kept = self.shared.kept();
        kept.leaves
            .extend(batch.leaves().map(|(_, leaf)| leaf.into()));
        // They come in the order in which tlog_tiles numbers them.
        kept.hashes
            .extend(batch.completed.iter().map(|(_, hash)| *hash));
        kept.checkpoint = batch.checkpoint.clone();
        let (committed, head) = batch.committed();
        self.head = head;
        Ok(committed)
    }
}

impl Reader for Shared {
    fn checkpoint(&self) -> Result<Signed, ReadError> {
        Ok(self.kept().checkpoint.clone())
    }

    fn hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, ReadError> {
        let kept = self.kept();
        let hash = |index: &u64| {
            let index = usize::try_from(*index).map_err(|_| ReadError::Unknown)?;
            kept.hashes.get(index).copied().ok_or(ReadError::Unknown)
        };
        indexes.iter().map(hash).collect()
    }

    fn leaves(&self, places: Range<u64>, each: &mut Each<'_>) -> Result<(), ReadError> {
        for place in places {
            let at = usize::try_from(place).map_err(|_| ReadError::Unknown)?;
            // `each` may take its time, and may read.
            let leaf = self.kept().leaves.get(at).cloned();
            if each(place, &leaf.ok_or(ReadError::Unknown)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn since(&self, moment: Timestamp) -> Result<u64, ReadError> {
        let leaves = &self.kept().leaves;
        let first = leaves.partition_point(|leaf| dated(leaf).is_some_and(|at| at < moment));
        Ok(first as u64)
    }

    fn first(&self) -> Result<u64, ReadError> {
        Ok(0)
    }
}
