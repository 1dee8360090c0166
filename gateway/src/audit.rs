//! Audit: what was asked, by whom, and which fields were given; never a value. And what was done to
//! the gateway itself.
//!
//! An entry is durable before the answer that it records leaves. When it can't be written,
//! [`Audit::record`] fails and so does the request.

pub mod draft;
pub mod index;
pub mod log;
pub mod proof;
pub mod reads;
pub mod retention;
pub mod seal;
pub mod store;
pub mod tree;
pub mod verify;

mod act;
mod call;
mod entry;

pub use act::{ActEntry, Asker, Fingerprint, HoldCounts, Pruned};
pub use call::{BodySum, CallEntry, CallOutcome};
pub use entry::{Entry, GlassEntry, Kind, ReportEntry, SourceEntry};

use std::num::NonZeroU32;
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use loket_sdk::message::{Receipt, SubjectKey};
use loket_sdk::sensitive::Sensitive;

use crate::refusal::Refusal;

use reads::{Caller, Reads};
use store::{Found, OpenError, ReadError, Reader, Signed};

/// Entries of a subject that a store is asked for at once.
const SOME: usize = 128;
/// How long an entry may take to become durable: a disk that hangs must not hang its callers.
pub const PATIENCE: Duration = Duration::from_secs(4);

/// Where entries go, and the key under which subjects are named in them.
#[derive(Clone)]
pub struct Audit {
    log: log::Log,
    key: Arc<aws_lc_rs::hmac::Key>,
    index: Option<Arc<index::Follower>>,
    reads: Reads,
    refusals: Arc<Refusals>,
    cosigned: Arc<ArcSwapOption<Signed>>,
}

/// Refusals that cost a caller nothing: so many a second have an entry of their own.
struct Refusals {
    room: DefaultDirectRateLimiter,
    unrecorded: AtomicU64,
}

const REFUSALS_A_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(49);

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit")
            .field("log", &self.log.health())
            .finish_non_exhaustive()
    }
}

impl Audit {
    /// Entries go to `log`; subjects are named by HMAC-SHA-256 under `key`.
    #[must_use]
    pub fn new(log: log::Log, key: &[u8]) -> Self {
        Self {
            log,
            key: Arc::new(subject_key(key)),
            index: None,
            reads: Reads::new(),
            refusals: Arc::new(Refusals {
                room: RateLimiter::direct(Quota::per_second(REFUSALS_A_SECOND)),
                unrecorded: AtomicU64::new(0),
            }),
            cosigned: Arc::default(),
        }
    }

    /// Finds subjects by an index with runs in this directory, for a store that has none itself.
    ///
    /// # Errors
    /// [`OpenError::Thread`].
    pub fn with_index(self, directory: PathBuf) -> Result<Self, OpenError> {
        let reader = self.log.reader().clone();
        let index = index::Follower::start(directory, reader, &self.key);
        let index = Some(Arc::new(index.map_err(OpenError::Thread)?));
        Ok(Self { index, ..self })
    }

    /// The entries at these places of one citizen, who may have several references: newest first, at most
    /// so many. It blocks.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn of_subject(
        &self,
        references: &[String],
        places: Range<u64>,
        limit: usize,
        caller: &Caller,
    ) -> Result<Vec<Found>, ReadError> {
        if let Some(follower) = &self.index {
            return follower
                .index()
                .of_subject(references, places, limit, caller);
        }
        store::newest(&**self.log.reader(), references, &places, limit, caller)
    }

    /// Gives `each` those entries, newest first, until it breaks. It blocks.
    ///
    /// # Errors
    /// [`ReadError`]; `each` has had those before the flaw.
    pub fn each_of_subject(
        &self,
        references: &[String],
        places: Range<u64>,
        caller: &Caller,
        each: &mut dyn FnMut(Found) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        if let Some(follower) = &self.index {
            let index = follower.index();
            return index.each_of_subject(references, places, caller, each);
        }
        let (reader, mut places) = (&**self.log.reader(), places);
        loop {
            let some = store::newest(reader, references, &places, SOME, caller)?;
            let is_last = some.len() < SOME;
            for found in some {
                places.end = found.0;
                if each(found).is_break() {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// How many entries the index hasn't taken in; none when the store has an index of its own.
    #[must_use]
    pub fn index_behind(&self) -> Option<u64> {
        self.index.as_ref()?.index().behind().ok()
    }

    /// Hands the entry to the log at once; what is returned waits until it is durable.
    ///
    /// # Errors
    /// [`Refusal::AuditUnavailable`] when it can't be written in time: nothing may leave then.
    pub fn record(&self, entry: &Entry) -> impl Future<Output = Result<Receipt, Refusal>> + use<> {
        let durable = tokio::time::timeout(PATIENCE, self.record_whenever(entry));
        async move {
            let late = |_| Refusal::AuditUnavailable("the disk doesn't answer".to_owned());
            durable.await.map_err(late)?
        }
    }

    /// As [`record`](Self::record), for as long as it takes: what follows from an entry that is durable
    /// after all.
    ///
    /// # Errors
    /// [`Refusal::AuditUnavailable`] when it can't be written.
    pub fn record_whenever(
        &self,
        entry: &Entry,
    ) -> impl Future<Output = Result<Receipt, Refusal>> + Send + use<> {
        let durable = self.log.record(entry);
        async move {
            let receipt = durable
                .await
                .map_err(|error| Refusal::AuditUnavailable(error.to_string()))?;
            Ok(Receipt {
                entry: receipt.entry,
                at: receipt.at,
                hash: hex(&receipt.hash.0),
                checkpoint: Some(receipt.checkpoint.to_string()),
            })
        }
    }

    /// Says beforehand whether an entry would fail, so that no agency is asked in vain.
    ///
    /// # Errors
    /// [`Refusal::AuditUnavailable`] when the last attempt to write failed.
    pub fn ready(&self) -> Result<(), Refusal> {
        if self.log.is_writable() {
            return Ok(());
        }
        let cause = self.log.health().last_error;
        let cause = cause.unwrap_or_else(|| "the log is closed".to_owned());
        Err(Refusal::AuditUnavailable(cause))
    }

    /// Whether one more cheap refusal may have an entry of its own, and how many had none since the
    /// last that did: a peer that is refused at once mustn't fill the disk.
    #[must_use]
    pub fn has_room_for_refusals(&self) -> Option<u64> {
        let Refusals { room, unrecorded } = &*self.refusals;
        if room.check().is_ok() {
            return Some(unrecorded.swap(0, Ordering::Relaxed));
        }
        unrecorded.fetch_add(1, Ordering::Relaxed);
        None
    }

    /// Writes the entry without anyone waiting: for a request whose caller left.
    pub fn record_detached(&self, entry: &Entry) {
        self.log.record_detached(entry);
    }

    /// Hands an act upon the gateway to the log at once; what is returned waits until it is durable,
    /// and says whether it is. The act is done by then: a disk that fails mustn't hold up a
    /// revocation, so the entry waits for it like that of a caller who left.
    pub fn record_act(&self, entry: &ActEntry) -> impl Future<Output = bool> + use<> {
        let durable = tokio::time::timeout(PATIENCE, self.log.record(entry));
        let (log, entry) = (self.log.clone(), entry.clone());
        async move {
            match durable.await {
                Ok(Ok(_)) => return true,
                Ok(Err(log::AuditError::NotWritten | log::AuditError::Overloaded)) => {
                    log.record_detached(&entry);
                }
                // It is in the queue still, or the gateway has stopped.
                Ok(Err(_)) | Err(_) => {}
            }
            tracing::error!(
                loket.kind = entry.kind().as_str(),
                "an act upon the gateway isn't on record yet"
            );
            false
        }
    }

    /// The subject's name in entries: HMAC-SHA-256 of scheme, a zero byte and value, in
    /// hexadecimal. Without the key nobody can tell whether a number is in the log.
    #[must_use]
    pub fn subject_ref(&self, subject: &SubjectKey) -> String {
        subject_ref(&self.key, subject)
    }

    /// Seals a justification for the entry with this trace id.
    #[must_use]
    pub fn seal(&self, trace_id: &str, text: &Sensitive<String>) -> Option<String> {
        seal::seal(&self.key, trace_id, text)
    }

    /// Reads the log for a request, where blocking hurts nobody. So many read at once.
    ///
    /// # Errors
    /// [`Refusal::Overloaded`] when too many do, or what [`ReadError`] comes to.
    pub async fn serve<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let reader = Arc::clone(self.log.reader());
        Ok(self.reads.short(move |_| read(&*reader)).await??)
    }

    /// Looks through the log for a request, as long as its caller waits. Few do at once.
    ///
    /// # Errors
    /// As [`serve`](Self::serve), and what `search` refuses.
    pub async fn search<T: Send + 'static>(
        &self,
        search: impl FnOnce(&Self, &Caller) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let audit = self.clone();
        let searched = self.reads.long(move |caller| search(&audit, caller));
        searched.await?
    }

    /// Reads the log for the gateway itself, where blocking hurts nobody.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let reader = Arc::clone(self.log.reader());
        let done = tokio::task::spawn_blocking(move || read(&*reader)).await;
        done.unwrap_or_else(|error| Err(ReadError::Io(std::io::Error::other(error))))
    }

    /// Keeps a checkpoint that witnesses have cosigned.
    pub fn cosigned(&self, checkpoint: Signed) {
        self.cosigned.store(Some(Arc::new(checkpoint)));
    }

    /// The last checkpoint that witnesses have cosigned.
    #[must_use]
    pub fn last_cosigned(&self) -> Option<Signed> {
        self.cosigned.load_full().map(|signed| (*signed).clone())
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> &log::Log {
        &self.log
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unknown | ReadError::Pruned => Self::NotFound,
            ReadError::Io(cause) => Self::AuditUnavailable(cause.to_string()),
            ReadError::Broken { ref what, .. } => Self::Internal(format!("{error}: {what}")),
        }
    }
}

/// As [`Audit::subject_ref`], under a key without a log.
#[must_use]
pub fn subject_ref(key: &aws_lc_rs::hmac::Key, subject: &SubjectKey) -> String {
    let mut context = aws_lc_rs::hmac::Context::with_key(key);
    context.update(subject.scheme.as_str().as_bytes());
    context.update(&[0]);
    context.update(subject.value.expose().as_bytes());
    hex(context.sign().as_ref())
}

/// The key under which subjects are named.
#[must_use]
pub fn subject_key(bytes: &[u8]) -> aws_lc_rs::hmac::Key {
    aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, bytes)
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = vec![0; bytes.len() * 2];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    // Digits are text, whatever the bytes were.
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cheap_refusals_share_entries() {
        let store = Box::new(store::Memory::new(store::suite::signer()));
        let log = log::Log::start(store, log::Options::default()).unwrap();
        let audit = Audit::new(log, b"key");
        let asked = 10_000_u64;
        let entries = (0..asked).filter_map(|_| audit.has_room_for_refusals());
        let (mut own, mut shared) = (0, 0);
        for unrecorded in entries {
            own += 1;
            shared += unrecorded;
        }
        assert!(own >= u64::from(REFUSALS_A_SECOND.get()), "{own}");
        assert!(own < asked / 10, "{own}");
        let pending = audit.refusals.unrecorded.load(Ordering::Relaxed);
        assert_eq!(own + shared + pending, asked);
    }
}
