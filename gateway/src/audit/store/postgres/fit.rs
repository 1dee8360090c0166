//! Fit: whether a server keeps what it acknowledges, and has the schema that is written here.

use tokio_postgres::Client;

use super::fault::Fault;

/// The version of the schema that is written and read here.
const VERSION: i32 = 2;

/// Whether a commit is kept here, and the schema is ours.
pub(super) async fn is_fit(client: &Client) -> Result<(), Fault> {
    let words = "SELECT pg_is_in_recovery(), current_setting('fsync'), \
         current_setting('full_page_writes'), current_setting('synchronous_commit'), \
         to_regclass('loket_audit.version') IS NOT NULL";
    let row = client.query_one(words, &[]).await?;
    let unfit = |why: &str| Err(Fault::Unfit(why.to_owned()));
    if row.try_get(0)? {
        return unfit("the database is a replica: entries go to the primary");
    }
    if row.try_get::<_, &str>(1)? != "on" {
        return unfit("the database has fsync off: a crash would lose entries");
    }
    if row.try_get::<_, &str>(2)? != "on" {
        return unfit("the database has full_page_writes off: a crash could ruin entries");
    }
    if !matches!(row.try_get(3)?, "on" | "remote_apply") {
        // The session's own setting goes before the server's.
        client.batch_execute("SET synchronous_commit = on").await?;
    }
    if !row.try_get::<_, bool>(4)? {
        return unfit("the database has no schema loket_audit: `loket audit schema` prints it");
    }
    let version = client
        .query_one("SELECT version FROM loket_audit.version", &[])
        .await?;
    match version.try_get(0)? {
        VERSION => Ok(()),
        other => unfit(&format!(
            "the schema is of version {other}, and this gateway's is {VERSION}"
        )),
    }
}
