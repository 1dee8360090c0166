//! The store in a PostgreSQL database, which any number of gateways write to.
//!
//! A batch is a transaction that holds the lock on `loket_audit.head`, so that places have no gaps and
//! no fork. A gateway signs only what goes on from the tree that it knows: entries that others wrote
//! since must lead from there to their signed checkpoint. A commit whose outcome was lost is looked up
//! by the batch's name before anything else is written.

mod fault;
mod fit;
mod found;
mod known;
mod prune;
mod reading;
mod rows;
mod session;
mod tls;
mod worker;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use uuid::Uuid;

use super::copy::Target;
use super::prune::Pruner;
use super::{Batch, Committed, Draft, Head, OpenError, Reader, Recovered, Signed, Store};
use crate::checkpoint::{Keys, Signer};
use crate::config::Database;

use fault::Fault;
use known::Extended;
use prune::Leaves;
use reading::Reading;
use session::Session;
use worker::Worker;

pub use found::Found;

/// What whoever owns the database runs in it once.
pub const SCHEMA: &str = include_str!("postgres/schema.sql");

/// Leaves of others that are hashed at once, under the lock.
const GAP: i64 = 4096;
/// Between two tries to find out what became of a commit.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// A log in a database.
#[derive(Debug)]
pub struct Postgres {
    worker: Arc<Worker>,
    database: Arc<Database>,
    signer: Signer,
    keys: Keys,
    session: Option<Arc<Session>>,
    /// The last that was checked or written here.
    head: Head,
    unsettled: Option<Unsettled>,
    reading: Arc<Reading>,
}

/// A batch that may be committed or not.
#[derive(Debug)]
struct Unsettled {
    batch: Arc<Batch>,
    id: Uuid,
}

impl Postgres {
    /// Opens the log in this database, whose schema is there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(database: &Database, signer: Signer, keys: Keys) -> Result<Self, OpenError> {
        let worker = Arc::new(Worker::start().map_err(OpenError::Thread)?);
        let database = Arc::new(database.clone());
        let believed = Some(keys.clone());
        let reading = Arc::new(Reading::of(worker.clone(), database.clone(), believed));
        let mut store = Self {
            worker,
            database,
            signer,
            keys,
            session: None,
            head: Head::default(),
            unsettled: None,
            reading,
        };
        let session = store.session().map_err(OpenError::Database)?;
        let row = store.worker.wait(session.head()).and_then(|row| Ok(row?));
        let row = row.map_err(OpenError::Database)?;
        let tree = row.tree()?;
        store.head = store.believed(&row, tree)?;
        store.reading.is_all_there(row.size)?;
        Ok(store)
    }

    /// The connection; a new one if the last has ended.
    fn session(&mut self) -> io::Result<Arc<Session>> {
        if let Some(session) = self.session.as_ref().filter(|session| !session.is_closed()) {
            return Ok(session.clone());
        }
        let session = self.worker.wait(Session::open(self.database.clone()))??;
        Ok(self.session.insert(session).clone())
    }

    /// Asks on the connection, and gives it up if anything goes wrong: what it had begun ends with it.
    fn ask<T, F>(&mut self, ask: impl FnOnce(Arc<Session>) -> F) -> io::Result<Result<T, Fault>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let session = self.session()?;
        self.ask_on(session, ask)
    }

    /// As [`ask`](Self::ask), on this connection and no other: it has the lock.
    fn ask_on<T, F>(
        &mut self,
        session: Arc<Session>,
        ask: impl FnOnce(Arc<Session>) -> F,
    ) -> io::Result<Result<T, Fault>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let answer = self.worker.wait(ask(session))?;
        if answer.is_err() {
            self.session = None;
        }
        Ok(answer)
    }

    /// Takes the lock, and learns what others wrote since; the connection that has it.
    fn lock(&mut self) -> io::Result<Arc<Session>> {
        let mut tree = self.head.tree.clone();
        loop {
            let (session, from) = (self.session()?, tree.size());
            let lock = |session: Arc<Session>| session.lock(from, GAP);
            let (row, hashes) = self.ask_on(session.clone(), lock)??;
            match self.extended(&row, tree, &hashes) {
                Ok(Extended::Whole(head)) => {
                    self.head = head;
                    return Ok(session);
                }
                Ok(Extended::Part(more)) => {
                    // Others may write meanwhile.
                    self.ask_on(session, Session::unlock)??;
                    tree = more;
                }
                Err(error) => {
                    self.session = None;
                    let why = std::error::Error::source(&error).map(ToString::to_string);
                    let why = why.unwrap_or_default();
                    return Err(io::Error::other(format!("{error}: {why}")));
                }
            }
        }
    }

    /// Writes a batch under the lock, or finds out that it wasn't.
    fn commit(&mut self, session: Arc<Session>, batch: &Arc<Batch>) -> io::Result<()> {
        let id = Uuid::new_v4();
        let ours = batch.clone();
        let Err(fault) = self.ask_on(session, |session| session.write(ours, id))? else {
            return Ok(());
        };
        self.unsettled = Some(Unsettled {
            batch: batch.clone(),
            id,
        });
        // A database that starts anew is back within that, and then nobody need be refused.
        let until =
            Instant::now() + self.database.connect_timeout + self.database.statement_timeout;
        loop {
            match self.settle() {
                Ok(Some(_)) => return Ok(()),
                Ok(None) => return Err(fault.into()),
                Err(_) if Instant::now() < until => std::thread::sleep(PAUSE),
                Err(unknown) => {
                    let words = format!("{fault}; whether it was committed isn't known: {unknown}");
                    return Err(io::Error::other(words));
                }
            }
        }
    }

    /// Makes a batch durable under the lock.
    fn locked(&mut self, session: Arc<Session>, batch: Batch) -> io::Result<Committed> {
        let batch = Arc::new(batch);
        self.commit(session, &batch)?;
        Ok(self.counts(&batch))
    }

    /// Goes on from a batch that is in the log.
    fn counts(&mut self, batch: &Batch) -> Committed {
        self.head = batch.head.clone();
        Committed {
            first: batch.first,
            placed: batch.placed.clone(),
            checkpoint: batch.checkpoint.clone(),
        }
    }

    /// Finds out what became of the batch that isn't settled; it, if it is in the log.
    fn settle(&mut self) -> io::Result<Option<Arc<Batch>>> {
        let Some(Unsettled { batch, id }) = &self.unsettled else {
            return Ok(None);
        };
        let (size, id, batch) = (batch.checkpoint.size, *id, batch.clone());
        let found = self.ask(|session| session.settled(size, id))??;
        self.unsettled = None;
        Ok(found.then_some(batch))
    }

    /// Refuses while it isn't known where the log ends.
    fn is_settled(&self) -> io::Result<()> {
        match self.unsettled {
            None => Ok(()),
            Some(_) => Err(io::Error::other(
                "whether the last entries were committed isn't known",
            )),
        }
    }
}

impl Target for Postgres {
    fn write(&mut self, batch: Batch) -> io::Result<Committed> {
        self.is_settled()?;
        let session = self.lock()?;
        if batch.first != self.head.tree.size() {
            self.session = None;
            return Err(io::Error::other(
                "a gateway writes to the database meanwhile",
            ));
        }
        self.locked(session, batch)
    }
}

impl Store for Postgres {
    fn append(&mut self, drafts: &[Draft]) -> io::Result<Committed> {
        if drafts.is_empty() {
            return Ok(Committed {
                first: self.head.tree.size(),
                placed: Vec::new(),
                checkpoint: Signed::of(&self.head.tree, &self.signer),
            });
        }
        self.is_settled()?;
        let session = match self.lock() {
            // As after a restart of the server while nothing was written.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.lock()?,
            locked => locked?,
        };
        let batch = Batch::of(drafts, &self.head, &self.signer, Timestamp::now);
        self.locked(session, batch)
    }

    fn recover(&mut self) -> io::Result<Recovered> {
        Ok(match self.settle() {
            Ok(Some(batch)) => Recovered::Late(self.counts(&batch)),
            Ok(None) => Recovered::Back,
            Err(error) => Recovered::Unknown(error),
        })
    }

    fn probe(&mut self) -> io::Result<()> {
        self.is_settled()?;
        let session = self.lock()?;
        Ok(self.ask_on(session, Session::try_out)??)
    }

    fn head(&self) -> Head {
        self.head.clone()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.reading.clone()
    }

    fn pruner(&self) -> Option<Arc<dyn Pruner>> {
        Some(Arc::new(Leaves {
            worker: self.worker.clone(),
            database: self.database.clone(),
        }))
    }
}
