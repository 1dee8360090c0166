//! Pruning in files: the file `first` says what is gone, then the bundles before it go. Tiles stay. A segment
//! that has such leaves still goes once the next bundle is full.

use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{self, FileSystem, Replacing};
use super::paths::{self, FIRST, WIDTH};
use super::tiles;
use super::view::View;
use crate::audit::store::ReadError;
use crate::audit::store::prune::{Claim, Claimed, Pruner, SLICE};

/// Bundles that lie in one directory.
const ROW: u64 = 1000;

/// Deletes bundles of a log that this process writes to.
#[derive(Debug)]
pub(super) struct Bundles {
    pub(super) dir: PathBuf,
    pub(super) view: Arc<View>,
}

impl Pruner for Bundles {
    fn claim(&self) -> Result<Claimed, ReadError> {
        // Nobody else has the directory open.
        Ok(Claimed::Ours(Box::new(Deleting {
            dir: self.dir.clone(),
            view: Arc::clone(&self.view),
            next: None,
        })))
    }
}

struct Deleting {
    dir: PathBuf,
    view: Arc<View>,
    /// The next bundle to go, once it is known.
    next: Option<u64>,
}

impl Claim for Deleting {
    /// The last bundle always stays: the next entry is dated by it.
    fn past(&mut self, before: u64) -> Result<Range<u64>, ReadError> {
        let last = (self.view.tail().sealed() / WIDTH).saturating_sub(1);
        let first = self.view.left_from();
        let end = ((before / WIDTH).min(last) * WIDTH).max(first);
        // A quiet log writes to one segment for years.
        let segments = paths::segments(&self.dir)?;
        if segments.last().is_some_and(|(begins, _)| *begins < end) {
            self.view.turn();
        }
        Ok(first..end)
    }

    fn prune(&mut self, first: u64) -> io::Result<bool> {
        // Told before it is done: what is missing without having been told of was removed by another hand.
        if tiles::first(&self.dir)? < first {
            let mut files = Replacing::of(&self.dir, &FileSystem);
            files.write(self.dir.join(FIRST), format!("{first}\n").as_bytes())?;
            files.finish()?;
        }
        self.view.begins_at(first);
        let end = first / WIDTH;
        let next = self.next.unwrap_or_else(|| left_before(&self.dir, end));
        let to = end.min(next + SLICE / WIDTH);
        for n in next..to {
            let path = paths::bundle(&self.dir, n);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let ends_row = (n + 1).is_multiple_of(ROW);
            if let Some(row) = path.parent().filter(|row| row.is_dir())
                && (ends_row || n + 1 == to)
            {
                disk::sync_dir(row)?;
                if ends_row {
                    // One that isn't empty has files of another hand.
                    let _ = fs::remove_dir(row);
                }
            }
        }
        self.next = Some(to);
        Ok(to < end)
    }
}

/// The first bundle before `end` that is there still. They go in order, so that what a crash left is found
/// from the end: one row without any is the last that is looked at.
fn left_before(dir: &Path, end: u64) -> u64 {
    let mut left = end;
    let mut seen = false;
    for n in (0..end).rev() {
        if paths::bundle(dir, n).exists() {
            (left, seen) = (n, true);
        }
        if n.is_multiple_of(ROW) && !std::mem::take(&mut seen) {
            break;
        }
    }
    left
}
