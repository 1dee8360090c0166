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

/// Tiles kept in memory, half a megabyte.
const TILES: usize = 64;

/// Bundles kept in memory, about a megabyte.
const BUNDLES: usize = 8;

#[derive(Debug)]
pub(crate) struct Tiles {
    dir: PathBuf,
    tiles: Recent<(u8, u64), Arc<[Hash]>, TILES>,
    bundles: Recent<u64, Arc<Bundle>, BUNDLES>,
}

/// What was asked for last.
#[derive(Debug)]
struct Recent<K, V, const N: usize>(Mutex<VecDeque<(K, V)>>);

impl<K: PartialEq, V: Clone, const N: usize> Recent<K, V, N> {
    fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<(K, V)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: &K) -> Option<V> {
        let all = self.all();
        let found = all.iter().find(|(kept, _)| kept == key);
        found.map(|(_, value)| value.clone())
    }

    fn keep(&self, key: K, value: V) {
        let mut all = self.all();
        all.truncate(N - 1);
        all.push_front((key, value));
    }
}

impl Tiles {
    pub(crate) fn of(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            tiles: Recent::new(),
            bundles: Recent::new(),
        }
    }

    /// The hashes of a full tile.
    pub(crate) fn tile(&self, level: u8, n: u64) -> Result<Arc<[Hash]>, ReadError> {
        let found = self.tiles.find(&(level, n));
        if let Some(tile) = found {
            return Ok(tile);
        }
        let path = paths::tile(&self.dir, level, n);
        // The first entry under it.
        let entry = n.checked_shl(8 * (u32::from(level) + 1)).unwrap_or(0) + 1;
        let broken = |what| self.broken(entry, &path, what);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(broken(Flaw::NoHash));
            }
            bytes => bytes?,
        };
        if bytes.len() != TILE {
            return Err(broken(Flaw::Hash));
        }
        let hashes = bytes.as_chunks::<HASH_SIZE>().0.iter();
        let tile: Arc<[Hash]> = hashes.map(|hash| Hash(*hash)).collect();
        self.tiles.keep((level, n), Arc::clone(&tile));
        Ok(tile)
    }

    /// The leaves of a bundle, each compared with its hash.
    pub(crate) fn bundle(&self, n: u64) -> Result<Arc<Bundle>, ReadError> {
        let found = self.bundles.find(&n);
        if let Some(bundle) = found {
            return Ok(bundle);
        }
        let bundle = Arc::new(self.checked(n, WIDTH)?);
        self.bundles.keep(n, Arc::clone(&bundle));
        Ok(bundle)
    }

    /// The first leaf of a bundle.
    pub(super) fn first_leaf(&self, n: u64) -> Result<Vec<u8>, ReadError> {
        let bundle = self.checked(n, 1)?;
        Ok(bundle.get(0).unwrap_or_default().to_vec())
    }

    fn checked(&self, n: u64, most: u64) -> Result<Bundle, ReadError> {
        let path = paths::bundle(&self.dir, n);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if (n + 1) * WIDTH <= first(&self.dir)? {
                    return Err(ReadError::Pruned);
                }
                return Err(self.broken(n * WIDTH + 1, &path, Flaw::Missing));
            }
            bytes => bytes?,
        };
        let bundle = Bundle::decode(&bytes, most);
        let tile = self.tile(0, n)?;
        for (at, hash) in (0..most).zip(&*tile) {
            let leaf = usize::try_from(at).ok().and_then(|at| bundle.get(at));
            if leaf.is_none_or(|leaf| record_hash(leaf) != *hash) {
                return Err(self.broken(n * WIDTH + at + 1, &path, Flaw::Altered));
            }
        }
        if most == WIDTH && !bundle.whole {
            return Err(self.broken((n + 1) * WIDTH, &path, Flaw::Altered));
        }
        Ok(bundle)
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
