//! Store: drafts in, and once they are durable their places in the tree out.
//!
//! A store keeps leaves, the hashes of the tree over them, and signed checkpoints. All stores date,
//! hash and sign alike, by [`Batch`], and pass the same [`suite`]. Their calls block: a store belongs to
//! the log's own thread, a reader to whoever may wait.

mod batch;
pub mod copy;
mod error;
pub mod files;
pub(crate) mod hashes;
mod memory;
pub mod postgres;
pub mod prune;
#[cfg(any(test, feature = "testing"))]
pub mod suite;

use std::fmt::Debug;
use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use memchr::memmem::Finder;
use tlog_tiles::tlog::Hash;

use super::draft::Draft;
use super::reads::Caller;
use super::tree::Tree;
use crate::config::{AuditSettings, AuditStore};

pub use batch::Batch;
pub use error::{Flaw, OpenError, ReadError};
pub use files::Files;
pub use hashes::Hashes;
pub use memory::Memory;
pub use postgres::Postgres;
pub use prune::{Claimed, Pruner};

/// Opens what the configuration names, or begins it.
///
/// # Errors
/// [`OpenError`].
pub fn open(settings: &AuditSettings) -> Result<Box<dyn Store>, OpenError> {
    let signer = settings.signer().map_err(|_| OpenError::Keys)?;
    let keys = settings.keys().map_err(|_| OpenError::Keys)?;
    match &settings.store {
        AuditStore::Files {
            directory,
            segment_bytes,
        } => {
            let store = Files::open(directory, *segment_bytes, signer, keys)?;
            Ok(Box::new(store))
        }
        AuditStore::Postgres(database) => {
            let store = Postgres::open(database, signer, keys)?;
            Ok(Box::new(store))
        }
    }
}

/// Where entries are kept, as the one who writes sees it.
pub trait Store: Send {
    /// Makes drafts durable as the next leaves, in order, under one signed checkpoint.
    ///
    /// # Errors
    /// When they aren't known to be durable. None of them counts then, and the store has to
    /// [`recover`](Self::recover) before it takes others.
    fn append(&mut self, drafts: &[Draft]) -> io::Result<Committed>;

    /// Goes back to what is known to be durable, if the last append failed; whether that one is on record.
    ///
    /// # Errors
    /// When that can't be done yet. None of the drafts counts.
    fn recover(&mut self) -> io::Result<Recovered>;

    /// Finds out whether an append would succeed, without leaving anything behind.
    ///
    /// # Errors
    /// When it wouldn't.
    fn probe(&mut self) -> io::Result<()>;

    /// What was durable when the store was opened or last written to.
    fn head(&self) -> Head;

    /// Reads what is there, also while it is written to.
    fn reader(&self) -> Arc<dyn Reader>;

    /// Deletes what is past its term, also while it is written to; nothing in a store that forgets anyway.
    fn pruner(&self) -> Option<Arc<dyn Pruner>> {
        None
    }
}

/// What became of an append that failed.
#[derive(Debug)]
pub enum Recovered {
    /// None of its drafts is on record, or none failed.
    Back,
    /// All of them are on record after all.
    Late(Committed),
    /// They may be on record or not, and that can't be found out yet.
    Unknown(io::Error),
}

/// Where entries are kept, as those see it who read.
pub trait Reader: Send + Sync + Debug {
    /// The newest signed checkpoint.
    ///
    /// # Errors
    /// [`ReadError`].
    fn checkpoint(&self) -> Result<Signed, ReadError>;

    /// Hashes of complete subtrees, by the index of [`tlog_tiles::tlog::stored_hash_index`].
    ///
    /// # Errors
    /// [`ReadError`].
    fn hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, ReadError>;

    /// Gives `each` the leaves of these places, in order, until it breaks. Each was compared with its
    /// hash in the tree.
    ///
    /// # Errors
    /// [`ReadError`]; `each` has had those before the flaw.
    fn leaves(&self, places: Range<u64>, each: &mut Each<'_>) -> Result<(), ReadError>;

    /// The first place that isn't dated before `moment`; the size of the tree if all are.
    ///
    /// # Errors
    /// [`ReadError`].
    fn since(&self, moment: Timestamp) -> Result<u64, ReadError>;

    /// What isn't in its last form yet; nothing in a store that has but one.
    fn unsealed(&self) -> Unsealed {
        Unsealed::default()
    }

    /// The first place whose leaf is there still: those before it were deleted at the end of their term. It
    /// is the store's own word, which no signature holds.
    ///
    /// # Errors
    /// [`ReadError`].
    fn first(&self) -> Result<u64, ReadError>;

    /// A subject's entries at these places, newest first, at most so many. A store that keeps no index
    /// of subjects reads back through all of them; those in files have an
    /// [`Index`](super::index::Index) beside them.
    ///
    /// # Errors
    /// [`ReadError`].
    fn of_subject(
        &self,
        subject_ref: &str,
        places: Range<u64>,
        limit: usize,
    ) -> Result<Vec<Found>, ReadError> {
        const STRIDE: u64 = 4096;
        let first = self.first()?.max(places.start);
        let mut end = places.end.min(self.checkpoint()?.size);
        let mut found = Vec::new();
        while end > first && found.len() < limit {
            let start = end.saturating_sub(STRIDE).max(first);
            let mut here = Vec::new();
            self.leaves(start..end, &mut |place, leaf| {
                if subject_of(leaf) == Some(subject_ref.as_bytes()) {
                    here.push((place, leaf.to_vec()));
                }
                ControlFlow::Continue(())
            })?;
            found.extend(here.into_iter().rev());
            end = start;
        }
        found.truncate(limit);
        Ok(found)
    }
}

/// Leaves that wait to be moved into bundles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Unsealed {
    /// How many bytes they have.
    pub bytes: u64,
    /// Whether the last attempt to move them failed.
    pub fails: bool,
}

/// The entries at these places of one citizen, who may have several references: newest first, at most so
/// many.
///
/// # Errors
/// [`ReadError`].
pub fn newest(
    reader: &dyn Reader,
    references: &[String],
    places: &Range<u64>,
    limit: usize,
    caller: &Caller,
) -> Result<Vec<Found>, ReadError> {
    let mut found = Vec::new();
    for reference in references {
        caller.waits()?;
        found.extend(reader.of_subject(reference, places.clone(), limit)?);
    }
    found.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
    found.truncate(limit);
    Ok(found)
}

/// An entry's place and its text.
pub type Found = (u64, Vec<u8>);

/// The reference to an entry's subject, found without reading the entry; nothing when it has none.
#[must_use]
pub fn subject_of(leaf: &[u8]) -> Option<&[u8]> {
    // The quotes before the colon can't be those of a string's content, where they are escaped.
    static MEMBER: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""subject_ref":""#));
    let at = MEMBER.find(leaf)? + MEMBER.needle().len();
    let reference = leaf.get(at..at + 64)?;
    reference
        .iter()
        .all(u8::is_ascii_hexdigit)
        .then_some(reference)
}

/// Takes a leaf and its place.
pub type Each<'a> = dyn FnMut(u64, &[u8]) -> ControlFlow<()> + 'a;

/// A signed checkpoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Signed {
    /// Leaves of the tree.
    pub size: u64,
    /// Its hash.
    pub root: Hash,
    /// The signed note; empty for a tree without leaves.
    pub note: Arc<str>,
}

/// Drafts that are durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// Place of the first, counted from 0.
    pub first: u64,
    /// Each in turn.
    pub placed: Vec<Placed>,
    /// The checkpoint that holds them all.
    pub checkpoint: Signed,
}

/// A leaf that is durable.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// How it is dated, in whole microseconds.
    pub at: Timestamp,
    /// Its hash: SHA-256 of a zero byte and its text (RFC 6962 section 2.1).
    pub hash: Hash,
}

/// How far a log has got.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    /// Every leaf so far.
    pub tree: Tree,
    /// When the last one is dated.
    pub at: Option<Timestamp>,
}
