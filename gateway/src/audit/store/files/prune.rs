//! Pruning: a place in, the bundles wholly before it gone.
//!
//! The tiles of hashes stay, so that the tree verifies and what is left can be proved to be in it.

use std::fs;
use std::io;
use std::path::Path;

use super::disk::{self, FileSystem, Replacing};
use super::paths::{self, CHECKPOINTS, FIRST, WIDTH};
use super::{notes, tiles};
use crate::checkpoint::unverified;

/// Deletes the leaves of bundles that end before `before`; the first place whose leaf is there still.
/// Called again, it finishes what a crash cut short. The last bundle always stays: the next entry is
/// dated by it.
///
/// # Errors
/// When the disk refuses.
pub fn prune(dir: &Path, before: u64) -> io::Result<u64> {
    let last = notes::last(&dir.join(CHECKPOINTS))?;
    let sealed = last.and_then(|(note, _)| unverified(note.as_bytes()));
    let sealed = sealed.map_or(0, |said| said.size() / WIDTH);
    let had = tiles::first(dir)? / WIDTH;
    let first = (before / WIDTH).min(sealed.saturating_sub(1)).max(had);
    // Told before it is done: what is missing without having been told of was removed by another hand.
    if first > had {
        let mut files = Replacing::of(dir, &FileSystem);
        files.write(dir.join(FIRST), format!("{}\n", first * WIDTH).as_bytes())?;
        files.finish()?;
    }
    // From the last to the first, so that a crash leaves what can be found again.
    for n in (0..first).rev() {
        let path = paths::bundle(dir, n);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Those before it went at an earlier time, unless that was cut short.
                if n < had && !paths::bundle(dir, n.saturating_sub(1)).exists() {
                    break;
                }
            }
            Err(error) => return Err(error),
        }
        if (n % 1000 == 0 || n + 1 == first)
            && let Some(parent) = path.parent()
        {
            disk::sync_dir(parent)?;
        }
    }
    Ok(first * WIDTH)
}
