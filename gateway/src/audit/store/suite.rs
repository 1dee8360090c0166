//! What every store has to do, checked alike for all of them.

#![allow(clippy::unwrap_used, reason = "it is a test, whoever runs it")]

use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tlog_tiles::tlog::{check_record, check_tree, prove_record, prove_tree, record_hash};

use super::{Hashes, ReadError, Reader, Recovered, Store};
use crate::audit::draft::Draft;
use crate::audit::tree::Tree;
use crate::checkpoint::{Keys, Signer};

/// The log's name.
pub const ORIGIN: &str = "loket.example/audit";

/// The key that signs: that of RFC 8410 section 10.3.
pub const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

/// What signs its checkpoints.
///
/// # Panics
/// Never: the key is one.
#[must_use]
pub fn signer() -> Signer {
    Signer::new(ORIGIN, [KEY]).unwrap()
}

/// What they are believed under.
///
/// # Panics
/// Never: the key is one.
#[must_use]
pub fn keys() -> Keys {
    Keys::new(ORIGIN, signer().verifier_keys()).unwrap()
}

/// An entry of the case `c-n`.
///
/// # Panics
/// Never: it is one.
#[must_use]
pub fn draft(n: u64) -> Draft {
    Draft::of(&json!({ "kind": "lookup", "case_id": format!("c-{n}") })).unwrap()
}

/// Drafts of these numbers, appended as one batch.
///
/// # Panics
/// When they can't be.
pub fn append(store: &mut dyn Store, numbers: std::ops::RangeInclusive<u64>) {
    let drafts: Vec<Draft> = numbers.map(draft).collect();
    store.append(&drafts).unwrap();
}

/// The case ids of the leaves of these places.
///
/// # Panics
/// When they can't be read.
pub fn cases(reader: &dyn Reader, places: std::ops::Range<u64>) -> Vec<String> {
    let mut cases = Vec::new();
    let mut next = places.start;
    let each = &mut |place: u64, leaf: &[u8]| {
        assert_eq!(place, next);
        next += 1;
        let leaf: Value = serde_json::from_slice(leaf).unwrap();
        cases.push(leaf["case_id"].as_str().unwrap().to_owned());
        ControlFlow::Continue(())
    };
    reader.leaves(places, each).unwrap();
    cases
}

/// Runs all of it on a store that is empty, and on the same one opened again by `again`.
///
/// # Panics
/// When it doesn't do all of it.
pub fn conforms(mut store: Box<dyn Store>, again: impl FnOnce(Box<dyn Store>) -> Box<dyn Store>) {
    let reader = store.reader();
    let empty = reader.checkpoint().unwrap();
    assert_eq!((empty.size, &*empty.note), (0, ""));
    assert_eq!(empty.root, Tree::default().root());
    assert!(matches!(store.recover().unwrap(), Recovered::Back));
    store.probe().unwrap();
    let mut tree = Tree::default();
    let mut last: Option<Timestamp> = None;
    let mut heads = Vec::new();
    // Batches of all sizes, over the ends of tiles of both lower levels' first rows.
    let sizes = [1, 2, 253, 1, 1, 300, 256, 17, 512, 3];
    let mut next = 1;
    for size in sizes {
        let drafts: Vec<Draft> = (next..next + size).map(draft).collect();
        let committed = store.append(&drafts).unwrap();
        assert_eq!(committed.first, next - 1);
        assert_eq!(committed.placed.len() as u64, size);
        for placed in &committed.placed {
            assert!(last.is_none_or(|last| last <= placed.at));
            last = Some(placed.at);
            tree.push(placed.hash, |_, _| {});
        }
        next += size;
        let said = keys().open(committed.checkpoint.note.as_bytes()).unwrap();
        assert_eq!((said.size(), *said.hash()), (next - 1, tree.root()));
        assert_eq!(reader.checkpoint().unwrap(), committed.checkpoint);
        assert_eq!(store.head().tree, tree);
        heads.push(committed.checkpoint);
    }
    let total = next - 1;
    store.probe().unwrap();
    check_reading(&*reader, total, &heads);
    drop(reader);
    let mut store = again(store);
    assert_eq!(store.head().tree, tree);
    assert_eq!(store.head().at, last);
    check_reading(&*store.reader(), total, &heads);
    append(&mut *store, next..=next);
    assert_eq!(store.head().tree.size(), next);
    assert_eq!(cases(&*store.reader(), total..next), [format!("c-{next}")]);
}

fn check_reading(reader: &dyn Reader, total: u64, heads: &[super::Signed]) {
    let all: Vec<String> = (1..=total).map(|n| format!("c-{n}")).collect();
    assert_eq!(cases(reader, 0..total), all);
    assert_eq!(cases(reader, 255..258), all[255..258]);
    assert_eq!(cases(reader, 9..9), [""; 0]);
    let beyond = reader.leaves(total..total + 1, &mut |_, _| ControlFlow::Continue(()));
    assert!(matches!(beyond, Err(ReadError::Unknown)), "{beyond:?}");
    let mut given = 0;
    let some = &mut |_, _: &[u8]| {
        given += 1;
        if given == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    reader.leaves(0..total, some).unwrap();
    assert_eq!(given, 3);
    // Each entry is in each tree that is large enough, and each tree in each later one.
    for head in heads {
        for place in [0, 1, 255, 256, 300, 1279] {
            if place >= head.size {
                continue;
            }
            let hashes = Hashes::of(reader);
            let proof = prove_record(head.size, place, &hashes).unwrap();
            let mut hash = None;
            let each = &mut |_, leaf: &[u8]| {
                hash = Some(record_hash(leaf));
                ControlFlow::Continue(())
            };
            reader.leaves(place..place + 1, each).unwrap();
            check_record(&proof, head.size, head.root, place, hash.unwrap()).unwrap();
        }
        for older in heads.iter().filter(|older| older.size <= head.size) {
            let proof = prove_tree(head.size, older.size, &Hashes::of(reader)).unwrap();
            check_tree(&proof, head.size, head.root, older.size, older.root).unwrap();
        }
    }
    let mut dates = Vec::new();
    let each = &mut |_, leaf: &[u8]| {
        dates.push(crate::audit::draft::dated(leaf).unwrap());
        ControlFlow::Continue(())
    };
    reader.leaves(0..total, each).unwrap();
    for place in [0, 1, 255, 256, 257, 600, 1000] {
        let moment = dates[place];
        let first = dates.partition_point(|at| *at < moment) as u64;
        assert_eq!(reader.since(moment).unwrap(), first, "{place}");
    }
    let later = *dates.last().unwrap() + SignedDuration::from_micros(1);
    assert_eq!(reader.since(later).unwrap(), total);
    assert_eq!(reader.first(), 0);
}

#[cfg(test)]
#[test]
fn memory_conforms() {
    let store = Box::new(super::Memory::new(signer()));
    conforms(store, |store| store);
}
