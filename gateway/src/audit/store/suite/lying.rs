//! Lying: a log in; the same out as whoever writes to its store can have it read, without the key.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use jiff::Timestamp;
use tlog_tiles::tlog::Hash;

use crate::audit::store::{Each, ReadError, Reader, Signed};

/// A log that isn't what was written.
#[derive(Debug)]
pub struct Lying {
    /// What was written.
    pub reader: Arc<dyn Reader>,
    /// Where it says that its entries begin.
    pub first: u64,
    /// Where they do.
    pub gone: u64,
    /// Leaves that have another text.
    pub forged: Vec<(u64, Vec<u8>)>,
}

impl Lying {
    /// Nothing but the truth.
    #[must_use]
    pub fn of(reader: Arc<dyn Reader>) -> Self {
        Self {
            reader,
            first: 0,
            gone: 0,
            forged: Vec::new(),
        }
    }
}

impl Reader for Lying {
    fn checkpoint(&self) -> Result<Signed, ReadError> {
        self.reader.checkpoint()
    }

    fn hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, ReadError> {
        self.reader.hashes(indexes)
    }

    fn leaves(&self, places: Range<u64>, each: &mut Each<'_>) -> Result<(), ReadError> {
        if places.start < self.gone {
            return Err(ReadError::Pruned);
        }
        self.reader.leaves(places, &mut |place, leaf| {
            let forged = self.forged.iter().find(|(at, _)| *at == place);
            each(place, forged.map_or(leaf, |(_, forged)| forged))
        })
    }

    fn since(&self, moment: Timestamp) -> Result<u64, ReadError> {
        self.reader.since(moment)
    }

    fn first(&self) -> Result<u64, ReadError> {
        Ok(self.first)
    }
}

/// The text of a leaf, with one part of it replaced.
///
/// # Panics
/// When it can't be read.
pub fn replaced(reader: &dyn Reader, place: u64, from: &str, to: &str) -> (u64, Vec<u8>) {
    let mut text = String::new();
    let each = &mut |_, leaf: &[u8]| {
        text = String::from_utf8_lossy(leaf).replace(from, to);
        ControlFlow::Break(())
    };
    reader.leaves(place..place + 1, each).unwrap();
    (place, text.into_bytes())
}
