//! Whoever owns the database alters what is written: it is found out, by name.

use loket_gateway::audit::draft::Draft;
use loket_gateway::audit::hex;
use loket_gateway::audit::store::postgres::SCHEMA;
use loket_gateway::audit::store::suite::{append, draft};
use loket_gateway::audit::store::{Flaw, OpenError, ReadError, Store};

use serde_json::json;

use super::{Database, open, whole};

const ENTRIES: u64 = 600;

/// A log of twenty batches.
fn log() -> Database {
    let database = Database::start(SCHEMA);
    let mut store = open(&database).unwrap();
    for first in (1..=ENTRIES).step_by(30) {
        append(&mut store, first..=first + 29);
    }
    assert_eq!(whole(&database).unwrap().entries, ENTRIES);
    database
}

/// What the owner does once the triggers are off; where that shows first.
fn check(database: &Database, what: &str, entry: u64, is: impl Fn(&Flaw) -> bool) {
    let backup = "CREATE SCHEMA kept; \
         CREATE TABLE kept.head AS TABLE loket_audit.head; \
         CREATE TABLE kept.leaf AS TABLE loket_audit.leaf; \
         CREATE TABLE kept.subtree AS TABLE loket_audit.subtree; \
         CREATE TABLE kept.checkpoint AS TABLE loket_audit.checkpoint;";
    database.ask(backup);
    database.ask(&format!("SET session_replication_role = replica; {what}"));
    let violation = whole(database).unwrap_err();
    assert!(is(&violation.what), "{what}: {violation:?}");
    assert_eq!(violation.entry, entry, "{what}: {violation:?}");
    let tables = ["head", "leaf", "subtree", "checkpoint"];
    let back = tables.map(|table| {
        format!(
            "DELETE FROM loket_audit.{table}; INSERT INTO loket_audit.{table} TABLE kept.{table};"
        )
    });
    let back = back.concat();
    database.ask(&format!(
        "SET session_replication_role = replica; {back} DROP SCHEMA kept CASCADE"
    ));
    assert_eq!(whole(database).unwrap().entries, ENTRIES, "{what}");
}

/// A leaf, and what follows from it, as whoever knows how the tree is made would write it.
const REWRITTEN: &str = "\
    UPDATE loket_audit.leaf SET body = convert_to(replace(convert_from(body, 'UTF8'), 'c-300', 'c-999'), 'UTF8')
        WHERE place = 299;
    UPDATE loket_audit.leaf SET hash = sha256('\\x00' || body) WHERE place = 299;";

#[test]
fn every_alteration_is_found_and_named() {
    let database = log();
    let check = |what: &str, entry, is: fn(&Flaw) -> bool| check(&database, what, entry, is);
    let body = "UPDATE loket_audit.leaf SET body = body || '\\x20' WHERE place = 299";
    check(body, 300, |flaw| matches!(flaw, Flaw::Altered));
    let hash = "UPDATE loket_audit.leaf SET hash = sha256('x') WHERE place = 299";
    check(hash, 300, |flaw| matches!(flaw, Flaw::Altered));
    let date = "UPDATE loket_audit.leaf SET at = at - 1 WHERE place = 299";
    check(date, 300, |flaw| matches!(flaw, Flaw::Altered));
    let hidden = "UPDATE loket_audit.leaf SET subject = '\\x00' WHERE place = 299";
    check(hidden, 300, |flaw| matches!(flaw, Flaw::Altered));
    // The batch's checkpoint was signed over another: its first entry is told.
    check(REWRITTEN, 271, |flaw| {
        matches!(flaw, Flaw::Rewritten { to: 300 })
    });
    let one = "DELETE FROM loket_audit.leaf WHERE place = 299";
    check(one, 300, |flaw| matches!(flaw, Flaw::Missing));
    let end = "DELETE FROM loket_audit.leaf WHERE place >= 597";
    check(end, 598, |flaw| matches!(flaw, Flaw::Missing));
    let swapped = "UPDATE loket_audit.leaf l SET (at, hash, subject, body) = \
         (SELECT at, hash, subject, body FROM loket_audit.leaf o WHERE o.place = 601 - l.place) \
         WHERE place IN (300, 301)";
    check(swapped, 302, |flaw| {
        matches!(flaw, Flaw::BackDated | Flaw::Rewritten { .. })
    });
    let subtree = "UPDATE loket_audit.subtree SET hash = sha256('x') WHERE place = 1";
    check(subtree, 257, |flaw| matches!(flaw, Flaw::Hash));
    let unsigned =
        "UPDATE loket_audit.checkpoint SET note = replace(note, '— ', '— x') WHERE size = 300";
    check(unsigned, 300, |flaw| matches!(flaw, Flaw::Checkpoint(_)));
}

/// A report asks the column, and can't miss what it leaves out; whoever verifies the log compares it with
/// the entries.
#[test]
fn entries_that_are_hidden_from_their_subject_are_found_by_verifying() {
    let database = Database::start(SCHEMA);
    let mut store = open(&database).unwrap();
    let of = |subject: u8| hex(&[subject; 32]);
    for number in 0..40_u8 {
        let entry = json!({ "kind": "lookup", "subject_ref": of(number % 4) });
        store.append(&[Draft::of(&entry).unwrap()]).unwrap();
    }
    let reader = store.reader();
    let places = |subject| -> Result<Vec<u64>, ReadError> {
        let found = reader.of_subject(&of(subject), 0..40, 100)?;
        Ok(found.into_iter().map(|(place, _)| place).collect())
    };
    assert_eq!(places(3).unwrap().len(), 10);
    for hidden in ["NULL", "decode(repeat('05', 32), 'hex')"] {
        database.ask(&format!(
            "SET session_replication_role = replica; \
             UPDATE loket_audit.leaf SET subject = {hidden} WHERE place IN (23, 27)"
        ));
        assert_eq!(places(3).unwrap(), [39, 35, 31, 19, 15, 11, 7, 3]);
        let violation = whole(&database).unwrap_err();
        assert_eq!(
            (violation.entry, &*violation.place),
            (24, "loket_audit.leaf.subject")
        );
        assert!(matches!(violation.what, Flaw::Altered), "{violation:?}");
    }
    // Nor is it given to somebody whom it isn't about.
    assert!(matches!(places(5), Err(ReadError::Broken { .. })));
}

/// A gateway that runs knows how far it got, whatever the database says.
#[test]
fn a_log_that_was_taken_back_is_not_gone_on_with() {
    let database = Database::start(SCHEMA);
    let mut store = open(&database).unwrap();
    append(&mut store, 1..=300);
    let earlier = database.ask(
        "SELECT format('UPDATE loket_audit.head SET size = %s, edge = %L, at = %s, note = %L', \
         size, edge, at, note) FROM loket_audit.head",
    );
    append(&mut store, 301..=310);
    database.ask(&format!(
        "SET session_replication_role = replica; {earlier}; \
         DELETE FROM loket_audit.leaf WHERE place >= 300;"
    ));
    let refused = store.append(&[draft(311)]).unwrap_err().to_string();
    assert!(refused.contains("cut off"), "{refused}");
    // One that starts anew can't know, but the checkpoints that were left do.
    let violation = whole(&database).unwrap_err();
    assert!(
        matches!(violation.what, Flaw::CutOff { size: 310 }),
        "{violation:?}"
    );
    let opened = open(&database);
    assert!(
        matches!(
            opened,
            Err(OpenError::Broken {
                what: Flaw::CutOff { size: 310 },
                ..
            })
        ),
        "{opened:?}"
    );
}

#[test]
fn an_altered_entry_is_never_given_out() {
    let database = log();
    let store = open(&database).unwrap();
    database.ask(&format!(
        "SET session_replication_role = replica; {REWRITTEN}"
    ));
    let evidence = loket_gateway::audit::proof::evidence(&*store.reader(), 300, None);
    assert!(
        matches!(evidence, Err(ReadError::Broken { entry: 300, .. })),
        "{evidence:?}"
    );
    loket_gateway::audit::proof::evidence(&*store.reader(), 30, None).unwrap();
}
