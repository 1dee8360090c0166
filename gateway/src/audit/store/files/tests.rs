//! The store in files: what it keeps, and where.

mod faults;
mod tampering;
mod torn;

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::audit::store::Flaw;
use crate::audit::store::suite::{self, append, cases, draft, keys, signer};
use crate::audit::verify::{Verified, Violation, verify};

/// As soon as there is something to seal.
fn at_once() -> Pace {
    Pace {
        bundles: 1,
        pause: Duration::ZERO,
        ..Pace::default()
    }
}

fn try_open(dir: &Path, segment_bytes: u64) -> Result<Files, OpenError> {
    let disks: [Arc<dyn Disk>; 2] = [Arc::new(FileSystem), Arc::new(FileSystem)];
    Files::open_on(disks, dir, segment_bytes, signer(), &keys(), at_once())
}

fn open(dir: &Path) -> Files {
    try_open(dir, 64 << 20).unwrap()
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A log of so many entries, in batches of 100, closed.
fn written(entries: u64, segment_bytes: u64) -> TempDir {
    let dir = dir();
    let mut store = try_open(dir.path(), segment_bytes).unwrap();
    let mut next = 1;
    while next <= entries {
        let to = entries.min(next + 99);
        append(&mut store, next..=to);
        next = to + 1;
    }
    dir
}

fn numbered(numbers: RangeInclusive<u64>) -> Vec<String> {
    numbers.map(|n| format!("c-{n}")).collect()
}

fn verified(dir: &Path) -> Result<Verified, Violation> {
    verify(dir, Some(&keys()), |_| {})
}

/// A whole log with these entries.
fn has(dir: &Path, entries: RangeInclusive<u64>) {
    let size = *entries.end();
    assert_eq!(verified(dir).unwrap().entries, size);
    let view = found(dir, Some(&keys())).unwrap();
    assert_eq!(cases(&view, 0..size), numbered(entries));
}

/// Every file and how long it is.
fn files(dir: &Path) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(at) = dirs.pop() {
        for file in fs::read_dir(at).unwrap() {
            let (path, known) = (file.as_ref().unwrap().path(), file.unwrap());
            match known.file_type().unwrap().is_dir() {
                true => dirs.push(path),
                false => {
                    let name = paths::within(dir, &path);
                    found.insert(name, known.metadata().unwrap().len());
                }
            }
        }
    }
    found
}

#[test]
fn files_conform() {
    for (bytes, pace) in [(64 << 20, Pace::default()), (10_000, at_once())] {
        let dir = dir();
        let open = || {
            let disks: [Arc<dyn Disk>; 2] = [Arc::new(FileSystem), Arc::new(FileSystem)];
            let pace = pace.clone();
            Files::open_on(disks, dir.path(), bytes, signer(), &keys(), pace).unwrap()
        };
        suite::conforms(Box::new(open()), |store| {
            drop(store);
            Box::new(open())
        });
    }
}

#[test]
fn tiles_bundles_and_checkpoints_lie_where_c2sp_has_them() {
    let dir = written(600, 1);
    let found = files(dir.path());
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    let expected = [
        "checkpoint",
        "checkpoints",
        "lock",
        "tile/0/000",
        "tile/0/001",
        "tile/entries/000",
        "tile/entries/001",
        // Places 500 to 599 aren't all in bundles.
        "wal/00000000000000000500.wal",
    ];
    assert_eq!(names, expected);
    assert_eq!(found["tile/0/000"], 256 * 32);
    let notes: Vec<u64> = checkpoints(dir.path())
        .unwrap()
        .map(|note| keys().open(&note.unwrap()).unwrap().size())
        .collect();
    assert_eq!(notes, [300, 600]);
    let newest = fs::read(dir.path().join("checkpoint")).unwrap();
    assert_eq!(keys().open(&newest).unwrap().size(), 600);
    for (name, _) in found {
        use std::os::unix::fs::PermissionsExt;
        let mode = dir.path().join(&name).metadata().unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_log_is_open_once_and_one_of_an_earlier_kind_never() {
    let dir = dir();
    let store = open(dir.path());
    let again = try_open(dir.path(), 1);
    assert!(matches!(again, Err(OpenError::Locked { .. })));
    drop(store);
    fs::write(dir.path().join(format!("{:020}.log", 1)), "line\n").unwrap();
    let earlier = try_open(dir.path(), 1);
    assert!(
        matches!(earlier, Err(OpenError::Chain { .. })),
        "{earlier:?}"
    );
}

/// Segments go while others read them.
#[test]
fn readers_cope_with_a_log_that_is_sealed_under_them() {
    let dir = dir();
    let mut store = try_open(dir.path(), 1).unwrap();
    append(&mut store, 1..=10);
    let path = dir.path().to_owned();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let reading = std::thread::spawn(move || {
        let (mut last, mut times) = (0, 0);
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) || times < 3 {
            let view = found(&path, Some(&keys())).unwrap();
            let size = view.checkpoint().unwrap().size;
            assert!(size >= last);
            assert_eq!(cases(&view, 0..size), numbered(1..=size));
            assert!(verified(&path).unwrap().entries >= size);
            (last, times) = (size, times + 1);
        }
    });
    for n in 0..40 {
        append(&mut store, 11 + n * 50..=60 + n * 50);
    }
    drop(stop);
    reading.join().unwrap();
    drop(store);
    has(dir.path(), 1..=2010);
}

#[test]
fn what_is_past_its_term_goes_and_the_tree_still_verifies() {
    let dir = dir();
    suite::prunes(|| Box::new(try_open(dir.path(), 1).unwrap()));
    assert_eq!(verified(dir.path()).unwrap().first, 1281);
    let left = files(dir.path()).into_keys();
    let left: Vec<String> = left
        .filter(|name| name.starts_with("tile/entries/"))
        .collect();
    assert_eq!(left, ["tile/entries/005", "tile/entries/006"]);
    // One that was removed without a word shows.
    fs::remove_file(paths::bundle(dir.path(), 5)).unwrap();
    let missing = verified(dir.path()).unwrap_err();
    assert!(
        missing.entry == 1281 && matches!(missing.what, Flaw::Missing),
        "{missing}"
    );
    let other = self::dir();
    suite::deletes_nothing_unseen(Box::new(open(other.path())));
}

/// In a log that is so quiet that it writes to one segment.
#[test]
fn what_is_past_its_term_goes_from_segments_too() {
    let dir = dir();
    let mut store = open(dir.path());
    let before = suite::aged(&mut store);
    let is_there = || {
        let segments = paths::segments(dir.path()).unwrap().into_iter();
        let mut texts = segments.filter_map(|(_, path)| fs::read(path).ok());
        texts.any(|text| memchr::memmem::find(&text, br#""c-9""#).is_some())
    };
    assert!(is_there());
    let pruner = store.pruner().unwrap();
    let mut claim = pruner.claim().unwrap().ours().unwrap();
    let since = store.reader().since(before).unwrap();
    while claim.past(since).unwrap().end < 1280 {
        std::thread::yield_now();
    }
    append(&mut store, 1801..=1801);
    while claim.prune(1280).unwrap() {}
    append(&mut store, 1802..=2100);
    while is_there() {
        std::thread::yield_now();
    }
    drop(store);
    let view = found(dir.path(), Some(&keys())).unwrap();
    assert_eq!(cases(&view, 1280..2100), numbered(1281..=2100));
}

/// Also when whoever reads began before; but not when nothing tells what went meanwhile.
#[test]
fn a_log_is_verified_while_it_is_pruned() {
    for tells in [true, false] {
        let dir = dir();
        let mut store = try_open(dir.path(), 1).unwrap();
        let before = suite::aged(&mut store);
        let (claim, gone) = suite::claimed(&store, before);
        let mut claim = Some(claim);
        let verified = verify(dir.path(), Some(&keys()), |_| {
            if let Some(mut claim) = claim.take() {
                if tells {
                    suite::announce(&mut store, &gone, before);
                }
                while claim.prune(gone.end).unwrap() {}
            }
        });
        match (tells, verified) {
            (true, Ok(verified)) => {
                assert_eq!((verified.first, verified.entries), (1281, 1801));
            }
            (false, Err(violation)) => {
                let unrecorded = matches!(violation.what, Flaw::Unrecorded);
                assert!(unrecorded && violation.entry == 1280, "{violation}");
            }
            (_, other) => panic!("{tells}: {other:?}"),
        }
    }
}
