//! Pruning in a database: its own function empties leaves, and keeps their places, dates and hashes.
//!
//! The function may be called by `loket_audit_pruner` only, and refuses what is younger than four days. Two
//! who delete beside each other do no harm: it locks the row that says how far it got.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use tokio_postgres::Row;

use super::fault::Fault;
use super::session::{Session, signed};
use super::worker::Worker;
use crate::audit::store::ReadError;
use crate::audit::store::prune::{Claim, Claimed, Holder, Pruner, SLICE};
use crate::config::Database;

/// As bundles in files have them.
const WIDTH: u64 = 256;

/// The right ends with the connection.
const CLAIM: &str = "SELECT pg_try_advisory_lock(hashtext('loket_audit.prune')), \
     has_function_privilege('loket_audit.prune(bigint, bigint)', 'EXECUTE')";
/// Anyone who can connect can take the lock. It counts only where its holder may delete.
const HOLDERS: &str = "SELECT coalesce(l.pid, 0), coalesce(a.usename::text, ''), \
     coalesce(has_function_privilege(a.usesysid, 'loket_audit.prune(bigint, bigint)', 'EXECUTE'), false) \
     FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid) \
     WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     AND (l.classid::bigint << 32 | l.objid::bigint) = hashtext('loket_audit.prune')::bigint \
     ORDER BY 3 DESC LIMIT 1";
const ENDS: &str = "SELECT first, size FROM loket_audit.term, loket_audit.head";
const PRUNE: &str = "SELECT loket_audit.prune($1, $2)";

/// Deletes leaves, on a connection of its own.
#[derive(Debug)]
pub(super) struct Leaves {
    pub(super) worker: Arc<Worker>,
    pub(super) database: Arc<Database>,
}

impl Pruner for Leaves {
    fn claim(&self) -> Result<Claimed, ReadError> {
        let session = self.worker.wait(Session::open(self.database.clone()))?;
        let session = session.map_err(io::Error::from)?;
        let rows = session.clone().rows(CLAIM, Vec::new());
        let rows = self.worker.wait(rows)?.map_err(io::Error::from)?;
        let claimed = rows
            .first()
            .map(|row| Ok::<(bool, bool), Fault>((row.try_get(0)?, row.try_get(1)?)));
        let claimed = claimed.transpose().map_err(io::Error::from)?;
        let (ours, may) = claimed.unwrap_or_default();
        if !may {
            // Found out here, before it is on record that entries go.
            let why = "this role may not delete: GRANT loket_audit_pruner to it";
            return Err(io::Error::from(Fault::Unfit(why.to_owned())).into());
        }
        let claim = Box::new(Deleting {
            worker: self.worker.clone(),
            session: session.clone(),
        });
        if ours {
            return Ok(Claimed::Ours(claim));
        }
        let rows = self.worker.wait(session.rows(HOLDERS, Vec::new()))?;
        let rows = rows.map_err(io::Error::from)?;
        let holder = rows.first().map(holder).transpose();
        Ok(match holder.map_err(io::Error::from)? {
            Some((holder, false)) => Claimed::Beside(claim, holder),
            Some((holder, true)) => Claimed::Held(holder),
            // It was let go just now.
            None => Claimed::Held(Holder {
                process: 0,
                role: String::new(),
            }),
        })
    }
}

/// Who has the lock, and whether they may delete.
fn holder(row: &Row) -> Result<(Holder, bool), Fault> {
    let (process, role) = (row.try_get(0)?, row.try_get(1)?);
    Ok((Holder { process, role }, row.try_get(2)?))
}

/// The connection that has the right.
struct Deleting {
    worker: Arc<Worker>,
    session: Arc<Session>,
}

impl Claim for Deleting {
    fn past(&mut self, before: u64) -> Result<Range<u64>, ReadError> {
        let rows = self.session.clone().rows(ENDS, Vec::new());
        let rows = self.worker.wait(rows)?.map_err(io::Error::from)?;
        let ends = rows
            .first()
            .map(|row| Ok::<(i64, i64), Fault>((row.try_get(0)?, row.try_get(1)?)));
        let (first, size) = ends
            .transpose()
            .map_err(io::Error::from)?
            .unwrap_or_default();
        let [first, size] = [first, size].map(|place| u64::try_from(place).unwrap_or_default());
        let end = before.min(size) / WIDTH * WIDTH;
        Ok(first..end.max(first))
    }

    fn prune(&mut self, first: u64) -> io::Result<bool> {
        let parameters = vec![Box::new(signed(first)) as _, Box::new(signed(SLICE)) as _];
        let rows = self.session.clone().rows(PRUNE, parameters);
        let rows = self.worker.wait(rows)??;
        let more = rows.first().map(|row| row.try_get(0).map_err(Fault::from));
        Ok(more.transpose()?.unwrap_or_default())
    }
}
