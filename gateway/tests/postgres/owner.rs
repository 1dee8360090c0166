//! Whoever owns the database has a gateway do harm in its own name: pass over what is missing.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use loket_gateway::audit::store::postgres::SCHEMA;
use loket_gateway::audit::store::suite::aged;

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
