//! Store: drafts in, and once they are durable their places in the tree out.
//!
//! A store keeps leaves, the hashes of the tree over them, and signed checkpoints. All stores date,
//! hash and sign alike, by [`Batch`], and pass the same [`suite`]. Their calls block: a store belongs to
//! the log's own thread, a reader to whoever may wait.

pub mod copy;
pub mod files;
mod memory;
pub mod postgres;
#[cfg(any(test, feature = "testing"))]
pub mod suite;

use std::cell::RefCell;
use std::fmt::Debug;
use std::io;
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use memchr::memmem::Finder;
use tlog_tiles::tlog::{self, Hash, HashReader, record_hash};

use super::draft::{Draft, dated};
use super::reads::Caller;
use super::tree::Tree;
use crate::checkpoint::{NoteError, Signer};
use crate::config::{AuditSettings, AuditStore};

pub use files::Files;
pub use memory::Memory;
pub use postgres::Postgres;

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

    /// Goes back to what is known to be durable, if the last append failed.
    ///
    /// # Errors
    /// When that can't be done yet.
    fn recover(&mut self) -> io::Result<()>;

    /// Finds out whether an append would succeed, without leaving anything behind.
    ///
    /// # Errors
    /// When it wouldn't.
    fn probe(&mut self) -> io::Result<()>;

    /// What was durable when the store was opened or last written to.
    fn head(&self) -> Head;

    /// Reads what is there, also while it is written to.
    fn reader(&self) -> Arc<dyn Reader>;
}

/// Where entries are kept, as those see it who read.
pub trait Reader: Send + Sync + Debug {
    /// The newest signed checkpoint.
    ///
    /// # Errors
    /// [`ReadError`].
    fn checkpoint(&self) -> Result<Signed, ReadError>;

    /// Hashes of complete subtrees, by the index of [`tlog::stored_hash_index`].
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

    /// The first place whose leaf is there still: those before it were deleted at the end of their term.
    fn first(&self) -> u64;

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
        let first = self.first().max(places.start);
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

/// Why a store can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The entry isn't there yet.
    #[error("the log has no such entry")]
    Unknown,
    /// The entry's term is over.
    #[error("the entry was deleted at the end of its term; its hash is there still")]
    Pruned,
    /// What is there isn't what was written.
    #[error("the audit log is broken at entry {entry} in {place}")]
    Broken {
        /// The first entry that isn't as it was written, counted from 1.
        entry: u64,
        /// File or table.
        place: String,
        /// What is wrong with it.
        #[source]
        what: Flaw,
    },
    /// The disk or the database refused; this says nothing about the entries.
    #[error("the audit log can't be read")]
    Io(#[from] io::Error),
}

/// What is wrong with an entry.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// The leaf and its hash in the tree don't belong together.
    #[error("its text doesn't match its hash: it was altered")]
    Altered,
    /// It is in the tree, but this log doesn't write such leaves.
    #[error("it isn't an entry of this log")]
    Malformed,
    /// Its time is before that of the entry before it.
    #[error("it is dated before the entry before it")]
    BackDated,
    /// It isn't there.
    #[error("it is missing: entries were removed")]
    Missing,
    /// A checkpoint was signed over other entries. The entry named is the first one that no earlier
    /// checkpoint holds.
    #[error(
        "from here to entry {to} something was altered, added, removed or reordered: \
         a checkpoint of {to} entries was signed over others"
    )]
    Rewritten {
        /// The last entry of that checkpoint.
        to: u64,
    },
    /// A checkpoint of more entries was signed than there are.
    #[error("entries were cut off: a checkpoint of {size} was signed")]
    CutOff {
        /// How many that checkpoint holds.
        size: u64,
    },
    /// A tile of the tree isn't there.
    #[error("the hashes of the tree from here on are missing")]
    NoHash,
    /// A hash of the tree isn't that of the hashes below it.
    #[error("a hash of the tree above it was altered")]
    Hash,
    /// A checkpoint isn't one of this log.
    #[error("the checkpoint after it: {0}")]
    Checkpoint(NoteError),
    /// The disk or the database refused; this says nothing about the entry.
    #[error("it can't be read")]
    Unreadable(#[source] io::Error),
}

/// Why a log can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another [`Log`](super::log::Log) of this one, has it open.
    #[error("the audit log {} is in use by another process", .dir.display())]
    Locked {
        /// The log's directory.
        dir: PathBuf,
    },
    /// The log was damaged or tampered with. It is never repaired: somebody has to look at it.
    #[error("the audit log is broken at entry {entry} in {place}")]
    Broken {
        /// The first entry that isn't as it was written, counted from 1.
        entry: u64,
        /// File or table.
        place: String,
        /// What is wrong with it.
        #[source]
        what: Flaw,
    },
    /// The directory has a log of an earlier kind, a chain of lines.
    #[error(
        "{} has an audit log of an earlier version, a chain of lines: \
         keep it elsewhere, and begin anew in an empty directory", .dir.display()
    )]
    Chain {
        /// The log's directory.
        dir: PathBuf,
    },
    /// The file system refused.
    #[error("can't open the audit log at {}", .path.display())]
    Io {
        /// The file or directory concerned.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The database doesn't answer, or isn't one that keeps what it says it keeps.
    #[error("the audit log's database can't be used")]
    Database(#[source] io::Error),
    /// What was opened can't be read.
    #[error("can't read the audit log")]
    Read(#[source] io::Error),
    /// A key can't sign or verify for the log's name; a configuration that was loaded has none such.
    #[error("a key of the audit log isn't one")]
    Keys,
    /// The writer's thread couldn't be started.
    #[error("can't start the audit log's thread")]
    Thread(#[source] io::Error),
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Broken { entry, place, what } => Self::Broken { entry, place, what },
            ReadError::Io(source) => Self::Read(source),
            ReadError::Unknown | ReadError::Pruned => Self::Read(io::Error::other(error)),
        }
    }
}

/// How far a log has got.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Head {
    /// Every leaf so far.
    pub tree: Tree,
    /// When the last one is dated.
    pub at: Option<Timestamp>,
}

/// Drafts on their way: dated, hashed, and the head that they lead to signed.
#[derive(Debug)]
pub struct Batch {
    /// Place of the first.
    pub first: u64,
    /// Their leaves, one after the other.
    pub text: Vec<u8>,
    /// Where each leaf ends in `text`.
    pub ends: Vec<usize>,
    /// Date and hash of each.
    pub placed: Vec<Placed>,
    /// The subtrees that they complete, by level, in order: what tiles are made of.
    pub completed: Vec<(u8, Hash)>,
    /// Where the log is with them.
    pub head: Head,
    /// Signed over that.
    pub checkpoint: Signed,
}

impl Batch {
    /// Puts `drafts` after `head`, dated `now`, which is asked for each.
    #[must_use]
    pub fn of(
        drafts: &[Draft],
        head: &Head,
        signer: &Signer,
        mut now: impl FnMut() -> Timestamp,
    ) -> Self {
        let room = drafts.iter().map(|draft| draft.len() + 64).sum();
        let mut batch = Self::after(head, room, drafts.len());
        for draft in drafts {
            let at = draft.write(now(), batch.head.at, &mut batch.text);
            batch.push(at);
        }
        batch.signed(signer)
    }

    /// Puts leaves of another store after `head`, as they are; none if one of them isn't a leaf.
    #[must_use]
    pub fn again(leaves: &[Vec<u8>], head: &Head, signer: &Signer) -> Option<Self> {
        let room = leaves.iter().map(Vec::len).sum();
        let mut batch = Self::after(head, room, leaves.len());
        for leaf in leaves {
            batch.text.extend_from_slice(leaf);
            batch.push(dated(leaf)?);
        }
        Some(batch.signed(signer))
    }

    fn after(head: &Head, room: usize, count: usize) -> Self {
        Self {
            first: head.tree.size(),
            text: Vec::with_capacity(room),
            ends: Vec::with_capacity(count),
            placed: Vec::with_capacity(count),
            completed: Vec::with_capacity(count * 2),
            head: head.clone(),
            checkpoint: Signed {
                size: 0,
                root: tlog::EMPTY_HASH,
                note: Arc::default(),
            },
        }
    }

    /// Takes what was written to `text` since the last leaf as the next.
    fn push(&mut self, at: Timestamp) {
        let start = self.ends.last().copied().unwrap_or_default();
        let hash = record_hash(&self.text[start..]);
        let completed = &mut self.completed;
        self.head
            .tree
            .push(hash, |level, hash| completed.push((level, hash)));
        self.head.at = Some(at);
        self.ends.push(self.text.len());
        self.placed.push(Placed { at, hash });
    }

    fn signed(self, signer: &Signer) -> Self {
        let checkpoint = Signed::of(&self.head.tree, signer);
        Self { checkpoint, ..self }
    }

    /// The leaves with their places.
    pub fn leaves(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let leaves = starts.zip(&self.ends);
        (self.first..).zip(leaves.map(|(start, end)| &self.text[start..*end]))
    }

    /// What came of it, once it is durable.
    #[must_use]
    pub fn committed(self) -> (Committed, Head) {
        let committed = Committed {
            first: self.first,
            placed: self.placed,
            checkpoint: self.checkpoint,
        };
        (committed, self.head)
    }
}

impl Signed {
    /// The checkpoint of a tree.
    #[must_use]
    pub fn of(tree: &Tree, signer: &Signer) -> Self {
        let (size, root) = (tree.size(), tree.root());
        let note = match size {
            0 => Arc::default(),
            _ => signer.sign(size, root).into(),
        };
        Self { size, root, note }
    }
}

/// A reader as tlog_tiles asks for hashes. It wants errors of its own, so the cause is kept here.
#[derive(Debug)]
pub struct Hashes<'a> {
    reader: &'a dyn Reader,
    failed: RefCell<Option<ReadError>>,
}

impl<'a> Hashes<'a> {
    /// Reads from there.
    #[must_use]
    pub fn of(reader: &'a dyn Reader) -> Self {
        Self {
            reader,
            failed: RefCell::default(),
        }
    }

    /// Why what was asked of tlog_tiles failed.
    #[must_use]
    pub fn cause(self, error: &tlog::Error) -> ReadError {
        let failed = self.failed.take();
        failed.unwrap_or_else(|| ReadError::Io(io::Error::other(error.to_string())))
    }
}

impl HashReader for Hashes<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        self.reader.hashes(indexes).map_err(|error| {
            *self.failed.borrow_mut() = Some(error);
            tlog::Error::IndexesNotInTree
        })
    }
}
