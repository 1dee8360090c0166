//! Several gateways that write into one log.

use std::collections::BTreeSet;
use std::thread;

use loket_gateway::audit::draft::Draft;
use loket_gateway::audit::store::postgres::SCHEMA;
use loket_gateway::audit::store::suite::{append, cases, draft, keys, signer};
use loket_gateway::audit::store::{Postgres, Store};
use loket_gateway::checkpoint::{Keys, Signer};

use super::{Database, open, settings, whole};

#[test]
fn two_at_once_leave_no_gap_and_no_fork() {
    let database = Database::start(SCHEMA);
    let batches = 40;
    let write = |gateway: u64| {
        let mut store = open(&database).unwrap();
        let mut places = Vec::new();
        for batch in 0..batches {
            let first = gateway * 1_000_000 + batch * 100;
            let drafts: Vec<Draft> = (first..first + 1 + batch % 9).map(draft).collect();
            let committed = store.append(&drafts).unwrap();
            let said = keys().open(committed.checkpoint.note.as_bytes()).unwrap();
            assert_eq!(said.size(), committed.first + drafts.len() as u64);
            places.extend((committed.first..).zip(first..).take(drafts.len()));
        }
        places
    };
    let acknowledged: Vec<(u64, u64)> = thread::scope(|scope| {
        let gateways: Vec<_> = (1..=3)
            .map(|gateway| scope.spawn(move || write(gateway)))
            .collect();
        gateways
            .into_iter()
            .flat_map(|gateway| gateway.join().unwrap())
            .collect()
    });
    let store = open(&database).unwrap();
    let reader = store.reader();
    let total = store.head().tree.size();
    let places: BTreeSet<u64> = acknowledged.iter().map(|(place, _)| *place).collect();
    assert_eq!(places.len(), acknowledged.len());
    assert_eq!(places, (0..total).collect());
    let found = cases(&*reader, 0..total);
    for (place, number) in acknowledged {
        assert_eq!(
            found[usize::try_from(place).unwrap()],
            format!("c-{number}")
        );
    }
    let verified = whole(&database).unwrap();
    assert_eq!(verified.entries, total);
    let kept = database.ask("SELECT count(*) FROM loket_audit.checkpoint");
    assert_eq!(kept, (3 * batches).to_string());
}

/// One that was idle while others wrote more than it takes in at once.
#[test]
fn one_that_was_idle_catches_up() {
    let database = Database::start(SCHEMA);
    let mut idle = open(&database).unwrap();
    append(&mut idle, 1..=3);
    let mut busy = open(&database).unwrap();
    for batch in 0..10 {
        append(&mut busy, batch * 1000 + 4..=batch * 1000 + 1003);
    }
    append(&mut idle, 10_004..=10_004);
    assert_eq!(idle.head().tree.size(), 10_004);
    append(&mut busy, 10_005..=10_005);
    let verified = whole(&database).unwrap();
    assert_eq!(verified.entries, 10_005);
}

/// Whoever can write to the database but has no key of the log can't let a gateway sign what it adds.
#[test]
fn what_no_key_of_the_log_signed_is_not_gone_on_from() {
    let database = Database::start(SCHEMA);
    let mut ours = open(&database).unwrap();
    append(&mut ours, 1..=5);
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)
        .unwrap()
        .serialize_pem();
    let signer = || Signer::new(signer().origin(), [other.as_bytes()]).unwrap();
    let own = signer()
        .verifier_keys()
        .chain(self::signer().verifier_keys())
        .collect::<Vec<_>>();
    let both = Keys::new(signer().origin(), own).unwrap();
    let mut theirs = Postgres::open(&settings(&database), signer(), both).unwrap();
    append(&mut theirs, 6..=6);
    let refused = ours.append(&[draft(7)]).unwrap_err().to_string();
    assert!(refused.contains("no known key"), "{refused}");
    assert!(open(&database).is_err());
}

#[test]
fn what_a_gateway_may_do_is_to_append() {
    let database = Database::start(SCHEMA);
    append(&mut open(&database).unwrap(), 1..=5);
    for forbidden in [
        "DELETE FROM loket_audit.leaf",
        "UPDATE loket_audit.leaf SET body = ''",
        "TRUNCATE loket_audit.leaf",
        "DELETE FROM loket_audit.checkpoint",
        "UPDATE loket_audit.subtree SET level = 9",
        "DELETE FROM loket_audit.head",
        "DROP TABLE loket_audit.leaf",
        "ALTER TABLE loket_audit.leaf DISABLE TRIGGER grows",
    ] {
        let refused = database.ask_as("gateway", "audit", forbidden).unwrap_err();
        let denied = refused.contains("permission denied") || refused.contains("must be owner");
        assert!(denied, "{forbidden}: {refused}");
    }
    for forbidden in [
        "DELETE FROM loket_audit.leaf",
        "TRUNCATE loket_audit.checkpoint",
    ] {
        let refused = database.ask_as("owner", "audit", forbidden).unwrap_err();
        assert!(refused.contains("only grows"), "{forbidden}: {refused}");
    }
}
