//! Session: a connection to a database that keeps what it says it keeps, with time-outs on both ends.

use std::sync::Arc;
use std::time::Duration;

use tlog_tiles::tlog::Hash;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Connection, NoTls, Row, Socket, Statement, config};
use uuid::Uuid;

use super::fault::Fault;
use super::fit::is_fit;
use super::tls::Tls;
use crate::audit::store::Batch;
use crate::config::Database;

const LEAVES: &str = "SELECT place, at, hash, body, subject, \
     place < (SELECT first FROM loket_audit.term) FROM loket_audit.leaf WHERE place >= $1 AND place < $2 ORDER BY place LIMIT $3";
const SINCE: &str = "SELECT hash FROM loket_audit.leaf WHERE place >= $1 ORDER BY place LIMIT $2";
const HEAD: &str = "SELECT size, edge, at, note FROM loket_audit.head";
const LOCK: &str = "SELECT size, edge, at, note FROM loket_audit.head FOR UPDATE";
const SETTLED: &str = "SELECT FROM loket_audit.checkpoint WHERE size = $1 AND batch = $2";
/// No leaf has this place.
const TRY_OUT: &str = "INSERT INTO loket_audit.leaf (place, at, hash, body) \
     VALUES (-1, 0, decode(repeat('00', 32), 'hex'), convert_to(repeat('x', 2048), 'UTF8')); ROLLBACK";
const WRITE: &str = "\
WITH leaves AS (
    INSERT INTO loket_audit.leaf (place, at, hash, subject, body)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bytea[], $5::bytea[])
), subtrees AS (
    INSERT INTO loket_audit.subtree (level, place, hash)
    SELECT * FROM unnest($6::smallint[], $7::bigint[], $8::bytea[])
), checkpoints AS (
    INSERT INTO loket_audit.checkpoint (size, note, batch) VALUES ($9, $10, $11)
)
UPDATE loket_audit.head SET size = $9, edge = $12, at = $13, note = $10";

/// The row of `head`.
#[derive(Debug)]
pub(super) struct HeadRow {
    pub(super) size: u64,
    pub(super) edge: Vec<Hash>,
    pub(super) at: Option<i64>,
    pub(super) note: String,
}

/// A row of `leaf`.
#[derive(Debug)]
pub(super) struct LeafRow {
    pub(super) place: u64,
    pub(super) at: i64,
    pub(super) hash: Option<Hash>,
    pub(super) body: Vec<u8>,
    pub(super) subject: Option<Vec<u8>>,
    /// Its term is over.
    pub(super) pruned: bool,
}

impl LeafRow {
    /// Place, date, hash, body, subject, and whether its term is over.
    pub(super) fn of(row: &Row) -> Result<Self, Fault> {
        Ok(Self {
            place: unsigned(row.try_get(0)?),
            at: row.try_get(1)?,
            hash: hash(row.try_get(2)?).ok(),
            body: row.try_get(3)?,
            subject: row.try_get(4)?,
            pruned: row.try_get(5)?,
        })
    }
}

/// A connection.
pub(super) struct Session {
    pub(super) client: Client,
    connection: JoinHandle<()>,
    patience: Duration,
    leaves: Statement,
    since: Statement,
    head: Statement,
    lock: Statement,
    settled: Statement,
    write: Statement,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Session {
    /// Connects, and makes sure that what is committed is kept.
    pub(super) async fn open(database: Arc<Database>) -> Result<Arc<Self>, Fault> {
        let patience = database.connect_timeout;
        let session = tokio::time::timeout(patience, Self::connect(&database));
        session
            .await
            .map_err(|_| Fault::Silent(patience))?
            .map(Arc::new)
    }

    async fn connect(database: &Database) -> Result<Self, Fault> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&database.host)
            .port(database.port)
            .dbname(&database.name)
            .user(&database.user)
            .application_name("loket")
            .connect_timeout(database.connect_timeout)
            .tcp_user_timeout(database.statement_timeout)
            .ssl_mode(config::SslMode::Disable);
        if let Some(password) = &database.password {
            config.password(password.expose());
        }
        let (client, connection) = match &database.authorities {
            Some(authorities) => {
                config.ssl_mode(config::SslMode::Require);
                let tls = Tls::trusting(authorities);
                let tls = tls.map_err(|error| Fault::Unfit(error.to_string()))?;
                dial(&config, tls).await?
            }
            None => dial(&config, NoTls).await?,
        };
        let timeout = database.statement_timeout.as_millis();
        // A gateway that falls silent halfway mustn't keep the others from writing.
        let settings = format!(
            "SET statement_timeout = {timeout};
             SET idle_in_transaction_session_timeout = {timeout};
             SET default_transaction_isolation = 'read committed';
             SET search_path = pg_catalog"
        );
        client.batch_execute(&settings).await?;
        is_fit(&client).await?;
        Ok(Self {
            leaves: client.prepare(LEAVES).await?,
            since: client.prepare(SINCE).await?,
            head: client.prepare(HEAD).await?,
            lock: client.prepare(LOCK).await?,
            settled: client.prepare(SETTLED).await?,
            write: client.prepare(WRITE).await?,
            client,
            connection,
            // The server ends what takes too long, and says so; only when it can't is it silence.
            patience: database.statement_timeout + Duration::from_millis(500),
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Fault> {
        let done = tokio::time::timeout(self.patience, work).await;
        Ok(done.map_err(|_| Fault::Silent(self.patience))??)
    }

    /// How far the log has got.
    pub(super) async fn head(self: Arc<Self>) -> Result<HeadRow, Fault> {
        let row = self.within(self.client.query_one(&self.head, &[])).await?;
        head_row(&row)
    }

    /// Begins a transaction that nobody else can append beside; how far the log has got, and the
    /// hashes of at most `most` leaves from `place`.
    pub(super) async fn lock(
        self: Arc<Self>,
        place: u64,
        most: i64,
    ) -> Result<(HeadRow, Vec<Hash>), Fault> {
        let place = signed(place);
        // Sent at once, done in this order.
        let range: [&(dyn ToSql + Sync); 2] = [&place, &most];
        let ((), row, hashes) = self
            .within(async {
                tokio::try_join!(
                    biased;
                    self.client.batch_execute("BEGIN"),
                    self.client.query_one(&self.lock, &[]),
                    self.client.query(&self.since, &range),
                )
            })
            .await?;
        let hashes = hashes.iter().map(|row| hash(row.try_get(0)?));
        Ok((head_row(&row)?, hashes.collect::<Result<_, _>>()?))
    }

    /// Ends a transaction that has written nothing.
    pub(super) async fn unlock(self: Arc<Self>) -> Result<(), Fault> {
        self.within(self.client.batch_execute("ROLLBACK")).await
    }

    /// Writes a row in the transaction that [`lock`](Self::lock) began, and takes it back.
    pub(super) async fn try_out(self: Arc<Self>) -> Result<(), Fault> {
        self.within(self.client.batch_execute(TRY_OUT)).await
    }

    /// Writes a batch in the transaction that [`lock`](Self::lock) began, and commits. After a fault it
    /// may be written or not.
    pub(super) async fn write(self: Arc<Self>, batch: Arc<Batch>, id: Uuid) -> Result<(), Fault> {
        let rows = super::rows::Rows::of(&batch);
        let size = signed(batch.checkpoint.size);
        let note = &*batch.checkpoint.note;
        let columns: [&(dyn ToSql + Sync); 13] = [
            &rows.places,
            &rows.dates,
            &rows.hashes,
            &rows.subjects,
            &rows.bodies,
            &rows.levels,
            &rows.level_places,
            &rows.level_hashes,
            &size,
            &note,
            &id,
            &rows.edge,
            &rows.at,
        ];
        let (written, ()) = self
            .within(async {
                tokio::try_join!(
                    biased;
                    self.client.execute(&self.write, &columns),
                    // A time-out while standbys write would say "committed" before they have.
                    self.client.batch_execute("SET LOCAL statement_timeout = 0; COMMIT"),
                )
            })
            .await?;
        match written {
            1 => Ok(()),
            _ => Err(Fault::Unfit(
                "loket_audit.head hasn't its one row".to_owned(),
            )),
        }
    }

    /// Whether a batch of this name was committed, once nobody can be about to commit it.
    pub(super) async fn settled(self: Arc<Self>, size: u64, id: Uuid) -> Result<bool, Fault> {
        let size = signed(size);
        let found = self
            .within(async {
                self.client.batch_execute("ROLLBACK; BEGIN").await?;
                self.client.query_one(&self.lock, &[]).await?;
                let found = self.client.query_opt(&self.settled, &[&size, &id]).await?;
                self.client.batch_execute("COMMIT").await?;
                Ok(found)
            })
            .await?;
        Ok(found.is_some())
    }

    /// At most `most` leaves of these places, in order.
    pub(super) async fn leaves(
        self: Arc<Self>,
        from: u64,
        to: u64,
        most: i64,
    ) -> Result<Vec<LeafRow>, Fault> {
        let (from, to) = (signed(from), signed(to));
        let range: [&(dyn ToSql + Sync); 3] = [&from, &to, &most];
        let rows = self.within(self.client.query(&self.leaves, &range)).await?;
        rows.iter().map(LeafRow::of).collect()
    }

    /// Rows of any query.
    pub(super) async fn rows(
        self: Arc<Self>,
        query: &'static str,
        parameters: Vec<Box<dyn ToSql + Sync + Send>>,
    ) -> Result<Vec<Row>, Fault> {
        let parameters: Vec<&(dyn ToSql + Sync)> =
            parameters.iter().map(|one| &**one as _).collect();
        self.within(self.client.query(query, &parameters)).await
    }
}

async fn dial<T>(
    config: &tokio_postgres::Config,
    tls: T,
) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection): (Client, Connection<Socket, T::Stream>) = config.connect(tls).await?;
    let connection = tokio::spawn(async move {
        // Whoever waits for an answer hears why it failed.
        let _ = connection.await;
    });
    Ok((client, connection))
}

fn head_row(row: &Row) -> Result<HeadRow, Fault> {
    let edge: &[u8] = row.try_get(1)?;
    Ok(HeadRow {
        size: unsigned(row.try_get(0)?),
        edge: edge.chunks(32).map(hash).collect::<Result<_, _>>()?,
        at: row.try_get(2)?,
        note: row.try_get(3)?,
    })
}

pub(super) fn hash(bytes: &[u8]) -> Result<Hash, Fault> {
    let bytes = bytes.try_into();
    bytes
        .map(Hash)
        .map_err(|_| Fault::Unfit("a hash in the database hasn't 32 bytes".to_owned()))
}

/// A place as the database has it. No log has 2^63 entries; what isn't found there isn't there.
pub(super) fn signed(place: u64) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

fn unsigned(place: i64) -> u64 {
    u64::try_from(place).unwrap_or(u64::MAX)
}
