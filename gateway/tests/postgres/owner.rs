//! Whoever owns the database, or can only connect to it, has a gateway do harm in its own name: delete what
//! is young, go by what wasn't recorded, pass over what is missing, keep what is past its term.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use loket_gateway::audit::log::{Log, Options, to_its_end};
use loket_gateway::audit::retention::{self, is_on_record};
use loket_gateway::audit::store::copy::Target;
use loket_gateway::audit::store::postgres::SCHEMA;
use loket_gateway::audit::store::suite::{aged, append, signer};
use loket_gateway::audit::store::{Batch, Store};
use loket_gateway::audit::{ActEntry, Asker, Audit};
use loket_gateway::directory::GrantState;
use loket_gateway::grants::{Standing, Version};

use super::binary::site;
use super::{Database, open, whole};

/// What the owner can do once the triggers are off.
fn forge(database: &Database, what: &str) {
    database.ask(&format!("SET session_replication_role = replica; {what}"));
}

/// A log of 1500 old and 300 new entries, which a gateway may delete from; the moment between them.
fn log() -> (Database, Timestamp) {
    let database = Database::start(SCHEMA);
    database.ask("GRANT loket_audit_pruner TO gateway");
    let before = aged(&mut open(&database).unwrap());
    (database, before)
}

/// The log of a gateway that runs.
fn audit(database: &Database) -> Audit {
    let log = Log::start(Box::new(open(database).unwrap()), Options::default()).unwrap();
    Audit::new(log, b"key")
}

/// What its retention comes to.
async fn prune(audit: &Audit, before: Timestamp) -> Result<Option<u64>, String> {
    let done = retention::prune(audit, before, |_, _| Ok(None), Asker::Term).await;
    done.map(|pruned| pruned.map(|pruned| pruned.entries))
        .map_err(|error| error.to_string())
}

/// How many entries there are, and how many have no text any more.
fn counts(database: &Database) -> String {
    database.ask("SELECT count(*), count(*) FILTER (WHERE body = '') FROM loket_audit.leaf")
}

#[tokio::test]
async fn dates_put_back_take_no_young_entry_away() {
    // The column; one row of it, which moves where the old ones seem to end; text and hash with the column.
    let column = "UPDATE loket_audit.leaf SET at = 0 WHERE place BETWEEN 1500 AND 1795";
    let one = "UPDATE loket_audit.leaf SET at = 1009843200000000 WHERE place = 1798";
    let text = format!(
        "{column}; UPDATE loket_audit.leaf SET body = convert_to(regexp_replace(\
         convert_from(body, 'UTF8'), '\"at\":\"[^\"]*\"', '\"at\":\"1970-01-01T00:00:00.000000Z\"'), 'UTF8') \
         WHERE place BETWEEN 1500 AND 1795; \
         UPDATE loket_audit.leaf SET hash = sha256('\\x00' || body) WHERE place BETWEEN 1500 AND 1795"
    );
    let young = "entry 1792 is of 20";
    // Put forward, they would stay for ever.
    let forward = "UPDATE loket_audit.leaf SET at = 1009843200000000 WHERE place = 0";
    let first = "entry 1 in loket_audit.leaf.at: its text doesn't match";
    let altered = "entry 1792 in loket_audit.leaf.at: its text doesn't match";
    let rewritten = "entry 1792 in the tree: a hash of the tree above it was altered";
    for (what, says) in [
        (column, altered),
        (one, young),
        (&text, rewritten),
        (forward, first),
    ] {
        let (database, before) = log();
        let audit = audit(&database);
        forge(&database, what);
        let refused = prune(&audit, before).await.unwrap_err();
        assert!(
            refused.contains("nothing is deleted") && refused.contains(says),
            "{refused}"
        );
        assert!(refused.contains("whoever owns the database"), "{refused}");
        assert_eq!(counts(&database), "1800|0", "{what}");
    }
}

/// Its own word that they are gone, and an entry that only looks as if it said so.
#[tokio::test]
async fn what_the_owner_says_is_gone_goes_only_if_it_is_on_record() {
    let (database, _) = log();
    forge(&database, "UPDATE loket_audit.term SET first = 1280");
    let forged = "UPDATE loket_audit.leaf SET body = convert_to(replace(convert_from(body, 'UTF8'), \
         '\"kind\":\"lookup\"', '\"kind\":\"pruned\",\"pruned\":{\"first\":1281}'), 'UTF8') WHERE place = 1700; \
         UPDATE loket_audit.leaf SET hash = sha256('\\x00' || body) WHERE place = 1700";
    let (dir, [_, config]) = site(&database);
    let config = config.to_str().unwrap();
    for what in ["", forged] {
        forge(&database, what);
        let refused = prune(&audit(&database), Timestamp::UNIX_EPOCH)
            .await
            .unwrap_err();
        assert!(refused.contains("nothing is deleted"), "{refused}");
        assert!(is_on_record(&*open(&database).unwrap().reader(), &mut to_its_end).is_err());
        let mut command = Command::new(env!("CARGO_BIN_EXE_loket"));
        command.args([
            "audit",
            "prune",
            "--config",
            config,
            "--before",
            "2002-01-01",
        ]);
        let refused = command.current_dir(dir.path()).output().unwrap();
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success(), "{told}");
        assert_eq!(counts(&database), "1800|0", "{told}");
    }
}

#[test]
fn a_column_of_another_type_hides_nothing_from_who_verifies() {
    let (database, _) = log();
    forge(
        &database,
        "ALTER TABLE loket_audit.term ALTER first TYPE numeric; \
         UPDATE loket_audit.term SET first = 512",
    );
    let violation = whole(&database).unwrap_err();
    assert_eq!(
        (violation.entry, &*violation.place),
        (1, "loket_audit.term")
    );
    let (dir, [_, config]) = site(&database);
    assert!(serves(&config).contains("which entries are past their term can't be told"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_loket"));
    command.args(["audit", "verify", "--config"]).arg(&config);
    let verified = command.current_dir(dir.path()).output().unwrap();
    assert_eq!(verified.status.code(), Some(8));
}

/// A view in the place of the table: whoever asks it for itself hears of nothing, and 512 leaves are gone.
#[test]
fn a_term_that_says_otherwise_to_each_who_asks_hides_nothing_from_who_verifies() {
    let (database, _) = log();
    forge(
        &database,
        "ALTER TABLE loket_audit.term RENAME TO kept; CREATE VIEW loket_audit.term AS SELECT one, emptied, \
         CASE WHEN current_query() LIKE '%loket_audit.leaf%' THEN 512 ELSE 0 END::bigint AS first \
         FROM loket_audit.kept; GRANT SELECT ON loket_audit.term TO loket_audit_writer",
    );
    let violation = whole(&database).unwrap_err();
    assert_eq!((violation.entry, &*violation.place), (512, "the log"));
    assert!(
        violation
            .to_string()
            .contains("deleted without an entry that says so")
    );
}

/// Entries of long ago that tell all that is known of grants, and 6000 later ones.
fn granted(database: &Database) {
    let version = Version {
        serial: 7,
        state: GrantState::Active,
        narrowed: false,
        kid: "bpjs-1".to_owned(),
        sha256: "7".repeat(64),
    };
    let part = Standing {
        in_force: [("grt-007".to_owned(), version)].into(),
        ..Standing::default()
    };
    let end = Standing {
        since: Some(1),
        ..Standing::default()
    };
    let leaves: Vec<Vec<u8>> = [part, end]
        .map(|standing| {
            let entry = serde_json::to_string(&ActEntry::grants_standing(standing)).unwrap();
            format!(r#"{{"at":"2001-01-01T00:00:00.000000Z",{}"#, &entry[1..]).into_bytes()
        })
        .into();
    let mut store = open(database).unwrap();
    let batch = Batch::again(&leaves, &store.head(), &signer()).unwrap();
    store.write(batch).unwrap();
    for first in (1..=6000).step_by(1000) {
        append(&mut store, first..=first + 999);
    }
}

/// What a gateway that starts on this log says against it; nothing if it serves.
fn serves(config: &Path) -> String {
    match said_before(config, "listening") {
        (true, _) => String::new(),
        (false, said) => said,
    }
}

/// Whether a gateway that starts on this log says so, and what it said before.
fn said_before(config: &Path, what: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loket"));
    command.args(["serve", "--config"]).arg(config);
    command.stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut says, mut said) = (false, String::new());
    for line in lines.map_while(Result::ok) {
        says = line.contains(what);
        if says {
            child.kill().unwrap();
            break;
        }
        said += &line;
    }
    child.wait().unwrap();
    (says, said)
}

/// A leaf and the hash beside it, changed together: a start finds it, wherever it is that it reads.
#[test]
fn no_start_goes_by_grants_that_were_not_recorded() {
    let changed = |place: u64, from: &str, to: &str| {
        format!(
            "UPDATE loket_audit.leaf SET body = convert_to(replace(convert_from(body, 'UTF8'), \
             '{from}', '{to}'), 'UTF8') WHERE place = {place}; \
             UPDATE loket_audit.leaf SET hash = sha256('\\x00' || body) WHERE place = {place}"
        )
    };
    for what in [
        // Another serial than was recorded; the end, hidden; an end that skips its parts; one made up.
        changed(0, "\"serial\":7", "\"serial\":3"),
        changed(1, "grants_standing", "grants_counting"),
        changed(1, "\"since\":1", "\"since\":6001"),
        changed(
            3000,
            "\"kind\":\"lookup\"",
            "\"kind\":\"grants_standing\",\"standing\":{\"since\":6001}",
        ),
    ] {
        let database = Database::start(SCHEMA);
        granted(&database);
        let (_dir, [_, config]) = site(&database);
        forge(&database, &what);
        let said = serves(&config);
        assert!(said.contains("the audit log is broken"), "{what}: {said}");
    }
    let database = Database::start(SCHEMA);
    granted(&database);
    let (_dir, [_, config]) = site(&database);
    assert_eq!(serves(&config), "");
}

const LOCK: &str = "SELECT pg_advisory_lock(hashtext('loket_audit.prune'))";

/// The lock is anyone's to take who can connect.
#[tokio::test]
async fn a_stranger_who_holds_the_lock_of_retention_keeps_nothing_past_its_term() {
    let (database, before) = log();
    database.ask("CREATE ROLE stranger LOGIN");
    let _held = database.keeps("stranger", LOCK);
    assert_eq!(prune(&audit(&database), before).await, Ok(Some(1280)));
    assert_eq!(counts(&database), "1801|1280");
    assert_eq!(whole(&database).unwrap().first, 1281);
    // Two who deleted beside each other may have told of it in either order.
    assert_eq!(prune(&audit(&database), before).await, Ok(None));
}

/// Whoever may delete keeps others waiting, and is named.
#[tokio::test]
async fn who_holds_the_right_to_delete_is_named() {
    let (database, before) = log();
    database.ask("CREATE ROLE other LOGIN; GRANT loket_audit_pruner TO other");
    let held = database.keeps("other", LOCK);
    let refused = prune(&audit(&database), before).await.unwrap_err();
    let process = database.ask("SELECT pid FROM pg_locks WHERE locktype = 'advisory'");
    for says in ["\"other\"", &process, "pg_terminate_backend"] {
        assert!(refused.contains(says), "{refused}");
    }
    assert_eq!(counts(&database), "1800|0");
    let (dir, [_, config]) = site(&database);
    let mut command = Command::new(env!("CARGO_BIN_EXE_loket"));
    command.args(["audit", "prune", "--before", "2002-01-01", "--config"]);
    let refused = command.arg(&config).current_dir(dir.path()).output();
    let told = String::from_utf8(refused.unwrap().stderr).unwrap();
    assert!(
        told.contains("\"other\"") && told.contains(&process),
        "{told}"
    );
    // Nor does a gateway that runs keep quiet about it.
    let text = fs::read_to_string(&config).unwrap();
    let term = "[audit]\nretention = \"5 years\"";
    fs::write(&config, text.replace("[audit]", term)).unwrap();
    let (says, said) = said_before(&config, "are left to another");
    assert!(says, "{said}");
    drop(held);
}
