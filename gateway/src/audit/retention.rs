//! Retention: a term in; entries older than that deleted, once it is on record that they go.
//!
//! An entry of kind `pruned` is durable before the first leaf goes. A crash after it deletes nothing that it
//! doesn't tell, and the next turn says and does the rest. What the entry names is whole bundles, so that up
//! to 255 entries outlive their term by a little.
//!
//! The store's word for how old entries are isn't believed: the last one that goes has to be old enough, and
//! the first that the store takes for younger has to be that, by their own texts, which are proven up to a
//! signed checkpoint. Where that doesn't hold, or entries went earlier without having been told of, nothing
//! is deleted.

use std::io;
use std::ops::Range;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use memchr::memmem::Finder;
use serde::Deserialize;

use super::draft::dated;
use super::log::{self, AuditError, GoesOn, to_its_end};
use super::proof;
use super::store::prune::{Claim, Claimed, Holder};
use super::store::{Flaw, ReadError, Reader};
use super::{ActEntry, Asker, Audit, Kind, Pruned};
use crate::telemetry::Metrics;

/// How often it is looked for entries past their term.
const EVERY: Duration = Duration::from_secs(24 * 3600);
/// How long after a failure.
const AGAIN: Duration = Duration::from_secs(3600);
/// How long the entry may take to become durable.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why entries past their term are there still.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// This store forgets by itself, or can't.
    #[error("this audit log can't delete")]
    Unable,
    /// The log can't be read.
    #[error("the audit log can't be read: {0}")]
    Read(#[source] ReadError),
    /// What would have to be deleted, or was, isn't as it was written.
    #[error(
        "nothing is deleted, as the audit log isn't as it was written (entry {entry} in {place}: {what}): \
         whoever owns the database or the disk has to say who changed it, and `loket audit verify` what else \
         is changed"
    )]
    Broken {
        /// The first entry that isn't as it was written, counted from 1.
        entry: u64,
        /// File or table.
        place: String,
        /// What is wrong with it.
        what: Flaw,
    },
    /// The store gives out entries as older, or younger, than they are.
    #[error(
        "nothing is deleted: entry {entry} is of {at}, which the dates in the store put on the other side of \
         {before}; whoever owns the database has to put them right, and say who changed them"
    )]
    Misdated {
        /// The last that would go or the first that would stay, counted from 1.
        entry: u64,
        /// How it is dated.
        at: Timestamp,
        /// Those that are dated before may go.
        before: Timestamp,
    },
    /// Somebody else has the right to delete.
    #[error(
        "the right to delete is held by {0}: another gateway deletes just now, or left its connection open; \
         if it lasts, whoever owns the database ends that process (pg_terminate_backend)"
    )]
    Held(Holder),
    /// It isn't on record that they go.
    #[error("that entries are deleted can't be recorded: {0}")]
    Unrecorded(#[from] AuditError),
    /// The disk or the database refuses.
    #[error("entries past their term can't be deleted: {0}")]
    Refused(#[from] io::Error),
}

/// The place from which on a start needs a log, whatever the term, if it needs anything.
pub type Needed = fn(&dyn Reader, &mut GoesOn<'_>) -> Result<Option<u64>, ReadError>;

impl From<ReadError> for RetentionError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Broken { entry, place, what } => Self::Broken { entry, place, what },
            other => Self::Read(other),
        }
    }
}

/// Deletes what is older than `term` and not `needed`, now and every day. Ends with the gateway.
pub async fn keep(audit: Audit, metrics: Metrics, term: SignedDuration, needed: Needed) {
    loop {
        let done = prune(&audit, Timestamp::now() - term, needed, Asker::Term).await;
        let pause = match done {
            Ok(None) => EVERY,
            Ok(Some(pruned)) => {
                metrics.audit_recorded(Kind::Pruned.as_str());
                tracing::info!(
                    loket.entries = pruned.entries,
                    "audit entries past their term were deleted; their hashes stay"
                );
                EVERY
            }
            // With several gateways that is so for as long as one of them deletes.
            Err(held @ RetentionError::Held(_)) => {
                tracing::warn!(loket.cause = %held, "audit entries past their term are left to another");
                AGAIN
            }
            Err(error) => {
                tracing::error!(loket.cause = %error, "audit entries outlive their term");
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Deletes the entries that are dated before `before` and aren't `needed`, and finishes what was begun
/// earlier; what went, if it was anything.
///
/// # Errors
/// [`RetentionError`].
pub async fn prune(
    audit: &Audit,
    before: Timestamp,
    needed: Needed,
    asker: Asker,
) -> Result<Option<Pruned>, RetentionError> {
    let pruner = audit.log().pruner().ok_or(RetentionError::Unable)?.clone();
    let planned = audit.read(move |reader| {
        let claim = match pruner.claim()? {
            Claimed::Ours(claim) => claim,
            Claimed::Beside(claim, holder) => {
                tracing::warn!(
                    loket.holder = %holder,
                    "somebody who may not delete audit entries holds the lock of those who do: it isn't heeded, \
                     and whoever owns the database has to say why it is held"
                );
                claim
            }
            Claimed::Held(holder) => return Ok(Err(RetentionError::Held(holder))),
        };
        let stays = needed(reader, &mut to_its_end)?.unwrap_or(u64::MAX);
        Ok(planned(reader, claim, before, stays))
    });
    let (mut claim, gone) = planned.await??;
    let pruned = told(&gone, before);
    if let Some(pruned) = pruned {
        let entry = ActEntry::pruned(asker, pruned);
        let durable = tokio::time::timeout(PATIENCE, audit.log().record(&entry));
        durable.await.map_err(|_| AuditError::NotWritten)??;
    }
    let first = gone.end;
    loop {
        let slice = move || -> io::Result<(Box<dyn Claim>, bool)> {
            let more = claim.prune(first)?;
            Ok((claim, more))
        };
        let more;
        let done = tokio::task::spawn_blocking(slice).await;
        (claim, more) = done.map_err(io::Error::other)??;
        if !more {
            return Ok(pruned);
        }
    }
}

/// The places that go if entries dated before `before` may, but for those from `stays` on; by `claim`, which is
/// given back.
///
/// # Errors
/// [`RetentionError`], also when it isn't proven that they are old enough, or that what went earlier was told
/// of: then nothing may be deleted.
pub fn planned(
    reader: &dyn Reader,
    mut claim: Box<dyn Claim>,
    before: Timestamp,
    stays: u64,
) -> Result<(Box<dyn Claim>, Range<u64>), RetentionError> {
    let young = reader.since(before)?;
    let gone = claim.past(young.min(stays))?;
    // Of what is told to be gone, the text goes in any case.
    were_told_of(reader, gone.start, &mut to_its_end)?;
    // No entry is dated before its predecessor, so that these two tell of all.
    if !gone.is_empty() {
        is_old(reader, gone.end - 1, before, true)?;
    }
    if young < reader.checkpoint()?.size {
        is_old(reader, young, before, false)?;
    }
    Ok((claim, gone))
}

/// Whether an entry is as the store says: dated before `before`, or not.
fn is_old(
    reader: &dyn Reader,
    place: u64,
    before: Timestamp,
    said: bool,
) -> Result<(), RetentionError> {
    let (leaf, _) = proof::leaf(reader, place, &reader.checkpoint()?)?;
    let entry = place + 1;
    match dated(&leaf) {
        Some(at) if (at < before) == said => Ok(()),
        Some(at) => Err(RetentionError::Misdated { entry, at, before }),
        None => Err(RetentionError::Broken {
            entry,
            place: "the log".to_owned(),
            what: Flaw::Malformed,
        }),
    }
}

/// The place before which entries are deleted, by an entry that says so.
#[must_use]
pub fn pruned_before(leaf: &[u8]) -> Option<u64> {
    /// Most leaves are of other kinds, and long.
    static PRUNED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(r#""kind":"pruned""#));
    #[derive(Deserialize)]
    struct Told {
        kind: String,
        pruned: Remaining,
    }
    #[derive(Deserialize)]
    struct Remaining {
        first: u64,
    }
    PRUNED.find(leaf)?;
    let told: Told = serde_json::from_slice(leaf).ok()?;
    (told.kind == Kind::Pruned.as_str()).then(|| told.pruned.first.saturating_sub(1))
}

/// Whether all that is gone was said to go. The store's own word for it isn't signed, so that whoever
/// writes the disk could have entries left out of all that is read.
///
/// # Errors
/// [`ReadError`]; [`Flaw::Unrecorded`] when it wasn't.
pub fn is_on_record(reader: &dyn Reader, goes_on: &mut GoesOn<'_>) -> Result<(), ReadError> {
    were_told_of(reader, reader.first()?, goes_on)
}

/// Whether it was said that the entries before this place go, by an entry that is proven. It needn't be the
/// last that says so of any: two may have deleted beside each other.
fn were_told_of(
    reader: &dyn Reader,
    first: u64,
    goes_on: &mut GoesOn<'_>,
) -> Result<(), ReadError> {
    let mut reaches = |_, leaf: &[u8]| pruned_before(leaf).filter(|told| first <= *told);
    if first == 0 || log::last(reader, goes_on, &mut reaches)?.is_some() {
        return Ok(());
    }
    Err(ReadError::Broken {
        entry: first,
        place: "the log".to_owned(),
        what: Flaw::Unrecorded,
    })
}

/// What is said of places that go; nothing of none.
#[must_use]
pub fn told(gone: &Range<u64>, before: Timestamp) -> Option<Pruned> {
    (!gone.is_empty()).then(|| Pruned {
        first: gone.end + 1,
        entries: gone.end - gone.start,
        before,
    })
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use serde_json::{Value, json};

    use super::*;
    use crate::audit::log::{Log, Options};
    use crate::audit::store::suite::{
        Lying, aged, announce, append, keys, replaced, signer, whole,
    };
    use crate::audit::store::{Files, Memory, Store};

    fn audit(store: impl Store + 'static) -> Audit {
        let log = Log::start(Box::new(store), Options::default()).unwrap();
        Audit::new(log, b"key")
    }

    fn nothing(_: &dyn Reader, _: &mut GoesOn<'_>) -> Result<Option<u64>, ReadError> {
        Ok(None)
    }

    #[tokio::test]
    async fn what_a_start_needs_outlives_its_term() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Files::open(dir.path(), 1 << 20, signer(), keys()).unwrap();
        let before = aged(&mut open());
        let audit = audit(open());
        let needed: Needed = |_, _| Ok(Some(600));
        let pruned = prune(&audit, before, needed, Asker::Term).await.unwrap();
        assert_eq!(pruned.unwrap().first, 513);
        assert_eq!(audit.log().reader().first().unwrap(), 512);
    }

    #[tokio::test]
    async fn what_goes_is_on_record_before() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Files::open(dir.path(), 1 << 20, signer(), keys()).unwrap();
        let before = aged(&mut open());
        let closed = audit(open());
        closed.log().close().await;
        let refused = prune(&closed, before, nothing, Asker::Term).await;
        let unrecorded = matches!(refused, Err(RetentionError::Unrecorded(AuditError::Closed)));
        assert!(unrecorded, "{refused:?}");
        assert_eq!(closed.log().reader().first().unwrap(), 0);

        let audit = audit(open());
        let pruned = prune(&audit, before, nothing, Asker::Term).await.unwrap();
        let expected = Pruned {
            first: 1281,
            entries: 1280,
            before,
        };
        assert_eq!(pruned, Some(expected));
        let reader = audit.log().reader();
        assert_eq!(whole(&**reader).unwrap().first, 1281);
        let last = reader.checkpoint().unwrap().size - 1;
        let mut entry = Value::Null;
        let each = &mut |_, leaf: &[u8]| {
            entry = serde_json::from_slice(leaf).unwrap();
            ControlFlow::Continue(())
        };
        reader.leaves(last..last + 1, each).unwrap();
        let told = json!({"first": 1281, "entries": 1280, "before": "2002-01-01T00:00:00Z"});
        assert_eq!(
            (&entry["kind"], &entry["pruned"]),
            (&json!("pruned"), &told)
        );
        assert_eq!(entry["act"]["asked_by"], "term");
        assert_eq!(
            prune(&audit, before, nothing, Asker::Term).await.unwrap(),
            None
        );
        assert_eq!(reader.checkpoint().unwrap().size, last + 1);
    }

    /// An entry that isn't in the tree tells nothing, whichever store gives it out.
    #[test]
    fn what_a_forged_entry_tells_is_not_on_record() {
        let mut store = Memory::new(signer());
        append(&mut store, 1..=5000);
        let pruned = r#""kind":"pruned","pruned":{"first":257}"#;
        let reader = store.reader();
        let forged = replaced(&*reader, 300, r#""kind":"lookup""#, pruned);
        assert_eq!(pruned_before(&forged.1), Some(256));
        let reader = Lying {
            first: 256,
            forged: vec![forged],
            ..Lying::of(reader)
        };
        let refused = is_on_record(&reader, &mut to_its_end);
        let rewritten = ReadError::Broken {
            entry: 257,
            place: "the tree".to_owned(),
            what: Flaw::Rewritten { to: 4096 },
        };
        assert_eq!(
            format!("{refused:?}"),
            format!("{:?}", Err::<(), _>(rewritten))
        );
    }

    /// Two who delete beside each other may tell of it in either order.
    #[test]
    fn any_entry_that_reaches_tells_what_is_gone() {
        let mut store = Memory::new(signer());
        append(&mut store, 1..=1000);
        for gone in [0..512, 0..256] {
            announce(&mut store, &gone, Timestamp::UNIX_EPOCH);
        }
        let reader = |first| Lying {
            first,
            ..Lying::of(store.reader())
        };
        is_on_record(&reader(512), &mut to_its_end).unwrap();
        is_on_record(&reader(768), &mut to_its_end).unwrap_err();
    }

    #[tokio::test]
    async fn a_store_that_forgets_deletes_nothing() {
        let audit = audit(Memory::new(signer()));
        let refused = prune(&audit, Timestamp::now(), nothing, Asker::Term).await;
        assert!(matches!(refused, Err(RetentionError::Unable)));
    }
}
