//! What an adversary may do to the directory, each attack by its name.
//!
//! Without the signing key nothing but an earlier copy of everything passes, and that shows against a
//! checkpoint kept elsewhere, as in a receipt.

use tlog_tiles::tlog::record_hash;

use super::paths::{CHECKPOINT, CHECKPOINTS};
use super::*;
use crate::audit::store::ReadError;
use crate::audit::verify::{Asked, consistent, verify_with};
use crate::checkpoint::{NoteError, Signer};

const ENTRIES: u64 = 1100;

/// The leaves of a bundle, as they stand there.
fn leaves(dir: &Path, n: u64) -> Vec<Vec<u8>> {
    let bytes = fs::read(paths::bundle(dir, n)).unwrap();
    let bundle = bundle::Bundle::decode(&bytes, 256);
    (0..256)
        .map(|at| bundle.get(at).unwrap().to_vec())
        .collect()
}

fn put(dir: &Path, n: u64, leaves: &[Vec<u8>]) {
    let bytes = bundle::encode(leaves.iter().map(Vec::as_slice)).unwrap();
    fs::write(paths::bundle(dir, n), bytes).unwrap();
}

/// Changes a bundle, and with it its tile if that is asked for.
fn change(dir: &Path, n: u64, with_tile: bool, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut all = leaves(dir, n);
    change(&mut all);
    put(dir, n, &all);
    if with_tile {
        let hashes: Vec<u8> = all.iter().flat_map(|leaf| record_hash(leaf).0).collect();
        fs::write(paths::tile(dir, 0, n), hashes).unwrap();
    }
}

fn alter(leaf: &mut Vec<u8>) {
    *leaf = String::from_utf8(leaf.clone())
        .unwrap()
        .replace("lookup", "refuse")
        .into_bytes();
}

fn copy(from: &Path) -> TempDir {
    let to = dir();
    for name in files(from).into_keys() {
        let path = to.path().join(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::copy(from.join(&name), path).unwrap();
    }
    to
}

fn checkpoint(dir: &Path) -> String {
    fs::read_to_string(dir.join("checkpoint")).unwrap()
}

fn wal(dir: &Path) -> PathBuf {
    paths::segments(dir).unwrap().pop().unwrap().1
}

/// A batch under any signature.
fn batch(leaves: &[&str], note: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for leaf in leaves {
        bytes.extend(u32::try_from(leaf.len()).unwrap().to_be_bytes());
        bytes.extend(leaf.as_bytes());
    }
    bytes.extend((u32::try_from(note.len()).unwrap() | 1 << 31).to_be_bytes());
    bytes.extend(note.as_bytes());
    bytes
}

/// A batch after all there is, signed by `by`.
fn forged(dir: &Path, leaf: &str, by: &Signer) -> Vec<u8> {
    let mut tree = open(dir).head().tree;
    tree.push(record_hash(leaf.as_bytes()), |_, _| {});
    batch(&[leaf], &by.sign(tree.size(), tree.root()))
}

fn grow(path: &Path, bytes: &[u8]) {
    let whole = [fs::read(path).unwrap().as_slice(), bytes].concat();
    fs::write(path, whole).unwrap();
}

fn second() -> Signer {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    Signer::new(suite::ORIGIN, [key.serialize_pem().as_bytes()]).unwrap()
}

#[test]
fn tampering_is_found_and_never_repaired() {
    let whole = written(ENTRIES, 1);
    has(whole.path(), 1..=ENTRIES);
    // Whether the gateway starts: it looks at the end only, and the rest when it reads or verifies.
    let check = |attack: &str, entry: u64, what: &str, starts: bool, tamper: &dyn Fn(&Path)| {
        let dir = copy(whole.path());
        tamper(dir.path());
        let found = verified(dir.path()).expect_err(attack);
        let told = format!("{:?}", found.what);
        assert!(
            found.entry == entry && told.starts_with(what),
            "{attack}: {found} ({told})"
        );
        match try_open(dir.path(), 1) {
            Ok(_) => assert!(starts, "{attack}"),
            Err(OpenError::Broken { .. }) => assert!(!starts, "{attack}"),
            Err(error) => panic!("{attack}: {error}"),
        }
    };

    check("a leaf is altered", 300, "Altered", true, &|dir| {
        change(dir, 1, false, |all| alter(&mut all[43]));
    });
    check(
        "a leaf is altered, and its tile",
        301,
        "Rewritten { to: 600 }",
        false,
        &|dir| {
            change(dir, 1, true, |all| alter(&mut all[50]));
        },
    );
    check("a leaf is removed", 10, "Altered", true, &|dir| {
        change(dir, 0, false, |all| drop(all.remove(9)));
    });
    check("the last leaf is removed", 256, "Altered", true, &|dir| {
        change(dir, 0, false, |all| drop(all.pop()));
    });
    check("a leaf is added", 256, "Altered", true, &|dir| {
        change(dir, 0, false, |all| all.push(all[0].clone()));
    });
    check("two leaves are reordered", 5, "Altered", true, &|dir| {
        change(dir, 0, false, |all| all.swap(4, 200));
    });
    check(
        "two leaves are reordered, and their tile",
        6,
        "BackDated",
        false,
        &|dir| {
            change(dir, 0, true, |all| all.swap(4, 200));
        },
    );
    check("a bundle is removed", 257, "Missing", true, &|dir| {
        fs::remove_file(paths::bundle(dir, 1)).unwrap();
    });
    check(
        "the last bundle is removed",
        769,
        "Missing",
        false,
        &|dir| {
            fs::remove_file(paths::bundle(dir, 3)).unwrap();
        },
    );
    check("two bundles are swapped", 1, "Altered", true, &|dir| {
        let all = leaves(dir, 0);
        put(dir, 0, &leaves(dir, 2));
        put(dir, 2, &all);
    });
    check(
        "two bundles and tiles are swapped",
        257,
        "BackDated",
        false,
        &|dir| {
            let all = leaves(dir, 0);
            let other = leaves(dir, 2);
            change(dir, 0, true, |to| *to = other);
            change(dir, 2, true, |to| *to = all);
        },
    );
    check("a tile is removed", 257, "NoHash", false, &|dir| {
        fs::remove_file(paths::tile(dir, 0, 1)).unwrap();
    });
    check("the checkpoints are removed", 1, "Missing", false, &|dir| {
        fs::remove_file(dir.join("checkpoints")).unwrap();
    });
    check(
        "the checkpoints are cut off",
        513,
        "Missing",
        false,
        &|dir| {
            let all: Vec<_> = checkpoints(dir).unwrap().map(Result::unwrap).collect();
            fs::write(dir.join("checkpoints"), all[..2].concat()).unwrap();
        },
    );
    check("the segments are removed", 1025, "CutOff", false, &|dir| {
        fs::remove_dir_all(paths::wal(dir)).unwrap();
    });
    check(
        "the last segment is emptied",
        1025,
        "Missing",
        false,
        &|dir| {
            let path = wal(dir);
            fs::write(&path, "").unwrap();
            fs::rename(path, paths::segment(dir, 1100)).unwrap();
        },
    );
}

#[test]
fn what_was_written_last_cant_be_changed_either() {
    let whole = written(ENTRIES, 1 << 20);
    let (other, ours) = (second(), signer());
    let at = r#"{"at":"2999-01-01T00:00:00.000000Z","kind":"lookup"}"#;
    let check = |attack: &str, what: &str, tamper: &dyn Fn(&Path)| {
        let dir = copy(whole.path());
        tamper(dir.path());
        let found = verified(dir.path()).expect_err(attack);
        let told = format!("{:?}", found.what);
        assert!(told.starts_with(what), "{attack}: {found} ({told})");
        let refused = try_open(dir.path(), 1);
        let broken = matches!(refused, Err(OpenError::Broken { .. }));
        assert!(broken, "{attack}: {refused:?}");
    };
    check("the last batch is removed", "CutOff", &|dir| {
        let bytes = fs::read(wal(dir)).unwrap();
        fs::write(wal(dir), &bytes[..bytes.len() - 1]).unwrap();
    });
    check("the last batch is altered", "Rewritten", &|dir| {
        let bytes = String::from_utf8_lossy(&fs::read(wal(dir)).unwrap()).into_owned();
        assert!(bytes.contains("c-1099"));
        let mut bytes = fs::read(wal(dir)).unwrap();
        let at = memchr::memmem::find(&bytes, b"c-1099").unwrap();
        bytes[at] = b'd';
        fs::write(wal(dir), bytes).unwrap();
    });
    check(
        "a batch is forged, and signed by another key",
        "Checkpoint(Signature)",
        &|dir| {
            grow(&wal(dir), &forged(dir, at, &other));
        },
    );
    check(
        "the last checkpoint is another key's",
        "Checkpoint(Signature)",
        &|dir| {
            let tree = open(dir).head().tree;
            let note = other.sign(tree.size(), tree.root());
            fs::write(dir.join("checkpoint"), note).unwrap();
        },
    );
    check(
        "a checkpoint is of another log",
        "Checkpoint(Origin)",
        &|dir| {
            let tree = open(dir).head().tree;
            let note = ours.sign(tree.size(), tree.root());
            fs::write(
                dir.join("checkpoint"),
                note.replace(suite::ORIGIN, "other.example"),
            )
            .unwrap();
        },
    );
    check(
        "a checkpoint was signed over other entries",
        "Rewritten { to: 1024 }",
        &|dir| {
            let note = ours.sign(1024, record_hash(b"others"));
            fs::write(dir.join("checkpoint"), note).unwrap();
        },
    );
}

/// The newest checkpoint that is in a file tells nothing of what came after it.
#[test]
fn segments_that_are_removed_are_missed_though_no_checkpoint_is() {
    let dir = dir();
    let mut store = open(dir.path());
    append(&mut store, 1..=512);
    drop(store);
    let sealed = [CHECKPOINT, CHECKPOINTS].map(|name| dir.path().join(name));
    let kept = sealed.each_ref().map(|path| fs::read(path).unwrap());
    let mut store = open(dir.path());
    append(&mut store, 513..=600);
    drop(store);
    for (path, bytes) in sealed.iter().zip(kept) {
        fs::write(path, bytes).unwrap();
    }
    has(dir.path(), 1..=600);
    for segment in paths::segments(dir.path()).unwrap() {
        fs::remove_file(segment.1).unwrap();
    }
    for _ in 0..2 {
        let found = verified(dir.path()).unwrap_err();
        assert!(
            found.entry == 513 && matches!(found.what, Flaw::NoSegment),
            "{found}"
        );
        let refused = try_open(dir.path(), 1);
        assert!(
            matches!(refused, Err(OpenError::Broken { entry: 513, .. })),
            "{refused:?}"
        );
        let _ = fs::remove_dir(paths::wal(dir.path()));
    }
}

/// One who has the key can write what they like from then on, but not against what was written.
#[test]
fn whoever_has_the_key_cant_date_an_entry_back() {
    let dir = written(300, 1 << 20);
    let leaf = r#"{"at":"2020-01-01T00:00:00.000000Z","kind":"lookup"}"#;
    let forged = forged(dir.path(), leaf, &signer());
    grow(&wal(dir.path()), &forged);
    let found = verified(dir.path()).unwrap_err();
    assert!(
        matches!(
            found,
            Violation {
                entry: 301,
                what: Flaw::BackDated,
                ..
            }
        ),
        "{found}"
    );
}

/// A key that has been taken out of the configuration signs nothing any more.
#[test]
fn a_checkpoint_of_an_earlier_key_counts_while_that_is_known() {
    let (dir, earlier) = (dir(), second());
    let known: Vec<String> = earlier
        .verifier_keys()
        .chain(signer().verifier_keys())
        .collect();
    let both = Keys::new(suite::ORIGIN, known).unwrap();
    let mut store = Files::open(dir.path(), 1 << 20, earlier, both.clone()).unwrap();
    append(&mut store, 1..=300);
    drop(store);
    let mut store = Files::open(dir.path(), 1 << 20, signer(), both.clone()).unwrap();
    append(&mut store, 301..=400);
    drop(store);
    assert_eq!(
        verify(dir.path(), Some(&both), |_| {}).unwrap().entries,
        400
    );
    let found = verified(dir.path()).unwrap_err();
    assert!(
        matches!(found.what, Flaw::Checkpoint(NoteError::Signature)),
        "{found}"
    );
    assert!(try_open(dir.path(), 1).is_err());
}

/// Two logs of one key: each is whole by itself.
#[test]
fn a_fork_shows_only_against_a_checkpoint_kept_elsewhere() {
    let shared = written(300, 1 << 20);
    let forks = [copy(shared.path()), copy(shared.path())];
    for (n, fork) in (0..).zip(&forks) {
        let mut store = open(fork.path());
        append(&mut store, 301 + n..=400 + n);
    }
    let [ours, theirs] = forks.each_ref().map(|fork| checkpoint(fork.path()));
    for fork in &forks {
        verified(fork.path()).unwrap();
    }
    let keys = keys();
    let asked = |kept, from| Asked {
        keys: Some(&keys),
        kept: Some(kept),
        from,
    };
    for from in [false, true] {
        verify_with(forks[0].path(), asked(&ours, from), |_| {}).unwrap();
        let found = verify_with(forks[0].path(), asked(&theirs, from), |_| {}).unwrap_err();
        assert!(matches!(found.what, Flaw::Rewritten { to: 400 }), "{found}");
    }
    let view = found(forks[0].path(), Some(&keys)).unwrap();
    let before = checkpoint(shared.path());
    assert_eq!(
        consistent(&view, Some(&keys), &before, &ours).unwrap(),
        (300, 400)
    );
    consistent(&view, Some(&keys), &before, &theirs).unwrap_err();
    consistent(&view, Some(&keys), &ours, &theirs).unwrap_err();
    consistent(&view, Some(&keys), &ours, &before).unwrap_err();
}

#[test]
fn a_rollback_of_everything_shows_only_against_a_checkpoint_kept_elsewhere() {
    let dir = written(300, 1 << 20);
    let earlier = copy(dir.path());
    let mut store = open(dir.path());
    append(&mut store, 301..=600);
    drop(store);
    let kept = checkpoint(dir.path());
    assert_eq!(verified(earlier.path()).unwrap().entries, 300);
    let keys = keys();
    let asked = Asked {
        keys: Some(&keys),
        kept: Some(&kept),
        from: true,
    };
    let found = verify_with(earlier.path(), asked, |_| {}).unwrap_err();
    assert!(matches!(found.what, Flaw::CutOff { size: 600 }), "{found}");
    assert_eq!(found.entry, 301);
}

/// A tree of more than one row of tiles.
fn tall() -> TempDir {
    let dir = dir();
    let mut store = Files::open(dir.path(), 64 << 20, signer(), keys()).unwrap();
    for n in 0..33_u64 {
        append(&mut store, n * 2000 + 1..=n * 2000 + 2000);
    }
    dir
}

/// Whoever writes the disk while a gateway runs can't have it tell a citizen of another entry.
#[test]
fn an_entry_that_is_forged_with_its_tiles_is_never_read() {
    let dir = tall();
    let [one, two] = [(), ()].map(|()| found(dir.path(), Some(&keys())).unwrap());
    let (forged, other) = (2 * 256 + 5, 3 * 256);
    let read = |view: &View, place: u64| {
        let mut found = Vec::new();
        let each = &mut |_, leaf: &[u8]| {
            found = leaf.to_vec();
            std::ops::ControlFlow::Continue(())
        };
        view.leaves(place..place + 1, each).map(|()| found)
    };
    let broken = |view: &View, file: &str| match read(view, forged) {
        Err(ReadError::Broken { place, what, .. }) => {
            assert_eq!((place.as_str(), matches!(what, Flaw::Hash)), (file, true));
        }
        other => panic!("{file}: {other:?}"),
    };
    change(dir.path(), 2, true, |all| alter(&mut all[5]));
    broken(&one, "tile/0/002");
    // And the tile above it.
    let hashes = leaves(dir.path(), 2);
    let hashes = hashes.iter().map(|leaf| record_hash(leaf)).collect();
    let path = paths::tile(dir.path(), 1, 0);
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    bad[64..96].copy_from_slice(&tail::root(hashes).0);
    fs::write(&path, bad).unwrap();
    broken(&two, "tile/1/000");
    assert!(two.since(Timestamp::UNIX_EPOCH).is_err());
    // What was proven stays so.
    broken(&one, "tile/0/002");
    assert!(!read(&one, other).unwrap().is_empty());
    // Once it is mended it is read again.
    fs::write(&path, good).unwrap();
    change(dir.path(), 2, true, |all| {
        let leaf = String::from_utf8(all[5].clone()).unwrap();
        all[5] = leaf.replace("refuse", "lookup").into_bytes();
    });
    for view in [&one, &two] {
        assert!(!read(view, forged).unwrap().is_empty());
    }
}

/// Nobody signed for the file that says what is gone.
#[test]
fn a_bundle_that_another_hand_removed_isnt_past_its_term_for_the_one_who_deletes() {
    let dir = dir();
    let mut store = open(dir.path());
    append(&mut store, 1..=600);
    while store.view.tail().sealed() < 512 {
        std::thread::yield_now();
    }
    fs::remove_file(paths::bundle(dir.path(), 0)).unwrap();
    fs::write(dir.path().join(paths::FIRST), "256\n").unwrap();
    let read = store
        .reader()
        .leaves(3..4, &mut |_, _| std::ops::ControlFlow::Continue(()));
    let missing = matches!(
        read,
        Err(ReadError::Broken {
            entry: 1,
            what: Flaw::Missing,
            ..
        })
    );
    assert!(missing, "{read:?}");
    let since = store.reader().since(Timestamp::UNIX_EPOCH);
    assert!(since.is_err(), "{since:?}");
}

#[test]
fn tiles_above_others_are_held_against_them() {
    let dir = tall();
    let mut store = open(dir.path());
    append(&mut store, 66_001..=66_001);
    drop(store);
    let path = paths::tile(dir.path(), 1, 0);
    let good = fs::read(&path).unwrap();
    assert_eq!(good.len(), 256 * 32);
    assert_eq!(verified(dir.path()).unwrap().entries, 66_001);
    let mut bad = good.clone();
    bad[32 * 7] ^= 1;
    fs::write(&path, bad).unwrap();
    let found = verified(dir.path()).unwrap_err();
    assert!(
        found.entry == 7 * 256 + 1 && matches!(found.what, Flaw::Hash),
        "{found}"
    );
    assert!(matches!(
        try_open(dir.path(), 1),
        Err(OpenError::Broken { .. })
    ));
    // A leaf and every tile above it.
    change(dir.path(), 2, true, |all| alter(&mut all[0]));
    let hashes: Vec<_> = leaves(dir.path(), 2)
        .iter()
        .map(|leaf| record_hash(leaf))
        .collect();
    let mut bad = good;
    bad[64..96].copy_from_slice(&tail::root(hashes).0);
    fs::write(&path, bad).unwrap();
    let found = verified(dir.path()).unwrap_err();
    assert!(
        matches!(found.what, Flaw::Rewritten { to: 2000 }),
        "{found}"
    );
}
