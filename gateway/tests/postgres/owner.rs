//! Whoever owns the database has a gateway do harm in its own name: pass over what is missing, go by
//! what wasn't recorded.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use loket_gateway::audit::ActEntry;
use loket_gateway::audit::store::copy::Target;
use loket_gateway::audit::store::postgres::SCHEMA;
use loket_gateway::audit::store::suite::{aged, append, signer};
use loket_gateway::audit::store::{Batch, Store};
use loket_gateway::directory::GrantState;
use loket_gateway::grants::{Standing, Version};

use super::binary::site;
use super::{Database, open, whole};

/// What the owner can do once the triggers are off.
fn forge(database: &Database, what: &str) {
    database.ask(&format!("SET session_replication_role = replica; {what}"));
}

/// A log of 1500 old and 300 new entries.
fn log() -> Database {
    let database = Database::start(SCHEMA);
    aged(&mut open(&database).unwrap());
    database
}

/// What a gateway that starts on this log says against it; nothing if it serves.
fn serves(config: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loket"));
    command.args(["serve", "--config"]).arg(config);
    command.stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = String::new();
    for line in lines.map_while(Result::ok) {
        if line.contains("listening") {
            child.kill().unwrap();
            said.clear();
            break;
        }
        said += &line;
    }
    child.wait().unwrap();
    said
}

#[test]
fn a_column_of_another_type_hides_nothing_from_who_verifies() {
    let database = log();
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
    let database = log();
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
