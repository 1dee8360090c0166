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
mod proxy;
mod tls;

use loket_gateway::audit::draft::Draft;
use loket_gateway::audit::hex;
use loket_gateway::audit::store::postgres::SCHEMA;
use loket_gateway::audit::store::suite::{conforms, keys, signer};
use loket_gateway::audit::store::{OpenError, Postgres, Store};
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
