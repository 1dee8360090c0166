//! Reading: places and indexes in, leaves and hashes out, by a connection of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tlog_tiles::tlog::{Hash, node_hash, record_hash, split_stored_hash_index};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::fault::Fault;
use super::rows::{STEP, subject};
use super::session::{HeadRow, LeafRow, Session, hash, signed};
use super::worker::Worker;
use crate::audit::draft::dated;
use crate::audit::store::{Each, Flaw, Found, ReadError, Reader, Signed};
use crate::audit::tree::Tree;
use crate::checkpoint::Keys;
use crate::config::{Database, unhex};

/// Leaves that are read at once.
const CHUNK: i64 = 256;

const CHECKPOINTS: &str =
    "SELECT size, note FROM loket_audit.checkpoint WHERE size > $1 ORDER BY size LIMIT 256";
const ENDS: &str = "SELECT size, (SELECT coalesce(max(size), 0) FROM loket_audit.checkpoint) FROM loket_audit.head";
const SINCE: &str = "SELECT greatest(place, (SELECT first FROM loket_audit.term)) \
     FROM loket_audit.leaf WHERE at >= $1 ORDER BY at, place LIMIT 1";
const OF_SUBJECT: &str = "SELECT place, at, hash, body, subject, false FROM loket_audit.leaf \
     WHERE subject = $1 AND place < $3 \
     AND place >= greatest($2, (SELECT first FROM loket_audit.term)) \
     ORDER BY place DESC LIMIT $4";
const FIRST: &str = "SELECT first FROM loket_audit.term";
const LEAF_HASHES: &str =
    "SELECT 0::smallint, place, hash FROM loket_audit.leaf WHERE place = ANY($1)";
const SUBTREES: &str = "SELECT level, place, hash FROM loket_audit.subtree \
     WHERE (level, place) IN (SELECT * FROM unnest($1::smallint[], $2::bigint[]))";

/// The log as those see it who read.
#[derive(Debug)]
pub(super) struct Reading {
    worker: Arc<Worker>,
    database: Arc<Database>,
    /// Those that checkpoints are believed under; none where whoever reads looks at that.
    keys: Option<Keys>,
    session: Mutex<Option<Arc<Session>>>,
}

impl Reading {
    pub(super) fn of(worker: Arc<Worker>, database: Arc<Database>, keys: Option<Keys>) -> Self {
        Self {
            worker,
            database,
            keys,
            session: Mutex::new(None),
        }
    }

    /// Asks the database, and once more on a new connection if the one there was had ended.
    fn ask<T, F>(&self, ask: impl Fn(Arc<Session>) -> F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        // Questions of several readers share the connection; it isn't held while one is answered.
        let slot = || self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = slot().clone().filter(|session| !session.is_closed());
        if let Some(session) = kept {
            match self.worker.wait(ask(session))? {
                Err(fault) if fault.is_lost() => *slot() = None,
                answer => return answer.map_err(failed),
            }
        }
        let session = self
            .worker
            .wait(Session::open(self.database.clone()))?
            .map_err(failed)?;
        *slot() = Some(session.clone());
        self.worker.wait(ask(session))?.map_err(|fault| {
            *slot() = None;
            failed(fault)
        })
    }

    fn rows<P>(
        &self,
        query: &'static str,
        parameters: impl Fn() -> P,
    ) -> Result<Vec<Row>, ReadError>
    where
        P: IntoIterator<Item = Box<dyn ToSql + Sync + Send>>,
    {
        self.ask(|session| session.rows(query, parameters().into_iter().collect()))
    }

    /// Whether the last of `size` leaves is there, and no checkpoint of more.
    pub(super) fn is_all_there(&self, size: u64) -> Result<(), ReadError> {
        if let Some(last) = size.checked_sub(1) {
            self.leaves(last..size, &mut |_, _| ControlFlow::Continue(()))?;
        }
        // Others may have written since `size` was read.
        let rows = self.rows(ENDS, || [])?;
        let ends = rows
            .first()
            .map(|row| Ok::<_, Fault>((row.try_get(0)?, row.try_get(1)?)));
        let ends: Option<(i64, i64)> = ends.transpose().map_err(failed)?;
        match ends {
            Some((head, signed)) if signed > head => {
                let size = u64::try_from(signed).unwrap_or_default();
                let entry = u64::try_from(head).unwrap_or_default();
                Err(broken(entry, "loket_audit.head", Flaw::CutOff { size }))
            }
            _ => Ok(()),
        }
    }

    /// The next signed checkpoints, of more than `size` entries.
    pub(super) fn checkpoints_after(&self, size: i64) -> io::Result<Vec<(i64, Vec<u8>)>> {
        let rows = self.rows(CHECKPOINTS, || [Box::new(size) as _]);
        let rows = rows.map_err(io::Error::other)?.into_iter().map(|row| {
            let note: String = row.try_get(1)?;
            Ok((row.try_get(0)?, note.into_bytes()))
        });
        Ok(rows.collect::<Result<_, Fault>>()?)
    }

    fn head(&self) -> Result<HeadRow, ReadError> {
        self.ask(Session::head)
    }

    /// Why a leaf isn't there.
    fn absent(&self, place: u64) -> ReadError {
        match self.head() {
            Ok(head) if place < head.size => broken(place, "loket_audit.leaf", Flaw::Missing),
            Ok(_) => ReadError::Unknown,
            Err(error) => error,
        }
    }
}

fn failed(fault: Fault) -> ReadError {
    ReadError::Io(fault.into())
}

fn broken(place: u64, table: &str, what: Flaw) -> ReadError {
    ReadError::Broken {
        entry: place + 1,
        place: table.to_owned(),
        what,
    }
}

impl HeadRow {
    /// The tree of its size and edge.
    pub(super) fn tree(&self) -> Result<Tree, ReadError> {
        let tree = Tree::of(self.size, self.edge.clone());
        let last = self.size.saturating_sub(1);
        tree.ok_or_else(|| broken(last, "loket_audit.head", Flaw::Hash))
    }
}

impl Reader for Reading {
    fn checkpoint(&self) -> Result<Signed, ReadError> {
        let head = self.head()?;
        let tree = head.tree()?;
        if let Some(keys) = &self.keys {
            head.is_signed(&tree, keys)?;
        }
        Ok(Signed {
            size: head.size,
            root: tree.root(),
            note: head.note.into(),
        })
    }

    fn hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, ReadError> {
        let subtrees: Vec<Subtree> = indexes.iter().map(|index| Subtree::at(*index)).collect();
        let kept: BTreeSet<(u8, u64)> = subtrees.iter().flat_map(Subtree::kept).collect();
        let (leaves, higher): (Vec<_>, Vec<_>) = kept.iter().partition(|(level, _)| *level == 0);
        let places = |of: &[(u8, u64)]| of.iter().map(|at| signed(at.1)).collect::<Vec<i64>>();
        let mut found = BTreeMap::new();
        let mut keep = |rows: Vec<Row>| -> Result<(), Fault> {
            for row in rows {
                let (level, place): (i16, i64) = (row.try_get(0)?, row.try_get(1)?);
                // Both were asked for.
                if let (Ok(level), Ok(place)) = (u8::try_from(level), u64::try_from(place)) {
                    found.insert((level, place), hash(row.try_get(2)?)?);
                }
            }
            Ok(())
        };
        if !leaves.is_empty() {
            let rows = self.rows(LEAF_HASHES, || [Box::new(places(&leaves)) as _])?;
            keep(rows).map_err(failed)?;
        }
        if !higher.is_empty() {
            let levels: Vec<i16> = higher.iter().map(|at| i16::from(at.0)).collect();
            let rows = self.rows(SUBTREES, || {
                [
                    Box::new(levels.clone()) as _,
                    Box::new(places(&higher)) as _,
                ]
            })?;
            keep(rows).map_err(failed)?;
        }
        let hashes = subtrees.iter().map(|subtree| {
            let row: Option<Vec<Hash>> = subtree.kept().map(|at| found.get(&at).copied()).collect();
            row.and_then(folded)
                .ok_or_else(|| self.absent(subtree.last_leaf()))
        });
        hashes.collect()
    }

    fn leaves(&self, places: Range<u64>, each: &mut Each<'_>) -> Result<(), ReadError> {
        let mut next = places.start;
        while next < places.end {
            let rows = self.ask(|session| session.leaves(next, places.end, CHUNK))?;
            if rows.is_empty() {
                return Err(self.absent(next));
            }
            for row in rows {
                if row.place != next {
                    return Err(self.absent(next));
                }
                check(&row)?;
                if each(next, &row.body).is_break() {
                    return Ok(());
                }
                next += 1;
            }
        }
        Ok(())
    }

    fn since(&self, moment: Timestamp) -> Result<u64, ReadError> {
        let at = moment.as_microsecond();
        // Leaves are dated in whole microseconds, and this one has begun.
        let whole = Timestamp::from_microsecond(at).is_ok_and(|whole| whole >= moment);
        let at = if whole { at } else { at + 1 };
        let rows = self.rows(SINCE, || [Box::new(at) as _])?;
        match rows.first() {
            None => Ok(self.head()?.size),
            Some(row) => {
                let place: i64 = row.try_get(0).map_err(|error| failed(error.into()))?;
                Ok(u64::try_from(place).unwrap_or_default())
            }
        }
    }

    fn first(&self) -> Result<u64, ReadError> {
        let rows = self.rows(FIRST, || [])?;
        let first: Option<i64> = match &rows[..] {
            [row] => row.try_get(0).ok(),
            _ => None,
        };
        let first = first.and_then(|first| u64::try_from(first).ok());
        first.ok_or_else(|| broken(0, "loket_audit.term", Flaw::Term))
    }

    fn of_subject(
        &self,
        subject_ref: &str,
        places: Range<u64>,
        limit: usize,
    ) -> Result<Vec<Found>, ReadError> {
        let Some(subject) = unhex(subject_ref.as_bytes()) else {
            return Ok(Vec::new());
        };
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let parameters = || {
            let subject = Box::new(subject.clone());
            [
                subject as _,
                Box::new(signed(places.start)) as _,
                Box::new(signed(places.end)) as _,
                Box::new(limit) as _,
            ]
        };
        let rows = self.rows(OF_SUBJECT, parameters)?;
        let rows = rows.iter().map(|row| {
            let row = LeafRow::of(row).map_err(failed)?;
            check(&row)?;
            Ok((row.place, row.body))
        });
        rows.collect()
    }
}

/// Whether a row is as it was written, and is found by what it says.
fn check(row: &LeafRow) -> Result<(), ReadError> {
    if row.pruned {
        return Err(ReadError::Pruned);
    }
    let altered = |column| Err(broken(row.place, column, Flaw::Altered));
    if row.hash != Some(record_hash(&row.body)) {
        return altered("loket_audit.leaf");
    }
    if row.subject != subject(&row.body) {
        return altered("loket_audit.leaf.subject");
    }
    match dated(&row.body) {
        None => Err(broken(row.place, "loket_audit.leaf", Flaw::Malformed)),
        Some(at) if at.as_microsecond() != row.at => altered("loket_audit.leaf.at"),
        Some(_) => Ok(()),
    }
}

/// A complete subtree, and the kept ones that it consists of.
struct Subtree {
    level: u8,
    place: u64,
}

impl Subtree {
    fn at(index: u64) -> Self {
        let (level, place) = split_stored_hash_index(index);
        Self { level, place }
    }

    fn kept(&self) -> impl Iterator<Item = (u8, u64)> + use<> {
        let base = self.level - self.level % STEP;
        let width = 1 << (self.level - base);
        (self.place * width..(self.place + 1) * width).map(move |place| (base, place))
    }

    fn last_leaf(&self) -> u64 {
        ((self.place + 1) << self.level) - 1
    }
}

/// The hash over a row of subtrees, as many as a power of two.
fn folded(mut row: Vec<Hash>) -> Option<Hash> {
    while row.len() > 1 {
        row = row
            .chunks(2)
            .map(|pair| node_hash(pair[0], pair[1]))
            .collect();
    }
    row.pop()
}
