//! What every store has to do, checked alike for all of them.

#![allow(clippy::unwrap_used, reason = "it is a test, whoever runs it")]

mod lying;

use std::ops::{ControlFlow, Range};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tlog_tiles::tlog::{check_record, check_tree, prove_record, prove_tree, record_hash};

use super::copy::Target;
use super::prune::Claim;
use super::{Batch, Flaw, Hashes, ReadError, Reader, Recovered, Store};
use crate::audit::draft::Draft;
use crate::audit::log::to_its_end;
use crate::audit::proof::evidence;
use crate::audit::retention::{is_on_record, told};
use crate::audit::tree::Tree;
use crate::audit::verify::{Asked, Verified, Violation, walk};
use crate::audit::{ActEntry, Asker};
use crate::checkpoint::{Keys, Signer};

pub use lying::{Lying, replaced};

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
pub fn cases(reader: &dyn Reader, places: Range<u64>) -> Vec<String> {
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

/// The signed checkpoint of what is there, held against all leaves and hashes.
///
/// # Errors
/// The first [`Violation`].
pub fn whole(reader: &dyn Reader) -> Result<Verified, Violation> {
    let keys = keys();
    let asked = Asked {
        keys: Some(&keys),
        ..Asked::default()
    };
    walk(reader, std::iter::empty(), asked, &mut |_| {})
}

/// Entries of years ago that are past their term in [`prunes`], by number.
const OLD: u64 = 1500;
/// Those that aren't.
const NEW: u64 = 300;
/// What goes: whole bundles.
const GONE: u64 = 1280;

/// Old and new entries into a store that is empty; the moment between them. 1280 are past their term by
/// whole bundles.
///
/// # Panics
/// When they can't be written.
pub fn aged(store: &mut dyn Target) -> Timestamp {
    let leaves: Vec<Vec<u8>> = (1..=OLD)
        .map(|n| {
            let at = format!("2001-01-01T00:00:{:02}.000000Z", n * 60 / (OLD + 1));
            let leaf = format!(r#"{{"at":"{at}","kind":"lookup","case_id":"c-{n}"}}"#);
            leaf.into_bytes()
        })
        .collect();
    for leaves in leaves.chunks(100) {
        let batch = Batch::again(leaves, &store.head(), &signer()).unwrap();
        store.write(batch).unwrap();
    }
    append(store, OLD + 1..=OLD + NEW);
    "2002-01-01T00:00:00Z".parse().unwrap()
}

/// The right to delete, and what goes before this moment, once it is all in bundles.
///
/// # Panics
/// When the store can't delete.
pub fn claimed(store: &dyn Store, before: Timestamp) -> (Box<dyn Claim>, Range<u64>) {
    let (pruner, reader) = (store.pruner().unwrap(), store.reader());
    loop {
        // A connection that had the right may have to end first.
        let Some(mut claim) = pruner.claim().unwrap().ours() else {
            std::thread::yield_now();
            continue;
        };
        let gone = claim.past(reader.since(before).unwrap()).unwrap();
        assert!(gone.end <= GONE, "{gone:?}");
        if gone.end == GONE {
            return (claim, gone);
        }
        std::thread::yield_now();
    }
}

/// Puts on record that they go.
///
/// # Panics
/// When it can't be written.
pub fn announce(store: &mut dyn Store, gone: &Range<u64>, before: Timestamp) {
    let entry = ActEntry::pruned(Asker::Term, told(gone, before).unwrap());
    store.append(&[Draft::of(&entry).unwrap()]).unwrap();
}

/// Runs all of it on stores that `open` opens, the same one each time, which is empty at first: entries past
/// their term go, and what is left verifies, wherever it is broken off.
///
/// # Panics
/// When it doesn't do all of it.
pub fn prunes(open: impl Fn() -> Box<dyn Target>) {
    let mut store = open();
    let before = aged(&mut *store);
    let total = OLD + NEW;
    let kept = store.reader().checkpoint().unwrap();
    let mut proved = None;
    let each = &mut |_, leaf: &[u8]| {
        proved = Some(record_hash(leaf));
        ControlFlow::Break(())
    };
    store.reader().leaves(4..5, each).unwrap();
    let proved = proved.unwrap();
    let is_gone = |reader: &dyn Reader, place: u64| {
        let read = reader.leaves(place..place + 1, &mut |_, _| ControlFlow::Continue(()));
        match read {
            Ok(()) => false,
            Err(ReadError::Pruned) => true,
            Err(error) => panic!("{error}"),
        }
    };
    // It ends between the entry and the first deletion.
    let (claim, gone) = claimed(&*store, before);
    assert_eq!(gone, 0..GONE);
    announce(&mut *store, &gone, before);
    drop((claim, store));
    let mut store = open();
    assert_eq!(whole(&*store.reader()).unwrap().first, 1);
    assert!(!is_gone(&*store.reader(), 4));
    // It is said again, and broken off after some.
    let (mut claim, gone) = claimed(&*store, before);
    announce(&mut *store, &gone, before);
    let reader = store.reader();
    assert!(claim.prune(gone.end).unwrap());
    assert!((0..GONE).step_by(100).all(|place| is_gone(&*reader, place)));
    assert_eq!(whole(&*reader).unwrap().first, GONE + 1);
    drop((reader, claim, store));
    let mut store = open();
    let reader = store.reader();
    assert_eq!(whole(&*reader).unwrap().first, GONE + 1);
    // Nothing new goes, and the rest of the old does.
    let (mut claim, gone) = claimed(&*store, before);
    assert!(gone.is_empty(), "{gone:?}");
    while claim.prune(gone.end).unwrap() {}
    assert!(!claim.prune(gone.end).unwrap());
    drop(claim);
    append(&mut *store, total + 3..=total + 3);
    let verified = whole(&*reader).unwrap();
    assert_eq!((verified.first, verified.entries), (GONE + 1, total + 3));
    assert_eq!(reader.first().unwrap(), GONE);
    assert!(is_gone(&*reader, 0) && is_gone(&*reader, GONE - 1));
    assert_eq!(
        cases(&*reader, GONE..total),
        ((GONE + 1)..=total)
            .map(|n| format!("c-{n}"))
            .collect::<Vec<_>>()
    );
    assert_eq!(reader.since(Timestamp::UNIX_EPOCH).unwrap(), GONE);
    assert_eq!(reader.since(before).unwrap(), OLD);
    // What was proved of one that is gone can be proved still, and it is in what came later.
    let newest = reader.checkpoint().unwrap();
    for head in [&kept, &newest] {
        let proof = prove_record(head.size, 4, &Hashes::of(&*reader)).unwrap();
        check_record(&proof, head.size, head.root, 4, proved).unwrap();
    }
    let proof = prove_tree(newest.size, kept.size, &Hashes::of(&*reader)).unwrap();
    check_tree(&proof, newest.size, newest.root, kept.size, kept.root).unwrap();
    evidence(&*reader, GONE + 1, None).unwrap();
    let refused = evidence(&*reader, GONE, None);
    assert!(matches!(refused, Err(ReadError::Pruned)), "{refused:?}");
    drop((reader, store));
    assert_eq!(whole(&*open().reader()).unwrap().first, GONE + 1);
}

/// Whoever deletes and says nothing of it is found out.
///
/// # Panics
/// When they aren't.
pub fn deletes_nothing_unseen(mut store: Box<dyn Target>) {
    let before = aged(&mut *store);
    let (mut claim, gone) = claimed(&*store, before);
    while claim.prune(gone.end).unwrap() {}
    let found = whole(&*store.reader()).unwrap_err();
    assert!(
        found.entry == GONE && matches!(found.what, Flaw::Unrecorded),
        "{found}"
    );
    is_on_record(&*store.reader(), &mut to_its_end).unwrap_err();
    announce(&mut *store, &gone, before);
    whole(&*store.reader()).unwrap();
    is_on_record(&*store.reader(), &mut to_its_end).unwrap();
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
    assert_eq!(reader.first().unwrap(), 0);
}

#[cfg(test)]
#[test]
fn memory_conforms() {
    let store = Box::new(super::Memory::new(signer()));
    conforms(store, |store| store);
}
