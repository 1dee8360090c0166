//! Verify: a log in, whether it is whole out.
//!
//! Every leaf is held against its hash in the tree, the hashes of the tree against those below them,
//! and each signed checkpoint against the tree of its size, up to the first that doesn't fit. What is
//! torn is no violation: nobody has a receipt for it, and opening the log cuts it off.
//!
//! Whoever has the signing key can write another log of which all this is true, and whoever has the
//! directory can put an earlier copy of it there. Only a checkpoint kept elsewhere shows that: a
//! receipt's, or a witness's. It is what [`Asked::kept`] is for.
//!
//! Nothing locks: a log may be read while a gateway writes to it.

mod database;
mod text;
mod walk;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use tlog_tiles::tlog::{check_tree, prove_tree};

use super::store::{Flaw, Hashes, OpenError, ReadError, Reader, Signed, files};
use crate::checkpoint::{Keys, NoteError, unverified};

pub use database::verify_in;
pub use text::read;
pub(crate) use text::text;
pub use walk::walk;

/// A log that is whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// How many entries there are.
    pub entries: u64,
    /// Number of the first that wasn't deleted at the end of its term.
    pub first: u64,
    /// The newest checkpoint, to compare with one kept elsewhere.
    pub checkpoint: Signed,
    /// How many other checkpoints were held against the tree.
    pub checkpoints: u64,
}

/// The first place where a log isn't what was written.
#[derive(Debug, thiserror::Error)]
#[error("entry {entry} in {place}: {what}")]
pub struct Violation {
    /// The entry that is wrong or missing, counted from 1.
    pub entry: u64,
    /// File or table where this shows.
    pub place: String,
    /// What is wrong.
    #[source]
    pub what: Flaw,
}

/// What is to be verified.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked<'a> {
    /// Keys of the log. Without them signatures aren't looked at, so whoever can write to the log can
    /// have written all of it.
    pub keys: Option<&'a Keys>,
    /// A checkpoint that was kept elsewhere: the log has to hold it.
    pub kept: Option<&'a str>,
    /// Whether entries before that one are believed for its sake.
    pub from: bool,
}

/// Verifies the whole log in `dir`. `progress` is told now and then, and at the end, how many entries
/// were good so far.
///
/// # Errors
/// The first [`Violation`]. A file that can't be read is one too, with [`Flaw::Unreadable`].
pub fn verify(
    dir: &Path,
    keys: Option<&Keys>,
    progress: impl FnMut(u64),
) -> Result<Verified, Violation> {
    let asked = Asked {
        keys,
        ..Asked::default()
    };
    verify_with(dir, asked, progress)
}

/// As [`verify`], with more to ask.
///
/// # Errors
/// See there.
pub fn verify_with(
    dir: &Path,
    asked: Asked<'_>,
    mut progress: impl FnMut(u64),
) -> Result<Verified, Violation> {
    let (first, walked) = match walk_in(dir, asked, &mut progress) {
        Ok(walked) => walked,
        Err(broken) => return Err(broken_before(dir, asked, broken, &mut progress)?),
    };
    match walked {
        Err(violation) if violation.is_of_meanwhile(first) => walk_in(dir, asked, &mut progress)?.1,
        walked => walked,
    }
}

/// Where the log in `dir` begins, and what a walk along it comes to, if it can be loaded.
fn walk_in(
    dir: &Path,
    asked: Asked<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<(u64, Result<Verified, Violation>), Violation> {
    let view = files::found(dir, asked.keys)?;
    let first = view.first()?;
    // Read after what is held against them: what is written meanwhile isn't there yet.
    let notes = files::checkpoints(dir).map_err(unreadable(dir));
    Ok((
        first,
        notes.and_then(|notes| walk(&view.unproven(), notes, asked, progress)),
    ))
}

/// The first violation of a log that can't be loaded: it may have been broken long before the place where
/// that showed.
fn broken_before(
    dir: &Path,
    asked: Asked<'_>,
    broken: Violation,
    progress: &mut dyn FnMut(u64),
) -> Result<Violation, Violation> {
    let notes = files::checkpoints(dir).map_err(unreadable(dir))?;
    let Some(view) = files::sealed(dir).map_err(unreadable(dir))? else {
        return Ok(broken);
    };
    Ok(match walk(&view, notes, asked, progress) {
        // What says that entries were deleted may be what can't be read.
        Err(Violation {
            what: Flaw::Unrecorded,
            ..
        }) => broken,
        Err(earlier) if earlier.entry <= broken.entry => earlier,
        _ => broken,
    })
}

fn unreadable(dir: &Path) -> impl Fn(io::Error) -> Violation {
    move |error| Violation {
        entry: 1,
        place: dir.display().to_string(),
        what: Flaw::Unreadable(error),
    }
}

impl Violation {
    /// Whether it says of entries only that they were there when the log began at `first`, and went since
    /// without having been told of: the entry that tells may be younger than the walk.
    fn is_of_meanwhile(&self, first: u64) -> bool {
        matches!(self.what, Flaw::Unrecorded) && self.entry > first
    }
}

/// Whether the tree of the checkpoint `new` is that of `old` and more, by the log's own hashes.
///
/// # Errors
/// The [`Violation`] that shows that it isn't: a log that was forked or rewritten.
pub fn consistent(
    reader: &dyn Reader,
    keys: Option<&Keys>,
    old: &str,
    new: &str,
) -> Result<(u64, u64), Violation> {
    let [old, new] = [old, new].map(|note| said(note.as_bytes(), keys));
    let (old, new) = (old?, new?);
    let differs = |entry, to| Violation {
        entry,
        place: "checkpoints".to_owned(),
        what: Flaw::Rewritten { to },
    };
    if new.size < old.size {
        return Err(Violation {
            entry: new.size + 1,
            place: "checkpoints".to_owned(),
            what: Flaw::CutOff { size: old.size },
        });
    }
    let fits = if old.size == new.size {
        old.root == new.root
    } else {
        let hashes = Hashes::of(reader);
        let proof = prove_tree(new.size, old.size, &hashes);
        let proof = proof.map_err(|error| hashes.cause(&error))?;
        check_tree(&proof, new.size, new.root, old.size, old.root).is_ok()
    };
    match fits {
        true => Ok((old.size, new.size)),
        false => Err(differs(1, old.size)),
    }
}

/// What a note says.
fn said(note: &[u8], keys: Option<&Keys>) -> Result<Signed, Violation> {
    let said = match keys {
        Some(keys) => keys.open(note),
        None => unverified(note).ok_or(NoteError::Malformed),
    };
    // It says its size to whoever doesn't believe it, too.
    let said = said.map_err(|error| Violation {
        entry: unverified(note).map_or(1, |said| said.size().max(1)),
        place: "checkpoints".to_owned(),
        what: Flaw::Checkpoint(error),
    })?;
    Ok(Signed {
        size: said.size(),
        root: *said.hash(),
        note: String::from_utf8_lossy(note).into(),
    })
}

impl From<OpenError> for Violation {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Broken { entry, place, what } => Self { entry, place, what },
            OpenError::Io { path, source } => Self {
                entry: 1,
                place: path.display().to_string(),
                what: Flaw::Unreadable(source),
            },
            other => Self {
                entry: 1,
                place: "the log".to_owned(),
                what: Flaw::Unreadable(io::Error::other(other)),
            },
        }
    }
}

impl From<ReadError> for Violation {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Broken { entry, place, what } => Self { entry, place, what },
            other => Self {
                entry: 1,
                place: "the log".to_owned(),
                what: Flaw::Unreadable(io::Error::other(other)),
            },
        }
    }
}
