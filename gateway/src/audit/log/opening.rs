//! Opening: lock, find where to begin, verify from there, cut a torn tail.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::disk::{self, Disk};
use super::{Chain, Flaw, OpenError, Opened};
use crate::audit::verify::{Violation, Walk};

/// A verified log, locked and ready to be written to.
pub(super) struct Ready {
    pub(super) disk: Box<dyn Disk>,
    pub(super) dir: PathBuf,
    pub(super) chain: Chain,
    pub(super) segment: Segment,
    /// Held for as long as the log is written to.
    pub(super) _lock: File,
}

/// The segment that is written to.
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// Nothing after a failure, until the file was opened again and found as it should be.
    pub(super) file: Option<File>,
    /// Bytes known to be on disk.
    pub(super) durable: u64,
    /// Where the last durable line begins.
    pub(super) last_line: u64,
}

pub(super) fn open(
    mut disk: Box<dyn Disk>,
    dir: &Path,
    replay_from: Option<Timestamp>,
    each: &mut dyn FnMut(&str),
) -> Result<(Ready, Opened), OpenError> {
    disk::create_dir(dir).map_err(at(dir))?;
    let lock = lock(dir)?;
    let mut segments = disk::segments(dir).map_err(at(dir))?;
    let (chain, segment, torn_bytes) = if segments.is_empty() {
        (Chain::default(), begin(dir)?, 0)
    } else {
        let start = start(&segments, replay_from)?;
        let before = match start.checked_sub(1) {
            Some(before) => end_of(&segments[before], segments[start].0)?,
            None => Chain::default(),
        };
        let mut walk = Walk::new(segments.split_off(start), before);
        while walk.step().map_err(broken)? {
            each(walk.json());
        }
        let segment = resume(disk.as_mut(), dir, &walk)?;
        let torn = walk.torn_bytes();
        (walk.into_chain(), segment, torn)
    };
    let opened = Opened {
        entries: chain.entries,
        last_hash: chain.hash,
        torn_bytes,
    };
    let dir = dir.to_owned();
    let ready = Ready {
        disk,
        dir,
        chain,
        segment,
        _lock: lock,
    };
    Ok((ready, opened))
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = disk::lock_file(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

fn begin(dir: &Path) -> Result<Segment, OpenError> {
    let path = disk::segment_path(dir, 1);
    let file = disk::create_segment(dir, &path).map_err(at(&path))?;
    Ok(Segment {
        path,
        file: Some(file),
        durable: 0,
        last_line: 0,
    })
}

/// The segment to begin with: the last one that holds an entry, or the one that was current at
/// `replay_from` if that is earlier.
fn start(segments: &[(u64, PathBuf)], replay_from: Option<Timestamp>) -> Result<usize, OpenError> {
    let mut start = segments.len() - 1;
    while start > 0 {
        let (_, path) = &segments[start];
        let first = disk::first_line(path).map_err(at(path))?;
        // A flawed first line is for the walk to report.
        let first = first.map(|line| Chain::ending_in(&line).ok().and_then(|chain| chain.at));
        match (first, replay_from) {
            (None, _) => start -= 1,
            (Some(Some(first)), Some(from)) if first >= from => start -= 1,
            _ => break,
        }
    }
    Ok(start)
}

/// Where the chain stands at the end of a segment that isn't walked, just before `next`.
fn end_of((_, path): &(u64, PathBuf), next: u64) -> Result<Chain, OpenError> {
    let flawed = |what| broken(Violation::new(next - 1, path, what));
    let line = disk::last_line(path).map_err(at(path))?;
    let line = line.ok_or_else(|| flawed(Flaw::CutOff))?;
    Chain::ending_in(&line).map_err(flawed)
}

fn resume(disk: &mut dyn Disk, dir: &Path, walk: &Walk) -> Result<Segment, OpenError> {
    let (path, whole, last_line) = walk.position();
    let file = disk::open_segment(path).map_err(at(path))?;
    if walk.torn_bytes() > 0 {
        disk.truncate(&file, whole).map_err(at(path))?;
        tracing::warn!(audit.torn_bytes = walk.torn_bytes(), "cut off a torn tail");
    }
    // Lines that a process wrote and died before syncing are entries from now on.
    disk.sync(&file).map_err(at(path))?;
    disk::sync_dir(dir).map_err(at(dir))?;
    Ok(Segment {
        path: path.to_owned(),
        file: Some(file),
        durable: whole,
        last_line,
    })
}

fn at(path: &Path) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Io {
        path: path.to_owned(),
        source,
    }
}

fn broken(violation: Violation) -> OpenError {
    let Violation {
        entry,
        segment,
        what,
    } = violation;
    match what {
        Flaw::Unreadable(source) => OpenError::Io {
            path: segment.into(),
            source,
        },
        what => OpenError::Broken {
            entry,
            segment,
            what,
        },
    }
}
