//! The store in files of its own, laid out as C2SP's `tlog-tiles`.
//!
//! An append is one write and one sync of a segment in `wal/`. A thread of its own moves leaves from
//! there into bundles and tiles, 256 at a time; until then readers find them in memory.

mod bundle;
mod disk;
mod load;
mod notes;
mod paths;
mod prune;
mod sealer;
mod tail;
mod tiles;
mod view;
mod wal;

#[cfg(test)]
mod tests;

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;

use super::copy::Target;
use super::prune::Pruner;
use super::{Batch, Committed, Draft, Head, OpenError, Reader, Recovered, Signed, Store};
use crate::checkpoint::{Keys, Signer, unverified};
use disk::{Disk, FileSystem};
use load::{Last, Loaded, load};
use prune::Bundles;
use sealer::{Pace, Sealer};
use tail::{Chunk, Tail};
use view::View;
use wal::Wal;

/// A log in a directory.
pub struct Files {
    /// Goes first: it ends what it does before the directory is unlocked.
    sealer: Sealer,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    signer: Signer,
    head: Head,
    wal: Wal,
    view: Arc<View>,
    /// Held for as long as the log is written to.
    _lock: File,
}

impl std::fmt::Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Files {
    /// Opens the log in `dir`, or begins one there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        dir: &Path,
        segment_bytes: u64,
        signer: Signer,
        keys: Keys,
    ) -> Result<Self, OpenError> {
        let disks: [Arc<dyn Disk>; 2] = [Arc::new(FileSystem), Arc::new(FileSystem)];
        Self::open_on(disks, dir, segment_bytes, signer, &keys, Pace::default())
    }

    /// As [`open`](Self::open), on one disk for what is written first and another for what is sealed.
    fn open_on(
        [disk, sealing]: [Arc<dyn Disk>; 2],
        dir: &Path,
        segment_bytes: u64,
        signer: Signer,
        keys: &Keys,
        pace: Pace,
    ) -> Result<Self, OpenError> {
        let io = |source| OpenError::Io {
            path: dir.to_owned(),
            source,
        };
        disk::create_dir(dir).map_err(io)?;
        let lock = lock(dir)?;
        let Loaded { head, view, last } = load(dir, Some(keys))?;
        disk::create_dir(&paths::wal(dir)).map_err(io)?;
        disk::sync_dir(dir).map_err(io)?;
        let wal = match last {
            Some(Last {
                path,
                whole,
                torn,
                note,
            }) => {
                if torn > 0 {
                    tracing::warn!(audit.torn_bytes = torn, "cut off a torn tail");
                }
                // What a process wrote and died before syncing counts from now on.
                let wal = Wal::resume(&*disk, path, whole, note);
                disk::sync_dir(&paths::wal(dir)).map_err(io)?;
                wal
            }
            None => Wal::begin(dir, head.tree.size()),
        };
        let wal = wal.map_err(io)?;
        let view = Arc::new(view.alone());
        let sealer = Sealer::start(Arc::clone(&view), sealing, dir, pace);
        Ok(Self {
            sealer: sealer.map_err(OpenError::Thread)?,
            disk,
            dir: dir.to_owned(),
            segment_bytes,
            signer,
            head,
            wal,
            view,
            _lock: lock,
        })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // Its room is no entry, only untidy, if it stays.
        if let Err(error) = self.wal.end(&*self.disk) {
            tracing::debug!(loket.cause = %error, "the audit log's last segment keeps its room");
        }
    }
}

impl Store for Files {
    fn append(&mut self, drafts: &[Draft]) -> io::Result<Committed> {
        if drafts.is_empty() {
            return Ok(Committed {
                first: self.head.tree.size(),
                placed: Vec::new(),
                checkpoint: self.view.tail().checkpoint().clone(),
            });
        }
        let batch = Batch::of(drafts, &self.head, &self.signer, Timestamp::now);
        self.write(batch)
    }

    fn recover(&mut self) -> io::Result<Recovered> {
        // What was written of a batch is cut off: none turns out to be on record.
        self.wal.recover(&*self.disk).map(|()| Recovered::Back)
    }

    fn probe(&mut self) -> io::Result<()> {
        self.sealer.keeps_up()?;
        self.wal.probe(&*self.disk)
    }

    fn head(&self) -> Head {
        self.head.clone()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.view.clone()
    }

    fn pruner(&self) -> Option<Arc<dyn Pruner>> {
        Some(Arc::new(Bundles {
            dir: self.dir.clone(),
            view: Arc::clone(&self.view),
        }))
    }
}

impl Target for Files {
    fn write(&mut self, mut batch: Batch) -> io::Result<Committed> {
        self.sealer.keeps_up()?;
        let turns = self.view.turns() && self.wal.bytes() > 0;
        if turns || self.wal.bytes() >= self.segment_bytes {
            self.wal.end(&*self.disk)?;
            self.wal = Wal::begin(&self.dir, batch.first)?;
        }
        self.wal.commit(&*self.disk, &batch)?;
        let chunk = Chunk {
            first: batch.first,
            text: std::mem::take(&mut batch.text),
            ends: std::mem::take(&mut batch.ends),
        };
        let checkpoint = batch.checkpoint.clone();
        let wakes = {
            let mut tail = self.view.tail();
            let pending = tail.pending();
            tail.push(chunk, &batch.completed, checkpoint);
            tail.pending() > pending
        };
        if wakes {
            self.sealer.wake();
        }
        let (committed, head) = batch.committed();
        self.head = head;
        Ok(committed)
    }
}

/// Reads the log in `dir` as it is now, also while a gateway writes to it. Without keys, signatures
/// aren't looked at.
///
/// # Errors
/// [`OpenError`].
pub fn read(dir: &Path, keys: Option<&Keys>) -> Result<impl Reader + use<>, OpenError> {
    found(dir, keys)
}

/// About how many entries the log in `dir` has, to tell progress by.
pub(crate) fn size(dir: &Path) -> u64 {
    let view = found(dir, None);
    view.and_then(|view| Ok(view.checkpoint()?.size))
        .unwrap_or(0)
}

/// How often a log is read anew that changed meanwhile: a segment may go between looking for it and opening
/// it, and what is at its end may be taken back.
const ATTEMPTS: usize = 16;

/// As [`read`].
pub(crate) fn found(dir: &Path, keys: Option<&Keys>) -> Result<View, OpenError> {
    dir.metadata().map_err(|source| OpenError::Io {
        path: dir.to_owned(),
        source,
    })?;
    let mut attempts = 1;
    loop {
        let before = trace(dir);
        match load(dir, keys) {
            Ok(loaded) => return Ok(loaded.view),
            Err(_) if attempts < ATTEMPTS && before != trace(dir) => attempts += 1,
            Err(error) => return Err(error),
        }
    }
}

/// What a log that is written to leaves behind: its segments, and when each was changed last.
fn trace(dir: &Path) -> Vec<(u64, Option<(u64, SystemTime)>)> {
    let segments = paths::segments(dir).unwrap_or_default().into_iter();
    let changed = segments.map(|(first, path)| {
        let known = path.metadata().ok();
        let changed = known.and_then(|known| Some((known.len(), known.modified().ok()?)));
        (first, changed)
    });
    changed.collect()
}

/// What is in bundles of a log that can't be loaded, as far as its last checkpoint says.
pub(crate) fn sealed(dir: &Path) -> io::Result<Option<View>> {
    let last = notes::last(&dir.join(paths::CHECKPOINTS))?;
    Ok(last.and_then(|(note, _)| {
        let said = unverified(note.as_bytes())?;
        let sealed = said.size() / paths::WIDTH * paths::WIDTH;
        let checkpoint = Signed {
            size: sealed,
            root: *said.hash(),
            note: note.into(),
        };
        let first = tiles::first(dir).unwrap_or_default();
        Some(View::of(dir, first, Tail::none(sealed, checkpoint)).unproven())
    }))
}

/// The checkpoints that were kept, in order.
pub(crate) fn checkpoints(
    dir: &Path,
) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>> + use<>> {
    notes::all(&dir.join(paths::CHECKPOINTS))
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(paths::LOCK);
    let file = disk::append_to(&path).map_err(|source| OpenError::Io {
        path: path.clone(),
        source,
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}
