//! View: the log as readers see it, files first and the tail after them.
//!
//! What files say is held against the hashes in memory, which a signed checkpoint vouches for: a leaf
//! against its tile, and that against the tile above it, up to one whose hash is in the tail.

use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tlog_tiles::tlog::{Hash, split_stored_hash_index};

use super::bundle::Bundle;
use super::paths::WIDTH;
use super::tail::{Found, Leaf, Tail, root};
use super::tiles::{Recent, Tiles};
use crate::audit::draft::dated;
use crate::audit::store::{Each, Flaw, ReadError, Reader, Signed, Unsealed};

/// Tiles kept in memory, half a megabyte.
const TILES: usize = 64;

/// Bundles kept in memory, a few megabytes.
const BUNDLES: usize = 8;

#[derive(Debug)]
pub(crate) struct View {
    tiles: Tiles,
    /// Those that were held against what is above them.
    proven: Recent<(u8, u64), Arc<[Hash]>, TILES>,
    bundles: Recent<u64, Arc<Bundle>, BUNDLES>,
    tail: Mutex<Tail>,
    /// The first place whose leaf wasn't deleted at the end of its term, as of when the log was loaded or of
    /// what was deleted here.
    first: AtomicU64,
    /// Whether a new segment is to be begun.
    turns: AtomicBool,
    sealing_fails: AtomicBool,
    proves: bool,
}

impl View {
    pub(super) fn of(dir: &Path, first: u64, tail: Tail) -> Self {
        Self {
            tiles: Tiles::of(dir),
            proven: Recent::new(),
            bundles: Recent::new(),
            tail: Mutex::new(tail),
            first: AtomicU64::new(first),
            turns: AtomicBool::new(false),
            sealing_fails: AtomicBool::new(false),
            proves: true,
        }
    }

    /// Takes tiles as they are: for one who holds all of them against each other, and names what is wrong
    /// to the bundle.
    pub(crate) fn unproven(self) -> Self {
        Self {
            proves: false,
            ..self
        }
    }

    /// Gives out nothing before this place any more.
    pub(super) fn begins_at(&self, first: u64) {
        self.first.fetch_max(first, Ordering::Relaxed);
    }

    /// The first place whose leaf is there still.
    pub(super) fn left_from(&self) -> u64 {
        self.first.load(Ordering::Relaxed)
    }

    /// Has the next batch begin a new segment, so that the one before goes once all of it is in bundles.
    pub(super) fn turn(&self) {
        self.turns.store(true, Ordering::Relaxed);
    }

    /// Whether the next batch is to begin one.
    pub(super) fn turns(&self) -> bool {
        self.turns.swap(false, Ordering::Relaxed)
    }

    /// Notes whether leaves can be moved into bundles.
    pub(super) fn sealing(&self, fails: bool) {
        self.sealing_fails.store(fails, Ordering::Relaxed);
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        // Nothing in a critical section can panic halfway.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hash(&self, level: u8, n: u64) -> Result<Hash, ReadError> {
        let found = self.tail().hash(level, n);
        match found {
            Found::Here(hash) => Ok(hash),
            Found::Unknown => Err(ReadError::Unknown),
            Found::Tile {
                level,
                n,
                from,
                count,
            } => {
                let tile = self.tile(level, n)?;
                let hashes = tile.get(from..from + count).unwrap_or_default();
                Ok(root(hashes.to_vec()))
            }
        }
    }

    /// The hashes of a full tile.
    fn tile(&self, level: u8, n: u64) -> Result<Arc<[Hash]>, ReadError> {
        if let Some(tile) = self.proven.find(&(level, n)) {
            return Ok(tile);
        }
        let tile = self.tiles.tile(level, n)?;
        if self.proves && self.hash(8 * (level + 1), n)? != root(tile.to_vec()) {
            return Err(self.tiles.broken_tile(level, n, Flaw::Hash));
        }
        self.proven.keep((level, n), Arc::clone(&tile));
        Ok(tile)
    }

    /// The leaves of a bundle, and their hashes.
    fn bundle(&self, n: u64) -> Result<(Arc<Bundle>, Arc<[Hash]>), ReadError> {
        if let Some(bundle) = self.bundles.find(&n) {
            return Ok((bundle, self.tile(0, n)?));
        }
        let bundle = Arc::new(self.tiles.leaves(n, WIDTH)?);
        let tile = self.tile(0, n)?;
        self.bundles.keep(n, Arc::clone(&bundle));
        Ok((bundle, tile))
    }

    /// The date of a bundle's first leaf.
    fn begins(&self, n: u64) -> Result<Timestamp, ReadError> {
        let (bundle, tile) = (self.tiles.leaves(n, 1)?, self.tile(0, n)?);
        let leaf = self.tiles.leaf(&bundle, &tile, n * WIDTH)?;
        dated(leaf).ok_or_else(|| ReadError::Broken {
            entry: n * WIDTH + 1,
            place: format!("bundle {n}"),
            what: Flaw::Malformed,
        })
    }
}

impl Reader for View {
    fn checkpoint(&self) -> Result<Signed, ReadError> {
        Ok(self.tail().checkpoint().clone())
    }

    fn hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, ReadError> {
        let hash = |index: &u64| {
            // Beyond what a tree can have, the crate would panic.
            if *index >= u64::MAX / 2 {
                return Err(ReadError::Unknown);
            }
            let (level, n) = split_stored_hash_index(*index);
            self.hash(level, n)
        };
        indexes.iter().map(hash).collect()
    }

    fn leaves(&self, places: Range<u64>, each: &mut Each<'_>) -> Result<(), ReadError> {
        let mut place = places.start;
        while place < places.end {
            // `each` may take its time, and may read.
            let found = self.tail().leaf(place);
            match found {
                Leaf::Unknown => return Err(ReadError::Unknown),
                Leaf::Unsealed(chunk) => {
                    while place < places.end.min(chunk.end()) {
                        let leaf = chunk.leaf(place).ok_or(ReadError::Unknown)?;
                        if each(place, leaf).is_break() {
                            return Ok(());
                        }
                        place += 1;
                    }
                }
                Leaf::Sealed if place < self.left_from() => return Err(ReadError::Pruned),
                Leaf::Sealed => {
                    let n = place / WIDTH;
                    let (bundle, tile) = self.bundle(n)?;
                    while place < places.end.min((n + 1) * WIDTH) {
                        let leaf = self.tiles.leaf(&bundle, &tile, place);
                        // What is damaged may be mended.
                        let leaf = leaf.inspect_err(|_| self.bundles.forget(&n))?;
                        if each(place, leaf).is_break() {
                            return Ok(());
                        }
                        place += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn since(&self, moment: Timestamp) -> Result<u64, ReadError> {
        let (sealed, size) = {
            let tail = self.tail();
            (tail.sealed(), tail.checkpoint().size)
        };
        let (mut from, mut to) = (self.left_from() / WIDTH, sealed / WIDTH);
        // The first bundle that doesn't begin before it.
        while from < to {
            let middle = from + (to - from) / 2;
            match self.begins(middle) {
                Ok(begins) if begins >= moment => to = middle,
                // Deleted just now, it is before any that is asked for.
                Ok(_) | Err(ReadError::Pruned) => from = middle + 1,
                Err(error) => return Err(error),
            }
        }
        // It begins in the bundle before that, or in the tail.
        let from = from.saturating_sub(1).max(self.left_from() / WIDTH) * WIDTH;
        let mut found = size;
        self.leaves(
            from..size,
            &mut |place, leaf| match dated(leaf).is_some_and(|at| at >= moment) {
                true => {
                    found = place;
                    ControlFlow::Break(())
                }
                false => ControlFlow::Continue(()),
            },
        )?;
        Ok(found)
    }

    fn unsealed(&self) -> Unsealed {
        Unsealed {
            bytes: self.tail().bytes() as u64,
            fails: self.sealing_fails.load(Ordering::Relaxed),
        }
    }

    fn first(&self) -> Result<u64, ReadError> {
        Ok(self.left_from())
    }
}
