//! Error: why a store can't be opened or read, and what is wrong with an entry.

use std::io;
use std::path::PathBuf;

use crate::checkpoint::NoteError;

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

/// What to do about a log that was taken back, or written anew.
const LOOK: &str = "copy the log away as it is, then hold it against a checkpoint that was kept \
                    elsewhere: `loket audit verify --from`";

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
         a checkpoint of {to} entries was signed over others; {LOOK}"
    )]
    Rewritten {
        /// The last entry of that checkpoint.
        to: u64,
    },
    /// A checkpoint of more entries was signed than there are.
    #[error("entries were cut off: a checkpoint of {size} was signed; {LOOK}")]
    CutOff {
        /// How many that checkpoint holds.
        size: u64,
    },
    /// No segment is there, not even the one that is written to.
    #[error("it may be missing: what was written last, and isn't in bundles yet, was removed")]
    NoSegment,
    /// It isn't there, by what the store says of terms, but no entry says that it was deleted.
    #[error("it was deleted without an entry that says so")]
    Unrecorded,
    /// What the store has in the place of its word for which entries are past their term isn't one.
    #[error(
        "which entries are past their term can't be told: the table isn't as its schema has it; whoever \
         owns the database has to put it right, and say who changed it"
    )]
    Term,
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
    /// Another process, or another [`Log`](crate::audit::log::Log) of this one, has it open.
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
