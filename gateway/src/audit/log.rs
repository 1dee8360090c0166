//! The append-only log that every exchange is written to before its answer leaves.
//!
//! In come objects of the caller's own shape; out goes a [`Receipt`], and only when the entry is
//! durable. The log refuses what isn't an object, what it has no room for, and, until the store
//! is back, everything that can't be made durable.
//!
//! Entries are dated in order. While the clock is behind the last entry, as after it ran ahead and
//! was set right, an entry has that one's `at`, and its `clock` says what time it was.
//!
//! One thread writes. It takes whatever waits, hands it to the [store](super::store) at once, and then
//! answers everybody, so that a slow disk costs latency but hardly any throughput.

mod queue;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::ops::ControlFlow;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tlog_tiles::tlog::Hash;
use tokio::runtime;
use tokio::sync::{oneshot, watch};

use super::draft::{Draft, clocked};
use super::proof;
use super::store::{OpenError, Pruner, ReadError, Reader, Store};

use queue::{Job, Queue, Reply};

/// What can be set about a log; [`Options::default`] suits a gateway.
#[derive(Debug, Clone)]
pub struct Options {
    /// Entries that may wait for the writer; one more is [`AuditError::Overloaded`]. 4096.
    pub queue: usize,
    /// Entries without a waiting caller that are held beyond `queue`, and as many again while
    /// the disk fails. 1024.
    pub reserve: usize,
    /// Bytes after which the writer stops gathering a batch. 1 MiB.
    pub batch_bytes: usize,
    /// A batch begins at least so long after the one before did: each costs a sync, so that
    /// what comes in between shares one. Whoever comes when the log is idle doesn't wait. 1 ms.
    pub commit_interval: Duration,
    /// How often an idle log tries a store that failed. 1 s.
    pub retry: Duration,
    /// How long the store may be silent before the log counts as not writable. 2 s.
    pub stall: Duration,
    /// How long dropping the last handle waits for the store; then what is queued is left. 5 s.
    pub dropped_within: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            queue: 4096,
            reserve: 1024,
            batch_bytes: 1 << 20,
            commit_interval: Duration::from_millis(1),
            retry: Duration::from_secs(1),
            stall: Duration::from_secs(2),
            dropped_within: Duration::from_secs(5),
        }
    }
}

/// Proof that an entry is durable.
#[derive(Debug, Clone, PartialEq)]
pub struct Receipt {
    /// Number of the entry, counted from 1 without gaps: its place in the tree and one.
    pub entry: u64,
    /// When it was written, in whole microseconds; never before the entry before it.
    pub at: Timestamp,
    /// Hash of its leaf: SHA-256 of a zero byte and its text (RFC 6962 section 2.1).
    pub hash: Hash,
    /// Signed over a tree that holds it.
    pub checkpoint: Arc<str>,
}

/// How the log is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether the last attempt to write succeeded, none hangs, and the log isn't closed.
    pub writable: bool,
    /// Entries that wait for the store.
    pub queued: usize,
    /// Entries that are durable.
    pub entries: u64,
    /// When the newest checkpoint was signed by this process.
    pub signed_at: Option<Timestamp>,
    /// Entries without a waiting caller that had to be given up. Anything but 0 is an incident.
    pub lost: u64,
    /// The last failure, kept after the log has recovered.
    pub last_error: Option<String>,
}

/// Why an entry isn't in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The entry can't be written as it is: a bug of the caller.
    #[error("not an audit entry: {0}")]
    Invalid(&'static str),
    /// Too many entries wait for the store. Retrying later may help.
    #[error("too many audit entries are waiting")]
    Overloaded,
    /// The store failed. The log recovers by itself; [`Health::last_error`] has the cause.
    #[error("the audit entry couldn't be made durable")]
    NotWritten,
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
}

/// A handle to the log; clones share it.
///
/// Dropping the last handle writes what is queued and waits for that, as long as
/// [`Options::dropped_within`] says; [`Log::close`] does the same without blocking a runtime.
#[derive(Clone)]
pub struct Log {
    handle: Arc<Handle>,
}

struct Handle {
    queue: Arc<Queue>,
    reader: Arc<dyn Reader>,
    pruner: Option<Arc<dyn Pruner>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    done: watch::Receiver<()>,
    /// The same for those who block. Disconnected once the thread has ended.
    ended: Mutex<mpsc::Receiver<()>>,
    dropped_within: Duration,
}

impl Log {
    /// Begins to write to `store`.
    ///
    /// # Errors
    /// [`OpenError::Thread`].
    pub fn start(store: Box<dyn Store>, options: Options) -> Result<Self, OpenError> {
        let (reader, pruner) = (store.reader(), store.pruner());
        let queue = Arc::new(Queue::new(&options, store.head().tree.size()));
        let (finished, done) = watch::channel(());
        let (end, ended) = mpsc::channel();
        let dropped_within = options.dropped_within;
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn({
                let queue = Arc::clone(&queue);
                move || writer::run(store, options, queue, (finished, end))
            })
            .map_err(OpenError::Thread)?;
        let handle = Arc::new(Handle {
            queue,
            reader,
            pruner,
            thread: Mutex::new(Some(thread)),
            done,
            ended: Mutex::new(ended),
            dropped_within,
        });
        Ok(Self { handle })
    }

    /// What is in the log. It blocks.
    #[must_use]
    pub fn reader(&self) -> &Arc<dyn Reader> {
        &self.handle.reader
    }

    /// What deletes entries past their term, if the store can. It blocks.
    #[must_use]
    pub fn pruner(&self) -> Option<&Arc<dyn Pruner>> {
        self.handle.pruner.as_ref()
    }

    /// Records `entry`, which must serialise to a JSON object without `entry`, `at` and `clock`:
    /// the log writes those. The future resolves once the entry is durable.
    ///
    /// The entry is serialised and queued by this call, not by the first poll, and it is
    /// written even if the future is dropped.
    ///
    /// # Errors
    ///
    /// See [`AuditError`]. After any error the entry isn't in the log, but for one: what couldn't be found out
    /// before the log was closed.
    pub fn record<T: Serialize + ?Sized>(
        &self,
        entry: &T,
    ) -> impl Future<Output = Result<Receipt, AuditError>> + Send + use<T> {
        let (to, answer) = oneshot::channel();
        let queued = draft(entry).and_then(|draft| {
            let runtime = runtime::Handle::try_current().ok();
            let reply = Some(Reply { to, runtime });
            self.handle.queue.push(Job { draft, reply })
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
        let queued = draft(entry).and_then(|draft| {
            let reply = None;
            queue.push(Job { draft, reply })
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

fn draft<T: Serialize + ?Sized>(entry: &T) -> Result<Draft, AuditError> {
    Draft::of(entry).map_err(|not| AuditError::Invalid(not.0))
}

/// The first place that the clock put at `moment` or later. A clock that ran ahead dates what comes
/// after it was set right as late as it was, which is no reason to read all of that again.
///
/// # Errors
/// [`ReadError`].
pub fn since(reader: &dyn Reader, moment: Timestamp) -> Result<u64, ReadError> {
    let checkpoint = reader.checkpoint()?;
    let (mut from, mut to) = (reader.first()?, checkpoint.size);
    while from < to {
        let middle = from + (to - from) / 2;
        let is_before = match proof::leaf(reader, middle, &checkpoint) {
            Ok((leaf, _)) => clocked(&leaf).is_some_and(|clock| clock < moment),
            // Deleted just now, it is before any that is asked for.
            Err(ReadError::Pruned) => true,
            Err(error) => return Err(error),
        };
        match is_before {
            true => from = middle + 1,
            false => to = middle,
        }
    }
    Ok(from)
}

/// Told from time to time how many entries were read so far; ends the reading by an error.
pub type GoesOn<'a> = dyn FnMut(u64) -> Result<(), ReadError> + 'a;

/// A reading that nothing ends.
///
/// # Errors
/// None.
pub fn to_its_end(_: u64) -> Result<(), ReadError> {
    Ok(())
}

/// What `wanted` makes of the last entry that it makes anything of, by its place and its leaf, which may be
/// far back. That one and all that come after it are proven.
///
/// # Errors
/// [`ReadError`], also that of `goes_on`.
pub fn last<T>(
    reader: &dyn Reader,
    goes_on: &mut GoesOn<'_>,
    wanted: &mut dyn FnMut(u64, &[u8]) -> Option<T>,
) -> Result<Option<T>, ReadError> {
    const STRIDE: u64 = 4096;
    let checkpoint = reader.checkpoint()?;
    let mut end = (checkpoint.size, checkpoint.root);
    let mut found = None;
    while found.is_none() {
        goes_on(checkpoint.size - end.0)?;
        let first = reader.first()?;
        let Some(last) = end.0.checked_sub(1).filter(|last| *last >= first) else {
            break;
        };
        let start = (last / STRIDE * STRIDE).max(first);
        let before = proof::leaves(reader, start, end, &mut |place, leaf| {
            if let Some(this) = wanted(place, leaf) {
                found = Some(this);
            }
            ControlFlow::Continue(())
        });
        let before = match before {
            // Deleted just now, by another gateway: once more, from what is left.
            Err(ReadError::Pruned) if reader.first()? > start => {
                found = None;
                continue;
            }
            before => before?,
        };
        end = (before.size(), before.root());
    }
    Ok(found)
}

/// Gives `each` the entries from a place on, in order, until it breaks: each one's leaf, with its
/// number put first. Unless it breaks, all of them are proven once this returns, and not before. The first
/// place that wasn't there yet.
///
/// # Errors
/// [`ReadError`]; `each` has had those before the flaw, or all when they aren't those that were signed.
pub fn replay(
    reader: &dyn Reader,
    from: u64,
    each: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<u64, ReadError> {
    let checkpoint = reader.checkpoint()?;
    let end = (checkpoint.size, checkpoint.root);
    let mut text = String::new();
    let mut hand_out = |place: u64, leaf: &[u8]| {
        // The log writes nothing else, and no object without a date.
        if let Some(members) = str::from_utf8(leaf)
            .ok()
            .and_then(|leaf| leaf.strip_prefix('{'))
        {
            text.clear();
            // Writing to a text can't fail.
            let _ = write!(text, r#"{{"entry":{},{members}"#, place + 1);
            return each(&text);
        }
        ControlFlow::Continue(())
    };
    let mut from = from.max(reader.first()?);
    loop {
        match proof::leaves(reader, from, end, &mut hand_out) {
            // Deleted just now, by another gateway: on from what is left, which wasn't handed out yet.
            Err(ReadError::Pruned) if reader.first()? > from => from = reader.first()?,
            read => {
                read?;
                return Ok(checkpoint.size);
            }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
        let thread = self.thread.get_mut();
        let Some(thread) = thread.unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(self.dropped_within) == Err(RecvTimeoutError::Timeout) {
            tracing::error!(
                loket.queued = self.queue.health().queued as u64,
                "the audit log is left while it is written: the disk doesn't answer"
            );
            return;
        }
        if thread.join().is_err() {
            tracing::error!("the audit log's thread panicked");
        }
    }
}
