//! The audit log in a real PostgreSQL: what every store has to do, several gateways at once, faults,
//! and whoever alters what is written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are no tests to clippy"
)]

mod altered;
mod binary;
#[allow(unreachable_pub, reason = "the benchmark has it too")]
mod database;
mod faults;
mod many;
mod migrated;
mod owner;
mod proxy;
mod tls;

use loket_gateway::audit::draft::Draft;
use loket_gateway::audit::hex;
use loket_gateway::audit::store::postgres::SCHEMA;
use loket_gateway::audit::store::suite::{conforms, deletes_nothing_unseen, keys, prunes, signer};
use loket_gateway::audit::store::{OpenError, Postgres, ReadError, Store};
use loket_gateway::audit::verify::{Asked, Verified, Violation, verify_in};
use loket_gateway::config;
use serde_json::json;

use database::Database;

fn settings(database: &Database) -> config::Database {
    config::Database::behind(&database.socket(), "audit", "gateway")
}

fn open(database: &Database) -> Result<Postgres, OpenError> {
    Postgres::open(&settings(database), signer(), keys())
}

/// Whether the log is as it was written, as `loket audit verify` tells.
fn whole(database: &Database) -> Result<Verified, Violation> {
    let keys = keys();
    let asked = Asked {
        keys: Some(&keys),
        ..Asked::default()
    };
    verify_in(&settings(database), asked, |_| {})
}

#[test]
fn it_conforms() {
    let database = Database::start(SCHEMA);
    let store = Box::new(open(&database).unwrap());
    conforms(store, |store| {
        drop(store);
        Box::new(open(&database).unwrap())
    });
}

#[test]
fn what_is_past_its_term_goes_and_the_tree_still_verifies() {
    let database = Database::start(SCHEMA);
    let pruner = open(&database).unwrap().pruner().unwrap();
    let refused = match pruner.claim() {
        Err(ReadError::Io(error)) => error.to_string(),
        _ => panic!("it may not"),
    };
    assert!(refused.contains("GRANT loket_audit_pruner"), "{refused}");
    let forbidden = "SELECT loket_audit.prune(256, 1)";
    let refused = database.ask_as("gateway", "audit", forbidden).unwrap_err();
    assert!(refused.contains("permission denied"), "{refused}");
    database.ask("GRANT loket_audit_pruner TO gateway");
    prunes(|| Box::new(open(&database).unwrap()));
    assert_eq!(whole(&database).unwrap().first, 1281);
    let left = "SELECT count(*) FROM loket_audit.leaf WHERE body <> '' AND place < 1280";
    assert_eq!(database.ask(left), "0");
    // Only what is past its term, and only once at a time.
    let store = open(&database).unwrap();
    let pruner = store.pruner().unwrap();
    let mut claim = loop {
        // The connection that had the right may have to end first.
        if let Some(claim) = pruner.claim().unwrap().ours() {
            break claim;
        }
    };
    assert!(pruner.claim().unwrap().ours().is_none());
    let refused = claim.prune(1536).unwrap_err().to_string();
    assert!(refused.contains("younger than four days"), "{refused}");
    drop(claim);
    let other = Database::start(SCHEMA);
    other.ask("GRANT loket_audit_pruner TO gateway");
    deletes_nothing_unseen(Box::new(open(&other).unwrap()));
}

#[test]
fn a_subject_is_found_by_its_index() {
    let database = Database::start(SCHEMA);
    let mut store = open(&database).unwrap();
    let of = |subject: u8| hex(&[subject; 32]);
    for number in 0..40_u8 {
        let entry = json!({ "kind": "lookup", "subject_ref": of(number % 4) });
        store.append(&[Draft::of(&entry).unwrap()]).unwrap();
    }
    let reader = store.reader();
    let places = |places, limit| -> Vec<u64> {
        let found = reader.of_subject(&of(3), places, limit).unwrap();
        found.into_iter().map(|(place, _)| place).collect()
    };
    assert_eq!(places(0..40, 3), [39, 35, 31]);
    assert_eq!(places(0..31, 100), [27, 23, 19, 15, 11, 7, 3]);
    assert_eq!(places(11..31, 100), [27, 23, 19, 15, 11]);
    assert!(reader.of_subject(&of(9), 0..40, 9).unwrap().is_empty());
    let plan = "SET enable_seqscan = off; EXPLAIN SELECT FROM loket_audit.leaf \
         WHERE subject = '\\x00' AND place >= 0 AND place < 40 ORDER BY place DESC LIMIT 3";
    assert!(database.ask(plan).contains("leaf_subject"));
}
