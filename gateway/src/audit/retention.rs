//! Retention: a term in; entries older than that deleted, once it is on record that they go.
//!
//! An entry of kind `pruned` is durable before the first leaf goes. A crash after it deletes nothing that it
//! doesn't tell, and the next turn says and does the rest. What the entry names is whole bundles, so that up
//! to 255 entries outlive their term by a little.

use std::io;
use std::ops::Range;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use memchr::memmem::Finder;
use serde::Deserialize;

use super::log::{self, AuditError, GoesOn, to_its_end};
use super::store::prune::Claim;
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
    Read(#[from] ReadError),
    /// It isn't on record that they go.
    #[error("that entries are deleted can't be recorded: {0}")]
    Unrecorded(#[from] AuditError),
    /// The disk or the database refuses.
    #[error("entries past their term can't be deleted: {0}")]
    Refused(#[from] io::Error),
}

/// The place from which on a start needs a log, whatever the term, if it needs anything.
pub type Needed = fn(&dyn Reader, &mut GoesOn<'_>) -> Result<Option<u64>, ReadError>;

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
            Err(error) => {
                tracing::error!(loket.cause = %error, "audit entries outlive their term");
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Deletes the entries that are dated before `before` and aren't `needed`, and finishes what was begun
/// earlier; what went, if it was anything. Nothing while another gateway deletes.
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
        let Some(mut claim) = pruner.claim()? else {
            return Ok(None);
        };
        let kept = needed(reader, &mut to_its_end)?.unwrap_or(u64::MAX);
        let gone = claim.past(reader.since(before)?.min(kept))?;
        Ok(Some((claim, gone)))
    });
    let Some((mut claim, gone)) = planned.await? else {
        return Ok(None);
    };
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
    let first = reader.first();
    let mut told = || log::last(reader, goes_on, &mut |_, leaf| pruned_before(leaf));
    if first == 0 || told()?.is_some_and(|told| first <= told) {
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
    use crate::audit::store::suite::{aged, keys, signer, whole};
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
        assert_eq!(audit.log().reader().first(), 512);
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
        assert_eq!(closed.log().reader().first(), 0);

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

    #[tokio::test]
    async fn a_store_that_forgets_deletes_nothing() {
        let audit = audit(Memory::new(signer()));
        let refused = prune(&audit, Timestamp::now(), nothing, Asker::Term).await;
        assert!(matches!(refused, Err(RetentionError::Unable)));
    }
}
