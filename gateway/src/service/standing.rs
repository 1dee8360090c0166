//! Standing: what the log says of grants in, and from time to time all of it in a few entries out, so that a
//! start needn't read the log from its beginning to know which serials were seen.
//!
//! What is recorded is what the log itself says before a place, whoever wrote it, and names that place. A
//! start reads on from there. So nothing is lost that is recorded meanwhile, be it by a reload or by
//! another gateway, whose directory may be older or newer than ours.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{Instant, sleep, timeout};

use super::seen::{self, Seen};
use crate::audit::log::AuditError;
use crate::audit::store::{ReadError, Signed};
use crate::audit::{ActEntry, Audit, PATIENCE, proof};
use crate::grants::{Standing, Versions};
use crate::telemetry::Metrics;

/// How often: a start reads back as far, even if the log is of no other interest.
const EVERY: Duration = Duration::from_secs(6 * 3600);
/// How often the log is read on, and how soon a record that failed is tried again.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// What the log says of grants, as far as it was read.
#[derive(Debug, Default)]
pub(super) struct Told {
    versions: Versions,
    /// Grants whose change was read, which says more than a record that was made beside it.
    changed: BTreeSet<String>,
    /// The first place that wasn't read.
    read: u64,
}

/// Why it isn't on record.
#[derive(Debug, thiserror::Error)]
enum Unrecorded {
    #[error("the audit log can't be read: {0}")]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] AuditError),
    #[error("the audit log doesn't answer")]
    Late,
}

impl Told {
    pub(super) fn versions(&self) -> &Versions {
        &self.versions
    }

    /// Takes in what entries say, in the log's order.
    pub(super) fn hear(&mut self, seen: Seen) {
        match seen {
            Seen::Change(change) => {
                self.changed.insert(change.grant_id.clone());
                self.versions.replay(change);
            }
            Seen::Standing(mut standing) => {
                let changed = &self.changed;
                standing
                    .in_force
                    .retain(|grant, _| !changed.contains(grant));
                self.versions.replay_standing(standing);
            }
        }
    }

    /// All before this place was read.
    pub(super) fn read_to(&mut self, place: u64) {
        self.read = place;
    }

    /// Takes in what was recorded since, once it is proven.
    async fn read_on(&mut self, audit: &Audit) -> Result<(), ReadError> {
        let from = self.read;
        let since = audit.read(move |reader| {
            let Signed { size, root, .. } = reader.checkpoint()?;
            let from = from.max(reader.first()?);
            let mut all = Vec::new();
            proof::leaves(reader, from, (size, root), &mut |_, leaf| {
                all.extend(seen::of_leaf(leaf));
                ControlFlow::Continue(())
            })?;
            Ok((all, size))
        });
        let (all, size) = since.await?;
        all.into_iter().for_each(|seen| self.hear(seen));
        self.read = size;
        Ok(())
    }

    /// Puts it on record as it is at a start, which a disk that hangs doesn't hold up; whether it is.
    pub(super) async fn begin(&mut self, audit: &Audit, metrics: &Metrics) -> bool {
        let late = |_| Err(Unrecorded::Late);
        let read = timeout(PATIENCE, async { Ok(self.read_on(audit).await?) });
        let recorded = match read.await.unwrap_or_else(late) {
            Ok(()) => self.record(audit, metrics).await,
            Err(error) => Err(error),
        };
        recorded.inspect_err(tell).is_ok()
    }

    /// All parts are handed over at once. The entry after them counts, which tells from where on to read:
    /// what comes before it is durable by then.
    async fn record(&self, audit: &Audit, metrics: &Metrics) -> Result<(), Unrecorded> {
        let parts = self.versions.standing();
        if parts.is_empty() {
            return Ok(());
        }
        let end = Standing {
            since: Some(self.read + 1),
            ..Standing::default()
        };
        let write = |part| {
            let entry = ActEntry::grants_standing(part);
            let durable = audit.log().record(&entry);
            async move {
                durable.await?;
                metrics.audit_recorded(entry.kind().as_str());
                Ok::<_, AuditError>(())
            }
        };
        let written = timeout(PATIENCE, async {
            try_join_all(parts.into_iter().map(write)).await?;
            write(end).await
        });
        Ok(written.await.map_err(|_| Unrecorded::Late)??)
    }
}

/// Puts it on record as often as said, and soon where it isn't `begun`.
pub(super) async fn keep(mut told: Told, audit: Audit, metrics: Metrics, begun: bool) {
    let mut due = Instant::now();
    if begun {
        due += EVERY;
    }
    let mut failing = !begun;
    loop {
        sleep(LOOK_EVERY).await;
        // No time limit: a read that hangs keeps a thread, and another one would keep a second.
        let mut done = told.read_on(&audit).await.map_err(Unrecorded::from);
        if done.is_ok() && due <= Instant::now() {
            done = told.record(&audit, &metrics).await;
            if done.is_ok() {
                due = Instant::now() + EVERY;
            }
        }
        // Once, and again when it is well.
        match &done {
            Err(error) if !failing => tell(error),
            Ok(()) if failing => tracing::info!("what is known of grants is on record again"),
            _ => {}
        }
        failing = done.is_err();
    }
}

fn tell(error: &Unrecorded) {
    tracing::error!(
        loket.cause = %error,
        "what is known of grants isn't on record: until it is, the next start reads further back"
    );
}

#[cfg(test)]
mod tests;
