use serde_json::json;

use super::*;
use crate::audit::draft::Draft;
use crate::audit::store::{Files, Memory, Store, suite};

/// What a reference is like; `n` stands for the subject.
fn reference(n: u64) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &n.to_be_bytes());
    crate::audit::hex(digest.as_ref())
}

fn draft(subject: Option<u64>) -> Draft {
    let entry = match subject {
        Some(n) => json!({ "kind": "lookup", "subject_ref": reference(n) }),
        None => json!({ "kind": "read", "case_id": "\"subject_ref\":\"" }),
    };
    Draft::of(&entry).unwrap()
}

/// Appends entries of which every seventh names nobody and the others one of `subjects` citizens.
fn append(store: &mut dyn Store, entries: Range<u64>, subjects: u64) {
    let drafts: Vec<Draft> = entries
        .map(|n| draft((n % 7 != 0).then_some(n % subjects)))
        .collect();
    for drafts in drafts.chunks(10_000) {
        store.append(drafts).unwrap();
    }
}

fn compare(index: &Index, reader: &dyn Reader, subject: u64) -> usize {
    let reference = reference(subject);
    let (mut before, mut all) = (u64::MAX, 0);
    // By pages, as a report asks.
    loop {
        let expected = reader.of_subject(&reference, before, 50).unwrap();
        assert_eq!(index.of_subject(&reference, before, 50).unwrap(), expected);
        all += expected.len();
        match expected.last() {
            Some((place, _)) => before = *place,
            None => return all,
        }
    }
}

/// The scan through all entries says what is right.
#[test]
fn an_index_finds_what_a_scan_finds() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    let reader = store.reader();
    let index = Index::new(directory.path().to_owned(), reader.clone()).unwrap();
    assert_eq!(compare(&index, &*reader, 1), 0);
    let size = LENGTH * 2 + 1000;
    append(&mut store, 0..LENGTH, 1009);
    index.catch_up().unwrap();
    append(&mut store, LENGTH..size, 1009);
    index.catch_up().unwrap();
    assert_eq!(index.runs(), 2);
    for subject in [1, 2, 500, 1008] {
        assert!(compare(&index, &*reader, subject) > 5);
    }
    assert_eq!(compare(&index, &*reader, 5000), 0);
    // What came since the last step is there too.
    append(&mut store, size..size + 1, 1);
    assert!(!size.is_multiple_of(7));
    assert_eq!(compare(&index, &*reader, 0), compare(&index, &*reader, 0));
    let newest = index.of_subject(&reference(0), u64::MAX, 1).unwrap();
    assert_eq!(newest[0].0, size);
    // One that reads what is there, and one that has to build it.
    let again = Index::new(directory.path().to_owned(), reader.clone()).unwrap();
    again.catch_up().unwrap();
    assert_eq!(again.runs(), 2);
    compare(&again, &*reader, 7);
    again.clear().unwrap();
    again.catch_up().unwrap();
    assert_eq!(again.runs(), 2);
    compare(&again, &*reader, 7);
}

/// One citizen in most of a run's entries: more than a block around the guess.
#[test]
fn a_subject_may_fill_a_run() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    append(&mut store, 0..LENGTH, 3);
    let index = Index::new(directory.path().to_owned(), store.reader()).unwrap();
    index.catch_up().unwrap();
    let found = index.of_subject(&reference(1), u64::MAX, usize::MAX);
    let expected = store
        .reader()
        .of_subject(&reference(1), u64::MAX, usize::MAX);
    let (found, expected) = (found.unwrap(), expected.unwrap());
    assert!(expected.len() > 1_100);
    assert!(found == expected);
}

#[test]
fn a_run_that_is_damaged_or_of_another_log_is_built_again() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    append(&mut store, 0..LENGTH, 1009);
    let reader = store.reader();
    let open = || {
        let index = Index::new(directory.path().to_owned(), reader.clone()).unwrap();
        index.catch_up().unwrap();
        index
    };
    open();
    let path = directory.path().join("00000000.run");
    let sound = fs::read(&path).unwrap();
    let cut = &sound[..sound.len() - 10];
    let mut turned = sound.clone();
    turned[5000] ^= 1;
    let longer = [&sound[..], &[0; 10]].concat();
    for damaged in [cut, &turned, &longer, b""] {
        fs::write(&path, damaged).unwrap();
        let index = open();
        assert!(compare(&index, &*reader, 8) > 2);
        assert!(fs::read(&path).unwrap() == sound);
    }
    let mut other = Memory::new(suite::signer());
    append(&mut other, 1..LENGTH + 1, 1009);
    let reader = other.reader();
    let index = Index::new(directory.path().to_owned(), reader.clone()).unwrap();
    index.catch_up().unwrap();
    assert!(compare(&index, &*reader, 8) > 2);
}

/// Runs of which nothing is left go, and what is deleted before it was taken in is left out.
#[test]
fn entries_past_their_term_are_in_no_index() {
    let (log, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = Files::open(log.path(), 64 << 20, suite::signer(), suite::keys()).unwrap();
    let size = LENGTH * 2 + 1000;
    append(&mut store, 0..size, 1009);
    let reader = store.reader();
    let open = || Index::new(directory.path().to_owned(), reader.clone()).unwrap();
    let index = open();
    index.catch_up().unwrap();
    assert_eq!(index.runs(), 2);
    let elsewhere = tempfile::tempdir().unwrap();
    let behind = Index::new(elsewhere.path().to_owned(), reader.clone()).unwrap();
    let mut claim = store.pruner().unwrap().claim().unwrap().unwrap();
    let first = LENGTH + 512;
    while claim.past(first).unwrap().end < first {
        thread::yield_now();
    }
    while claim.prune(first).unwrap() {}
    for index in [&index, &behind, &open()] {
        index.catch_up().unwrap();
        assert_eq!(index.runs(), 1);
        assert!(compare(index, &*reader, 8) > 2);
    }
    let runs = fs::read_dir(directory.path()).unwrap().flatten();
    let runs: Vec<_> = runs.map(|run| run.file_name()).collect();
    assert_eq!(runs, ["00000001.run"]);
    index.clear().unwrap();
    index.catch_up().unwrap();
    assert!(compare(&index, &*reader, 500) > 2);
}

#[test]
fn a_follower_keeps_up_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    append(&mut store, 0..LENGTH + 5, 1009);
    let follower = Follower::start(directory.path(), store.reader()).unwrap();
    while follower.index().behind().unwrap() > 0 {
        thread::yield_now();
    }
    assert_eq!(follower.index().runs(), 1);
    drop(follower);
}
