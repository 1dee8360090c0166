//! What a crash leaves, which is cut off, and bits that flip, which are noticed.

use super::*;

/// As if the process had died before it closed the log.
fn crashed(dir: &Path) {
    fs::remove_file(dir.join(paths::CHECKPOINT)).unwrap();
}

#[test]
fn a_tail_torn_anywhere_costs_only_the_last_batch() {
    let dir = dir();
    let mut store = open(dir.path());
    append(&mut store, 1..=2);
    let path = paths::segment(dir.path(), 0);
    let start = usize::try_from(path.metadata().unwrap().len()).unwrap();
    append(&mut store, 3..=5);
    drop(store);
    crashed(dir.path());
    let whole = fs::read(&path).unwrap();
    for cut in (start..whole.len()).step_by(5) {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(verified(dir.path()).unwrap().entries, 2, "{cut}");
        if (cut - start) % 100 == 0 {
            let mut store = open(dir.path());
            append(&mut store, 3..=3);
            drop(store);
            has(dir.path(), 1..=3);
            crashed(dir.path());
        }
    }
    // Blocks that the disk was promised and never got.
    let zeros = [&whole[..start], &vec![0; whole.len() - start]].concat();
    fs::write(&path, zeros).unwrap();
    drop(open(dir.path()));
    has(dir.path(), 1..=2);
}

/// A checkpoint that verifies is written after its leaves, so they were there.
#[test]
fn a_batch_that_was_whole_is_no_torn_tail() {
    let dir = written(3, 1 << 20);
    crashed(dir.path());
    let path = paths::segment(dir.path(), 0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[40] ^= 1;
    fs::write(&path, bytes).unwrap();
    let refused = try_open(dir.path(), 1);
    assert!(
        matches!(refused, Err(OpenError::Broken { entry: 1, .. })),
        "{refused:?}"
    );
}

#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    let dir = written(310, 1);
    has(dir.path(), 1..=310);
    for (name, _) in files(dir.path()) {
        if name == "lock" {
            continue;
        }
        let path = dir.path().join(&name);
        let whole = fs::read(&path).unwrap();
        let step = whole.len() / 12 + 1;
        for at in (0..whole.len()).step_by(step) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            match verified(dir.path()) {
                Err(_) => {}
                // Its head says when and where a file was compressed; of a segment, what is sealed is
                // read from bundles.
                Ok(_) if name.starts_with("tile/entries") && at < 10 => has(dir.path(), 1..=310),
                Ok(_) if name.starts_with("wal/") => has(dir.path(), 1..=310),
                Ok(_) => panic!("bit {} of byte {at} in {name}", at % 8),
            }
        }
        fs::write(&path, whole).unwrap();
    }
    has(dir.path(), 1..=310);
}
