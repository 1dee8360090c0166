//! The append-only log that every exchange is written to before its answer leaves.
//!
//! In come objects of the caller's own shape; out goes a [`Receipt`], and only when the entry is
//! on disk. The log refuses what isn't an object, what it has no room for, and, until the disk
//! is back, everything that can't be made durable.
//!
//! A directory holds segments named after their first entry (`00000000000000000001.log`). Each
//! entry is one line, `<hash> <json>`: the hash is the SHA-256 of the JSON text, and the text
//! names the hash of the entry before it, so that a change anywhere shows everywhere after.
//! `cut -c66- *.log | jq` reads it.
//!
//! Entries are dated in order. While the clock is behind the last entry, as after it ran ahead and
//! was set right, an entry has that one's `at`, and its `clock` says what time it was.
//!
//! One thread writes. It takes whatever waits, writes it at once, syncs once, and then answers
//! everybody, so that a slow disk costs latency but hardly any throughput.
//!
//! The chain alone can't show that entries were cut off at the *end*, nor that somebody rewrote
//! everything from some entry on: for that, keep a receipt's hash elsewhere and look it up.

mod chain;
mod disk;
mod opening;
mod queue;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::runtime;
use tokio::sync::{oneshot, watch};

pub use chain::Flaw;
pub(super) use chain::{Chain, JSON_START};
pub(super) use disk::segments;

use chain::{Members, hex};
use disk::{Disk, FileSystem};
use queue::{Job, Queue, Reply};

/// What can be set about a log; [`Options::default`] suits a gateway.
#[derive(Debug, Clone)]
pub struct Options {
    /// Bytes after which a new segment is begun. 64 MiB.
    pub segment_bytes: u64,
    /// Entries that may wait for the writer; one more is [`AuditError::Overloaded`]. 4096.
    pub queue: usize,
    /// Entries without a waiting caller that are held beyond `queue`, and as many again while
    /// the disk fails. 1024.
    pub reserve: usize,
    /// Bytes after which the writer stops gathering a batch. 1 MiB.
    pub batch_bytes: usize,
    /// A batch begins at least so long after the one before did: each costs a `fdatasync`, so that
    /// what comes in between shares one. Whoever comes when the log is idle doesn't wait. 1 ms.
    pub commit_interval: Duration,
    /// How often an idle log tries a disk that failed. 1 s.
    pub retry: Duration,
    /// How long the disk may be silent before the log counts as not writable. 2 s.
    pub stall: Duration,
    /// Replay at least every entry since this moment when opening; the last segment always is.
    pub replay_from: Option<Timestamp>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            queue: 4096,
            reserve: 1024,
            batch_bytes: 1 << 20,
            commit_interval: Duration::from_millis(1),
            retry: Duration::from_secs(1),
            stall: Duration::from_secs(2),
            replay_from: None,
        }
    }
}

/// What was found when the log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Entries in the log, which is the number of the last one.
    pub entries: u64,
    /// Hash of the last entry; zeros if there is none.
    pub last_hash: [u8; 32],
    /// Bytes of an incomplete last line that were cut off.
    pub torn_bytes: u64,
}

/// Proof that an entry is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Number of the entry, counted from 1 without gaps.
    pub entry: u64,
    /// When it was written, in whole microseconds; never before the entry before it.
    pub at: Timestamp,
    /// SHA-256 of its JSON text.
    pub hash: [u8; 32],
}

impl Receipt {
    /// The hash as it stands in the log: 64 lower-case hexadecimal digits.
    pub fn hash_hex(&self) -> String {
        hex(&self.hash).iter().copied().map(char::from).collect()
    }
}

/// How the log is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether the last attempt to write succeeded, none hangs, and the log isn't closed.
    pub writable: bool,
    /// Entries that wait for the disk.
    pub queued: usize,
    /// Entries on disk.
    pub entries: u64,
    /// Entries without a waiting caller that had to be given up. Anything but 0 is an incident.
    pub lost: u64,
    /// The last failure, kept after the log has recovered.
    pub last_error: Option<String>,
}

/// Why a log can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another [`Log`] of this one, has it open.
    #[error("the audit log {} is in use by another process", .dir.display())]
    Locked {
        /// The log's directory.
        dir: PathBuf,
    },
    /// The log was damaged or tampered with. It is never repaired: somebody has to look at it.
    #[error("the audit log is broken at entry {entry} in {segment}")]
    Broken {
        /// The first entry that isn't as it was written.
        entry: u64,
        /// File name of the segment.
        segment: String,
        /// What is wrong with it.
        #[source]
        what: Flaw,
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
    /// The writer's thread couldn't be started.
    #[error("can't start the audit log's thread")]
    Thread(#[source] io::Error),
}

/// Why an entry isn't in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The entry can't be written as it is: a bug of the caller.
    #[error("not an audit entry: {0}")]
    Invalid(&'static str),
    /// Too many entries wait for the disk. Retrying later may help.
    #[error("too many audit entries are waiting")]
    Overloaded,
    /// The disk failed. The log recovers by itself; [`Health::last_error`] has the cause.
    #[error("the audit entry couldn't be made durable")]
    NotWritten,
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
}

/// A handle to the log; clones share it.
///
/// Dropping the last handle writes what is queued and waits for that; [`Log::close`] does the
/// same without blocking a runtime.
#[derive(Clone)]
pub struct Log {
    handle: Arc<Handle>,
}

struct Handle {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    done: watch::Receiver<()>,
}

impl Log {
    /// Opens the log in `dir`, or begins one there.
    ///
    /// The last segment is verified line by line. An incomplete last line, which nobody had a
    /// receipt for, is cut off.
    ///
    /// # Errors
    ///
    /// See [`OpenError`].
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Opened), OpenError> {
        Self::open_with(dir, options, &mut |_| {})
    }

    /// Opens the log as [`Log::open`] does, and gives `each` the JSON text of every entry it
    /// verifies on the way, in order: those of the last segment, and of as many before it as
    /// [`Options::replay_from`] needs. Whole segments are replayed, so `each` looks at `at`.
    ///
    /// # Errors
    ///
    /// See [`OpenError`]; `each` may have seen entries before the broken one.
    pub fn open_with(
        dir: &Path,
        options: Options,
        each: &mut dyn FnMut(&str),
    ) -> Result<(Self, Opened), OpenError> {
        Self::open_on(Box::new(FileSystem), dir, options, each)
    }

    fn open_on(
        disk: Box<dyn Disk>,
        dir: &Path,
        options: Options,
        each: &mut dyn FnMut(&str),
    ) -> Result<(Self, Opened), OpenError> {
        let (ready, opened) = opening::open(disk, dir, options.replay_from, each)?;
        let queue = Arc::new(Queue::new(&options, opened.entries));
        let (finished, done) = watch::channel(());
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn({
                let queue = Arc::clone(&queue);
                move || writer::run(ready, options, queue, finished)
            })
            .map_err(OpenError::Thread)?;
        let handle = Arc::new(Handle {
            queue,
            thread: Mutex::new(Some(thread)),
            done,
        });
        Ok((Self { handle }, opened))
    }

    /// Records `entry`, which must serialise to a JSON object without `entry`, `prev`, `at` and `clock`:
    /// the log writes those. The future resolves once the entry is durable.
    ///
    /// The entry is serialised and queued by this call, not by the first poll, and it is
    /// written even if the future is dropped.
    ///
    /// # Errors
    ///
    /// See [`AuditError`]. After any error the entry isn't in the log.
    pub fn record<T: Serialize + ?Sized>(
        &self,
        entry: &T,
    ) -> impl Future<Output = Result<Receipt, AuditError>> + Send + use<T> {
        let (to, answer) = oneshot::channel();
        let queued = Members::of(entry).and_then(|members| {
            let runtime = runtime::Handle::try_current().ok();
            let reply = Some(Reply { to, runtime });
            self.handle.queue.push(Job { members, reply })
        });
        async move {
            queued?;
            answer.await.unwrap_or(Err(AuditError::NotWritten))
        }
    }

    /// Records `entry` for a caller that has left: returns at once, and keeps the entry through
    /// a full queue and a failing disk for as long as the reserve lasts.
    ///
    /// An entry that can't be kept is logged as an error and counted in [`Health::lost`].
    pub fn record_detached<T: Serialize + ?Sized>(&self, entry: &T) {
        let queue = &self.handle.queue;
        let queued = Members::of(entry).and_then(|members| {
            let reply = None;
            queue.push(Job { members, reply })
        });
        if let Err(error) = queued {
            queue.lose(1, error);
        }
    }

    /// [`Health::writable`] by itself, for each request.
    pub fn is_writable(&self) -> bool {
        self.handle.queue.is_well()
    }

    /// How the log is doing, for readiness and metrics.
    pub fn health(&self) -> Health {
        self.handle.queue.health()
    }

    /// Refuses new entries, and resolves when those queued are written and the log is unlocked.
    pub async fn close(&self) {
        self.handle.queue.close();
        let mut done = self.handle.done.clone();
        // Nothing is ever sent: the channel closes when the thread has finished.
        while done.changed().await.is_ok() {}
    }

    /// As [`close`](Self::close), and gives up on a disk that doesn't answer within `patience`: who
    /// waits for what is still queued has been refused. Whether all is written.
    pub async fn close_within(&self, patience: Duration) -> bool {
        let closed = tokio::time::timeout(patience, self.close()).await.is_ok();
        if !closed {
            let mut thread = self.handle.thread.lock();
            // Nobody is to wait for the thread when the last handle goes.
            drop(thread.as_mut().map_or(None, |thread| thread.take()));
        }
        closed
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
        let thread = self.thread.get_mut();
        if let Some(thread) = thread.unwrap_or_else(PoisonError::into_inner).take()
            && thread.join().is_err()
        {
            tracing::error!("the audit log's thread panicked");
        }
    }
}
