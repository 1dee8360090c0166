//! Pruning in a database: its own function empties leaves, and keeps their places, dates and hashes.
//!
//! The function may be called by `loket_audit_pruner` only, and refuses what is younger than four days.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::fault::Fault;
use super::session::{Session, signed};
use super::worker::Worker;
use crate::audit::store::ReadError;
use crate::audit::store::prune::{Claim, Pruner, SLICE};
use crate::config::Database;

/// As bundles in files have them.
const WIDTH: u64 = 256;

/// The right ends with the connection.
const CLAIM: &str = "SELECT pg_try_advisory_lock(hashtext('loket_audit.prune')), \
     has_function_privilege('loket_audit.prune(bigint, bigint)', 'EXECUTE')";
const ENDS: &str = "SELECT first, size FROM loket_audit.term, loket_audit.head";
const PRUNE: &str = "SELECT loket_audit.prune($1, $2)";

/// Deletes leaves, on a connection of its own.
#[derive(Debug)]
pub(super) struct Leaves {
    pub(super) worker: Arc<Worker>,
    pub(super) database: Arc<Database>,
}

impl Pruner for Leaves {
    fn claim(&self) -> Result<Option<Box<dyn Claim>>, ReadError> {
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
        Ok(ours.then(|| {
            let worker = self.worker.clone();
            Box::new(Deleting { worker, session }) as _
        }))
    }
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
