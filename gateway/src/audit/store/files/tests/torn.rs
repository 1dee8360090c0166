//! What a crash leaves, which is cut off, and bits that flip, which are noticed.

use super::*;

/// As if the process had died before it closed the log.
fn crashed(dir: &Path) {
    fs::remove_file(dir.join(paths::CHECKPOINT)).unwrap();
}

/// The batches of a segment that is written to.
fn without_room(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
    bytes.truncate(end);
    bytes
}

/// As it is when the power goes.
#[test]
fn room_for_more_is_no_entry_and_goes_with_the_one_who_wrote() {
    let dir = dir();
    let mut store = open(dir.path());
    append(&mut store, 1..=5);
    let path = paths::segment(dir.path(), 0);
    let (batches, alive) = (without_room(&path), fs::read(&path).unwrap());
    assert!(alive.len() > 2 * batches.len());
    has(dir.path(), 1..=5);
    drop(store);
    assert_eq!(fs::read(&path).unwrap(), batches);
    fs::write(&path, alive).unwrap();
    let mut store = open(dir.path());
    append(&mut store, 6..=6);
    // And where there is less of it than a batch takes.
    fs::write(&path, without_room(&path)).unwrap();
    store.append(&[draft(7)]).unwrap_err();
    store.recover().unwrap();
    append(&mut store, 7..=9);
    drop(store);
    has(dir.path(), 1..=9);
}

/// A disk writes sectors in any order.
#[test]
fn a_batch_of_which_any_sector_is_missing_is_torn_and_one_that_is_altered_isnt() {
    let dir = dir();
    let mut store = open(dir.path());
    append(&mut store, 1..=2);
    let path = paths::segment(dir.path(), 0);
    let start = without_room(&path).len();
    append(&mut store, 3..=30);
    let mut whole = fs::read(&path).unwrap();
    let end = without_room(&path).len();
    drop(store);
    crashed(dir.path());
    assert!(end - start > 4 * 512);
    for sector in start / 512..end.div_ceil(512) {
        let gone = start.max(sector * 512)..end.min((sector + 1) * 512);
        let kept = whole[gone.clone()].to_vec();
        whole[gone.clone()].fill(0);
        fs::write(&path, &whole).unwrap();
        assert_eq!(verified(dir.path()).unwrap().entries, 2, "{gone:?}");
        let mut store = open(dir.path());
        append(&mut store, 3..=3);
        drop(store);
        has(dir.path(), 1..=3);
        crashed(dir.path());
        // One bit of it is another's doing.
        whole[gone.clone()].copy_from_slice(&kept);
        whole[gone.start + gone.len() / 2] ^= 1;
        fs::write(&path, &whole).unwrap();
        let told = verified(dir.path());
        let in_note = gone.end > end - 100;
        assert!(in_note || told.is_err(), "{gone:?}: {told:?}");
        whole[gone].copy_from_slice(&kept);
    }
    fs::write(&path, &whole).unwrap();
    has(dir.path(), 1..=30);
}

#[test]
fn a_tail_torn_anywhere_costs_only_the_last_batch() {
    let dir = dir();
    let mut store = open(dir.path());
    append(&mut store, 1..=2);
    let path = paths::segment(dir.path(), 0);
    let start = without_room(&path).len();
    append(&mut store, 3..=5);
    drop(store);
    crashed(dir.path());
    let whole = fs::read(&path).unwrap();
    for cut in (start..whole.len()).step_by(5) {
        fs::write(&path, &whole[..cut]).unwrap();
        assert_eq!(verified(dir.path()).unwrap().entries, 2, "{cut}");
        if (cut - start).is_multiple_of(100) {
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
