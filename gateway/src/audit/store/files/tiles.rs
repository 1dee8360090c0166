//! Tiles: what is sealed, as files have it.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tlog_tiles::tlog::{HASH_SIZE, Hash, record_hash};

use super::bundle::Bundle;
use super::paths::{self, WIDTH};
use crate::audit::store::{Flaw, ReadError};

/// Bytes of a tile.
const TILE: usize = 256 * HASH_SIZE;

#[derive(Debug)]
pub(crate) struct Tiles {
    dir: PathBuf,
}

/// What was asked for last.
#[derive(Debug)]
pub(super) struct Recent<K, V, const N: usize>(Mutex<VecDeque<(K, V)>>);

impl<K: PartialEq, V: Clone, const N: usize> Recent<K, V, N> {
    pub(super) fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<(K, V)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, key: &K) -> Option<V> {
        let mut all = self.all();
        let at = all.iter().position(|(kept, _)| kept == key)?;
        let (key, value) = all.remove(at)?;
        all.push_front((key, value.clone()));
        Some(value)
    }

    pub(super) fn forget(&self, key: &K) {
        self.all().retain(|(kept, _)| kept != key);
    }

    pub(super) fn keep(&self, key: K, value: V) {
        let mut all = self.all();
        all.truncate(N - 1);
        all.push_front((key, value));
    }
}

impl Tiles {
    pub(crate) fn of(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// The hashes of a full tile, as the file has them.
    pub(crate) fn tile(&self, level: u8, n: u64) -> Result<Arc<[Hash]>, ReadError> {
        let path = paths::tile(&self.dir, level, n);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.broken_tile(level, n, Flaw::NoHash));
            }
            bytes => bytes?,
        };
        if bytes.len() != TILE {
            return Err(self.broken_tile(level, n, Flaw::Hash));
        }
        let hashes = bytes.as_chunks::<HASH_SIZE>().0.iter();
        Ok(hashes.map(|hash| Hash(*hash)).collect())
    }

    /// Says of a tile what is wrong with it.
    pub(super) fn broken_tile(&self, level: u8, n: u64, what: Flaw) -> ReadError {
        // The first entry under it.
        let entry = n.checked_shl(8 * (u32::from(level) + 1)).unwrap_or(0) + 1;
        self.broken(entry, &paths::tile(&self.dir, level, n), what)
    }

    /// The leaves of a bundle, each compared with its hash in the tile.
    pub(crate) fn bundle(&self, n: u64) -> Result<Bundle, ReadError> {
        let (bundle, tile) = (self.leaves(n, WIDTH)?, self.tile(0, n)?);
        for place in n * WIDTH..(n + 1) * WIDTH {
            self.leaf(&bundle, &tile, place)?;
        }
        Ok(bundle)
    }

    /// A leaf of a bundle, compared with its hash.
    pub(super) fn leaf<'a>(
        &self,
        bundle: &'a Bundle,
        tile: &[Hash],
        place: u64,
    ) -> Result<&'a [u8], ReadError> {
        let at = usize::try_from(place % WIDTH).unwrap_or_default();
        // Whatever stands after the last leaf isn't one.
        let ends = place % WIDTH < WIDTH - 1 || bundle.whole;
        match (bundle.get(at), tile.get(at)) {
            (Some(leaf), Some(hash)) if ends && record_hash(leaf) == *hash => Ok(leaf),
            _ => {
                let path = paths::bundle(&self.dir, place / WIDTH);
                Err(self.broken(place + 1, &path, Flaw::Altered))
            }
        }
    }

    /// At most `most` leaves of a bundle, as far as they can be read. They aren't compared with anything.
    pub(super) fn leaves(&self, n: u64, most: u64) -> Result<Bundle, ReadError> {
        let path = paths::bundle(&self.dir, n);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if (n + 1) * WIDTH <= first(&self.dir)? {
                    return Err(ReadError::Pruned);
                }
                return Err(self.missing(n));
            }
            bytes => bytes?,
        };
        Ok(Bundle::decode(&bytes, most))
    }

    /// Says that a bundle isn't there, though it should be.
    pub(super) fn missing(&self, n: u64) -> ReadError {
        let path = paths::bundle(&self.dir, n);
        self.broken(n * WIDTH + 1, &path, Flaw::Missing)
    }

    fn broken(&self, entry: u64, path: &Path, what: Flaw) -> ReadError {
        ReadError::Broken {
            entry,
            place: paths::within(&self.dir, path),
            what,
        }
    }
}

/// The first place whose leaf wasn't deleted at the end of its term.
pub(super) fn first(dir: &Path) -> io::Result<u64> {
    match fs::read_to_string(dir.join(paths::FIRST)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        text => text?.trim_ascii().parse().map_err(io::Error::other),
    }
}
