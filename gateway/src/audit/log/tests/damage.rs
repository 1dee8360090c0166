//! Torn tails, which are cut off, and tampering, which is found.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::{dir, entry, lines, open, paths, segment, small_segments, written};
use crate::audit::log::chain::Members;
use crate::audit::log::{Chain, Log, OpenError};
use crate::audit::verify::{read, verify};

#[tokio::test]
async fn a_tail_torn_anywhere_costs_only_the_last_entry() {
    let (dir, receipts) = written(5).await;
    let last = paths(dir.path()).pop().unwrap();
    let whole = fs::read(&last).unwrap();
    let start = whole[..whole.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    for cut in start..whole.len() {
        fs::write(&last, &whole[..cut]).unwrap();
        let torn = (cut - start) as u64;
        assert_eq!(verify(dir.path(), |_| {}).unwrap().torn_bytes, torn);
        let (log, opened) = open(dir.path());
        assert_eq!((opened.entries, opened.torn_bytes), (4, torn));
        assert_eq!(opened.last_hash, receipts[3].hash);
        if cut % 50 == 0 {
            let again = log.record(&entry(5)).await.unwrap();
            assert_eq!(again.entry, 5);
        }
        drop(log);
        verify(dir.path(), |_| {}).unwrap();
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_noticed() {
    let (dir, _) = written(6).await;
    for path in paths(dir.path()) {
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            let noticed = verify(dir.path(), |_| {}).map_or(true, |found| found.torn_bytes > 0);
            assert!(noticed, "bit {} of byte {at} in {}", at % 8, path.display());
        }
        fs::write(&path, whole).unwrap();
    }
    verify(dir.path(), |_| {}).unwrap();
}

#[tokio::test]
async fn tampering_is_found_and_never_repaired() {
    // Ten entries, two in a segment.
    let (log, _) = written(10).await;
    assert_eq!(paths(log.path()).len(), 5);
    let check = |tamper: &dyn Fn(&Path), entry, what, by| {
        let dir = copy(log.path());
        tamper(dir.path());
        found(dir.path(), entry, what, by);
    };

    let swap = |line: &mut String| *line = line.replace("lookup", "report");
    check(
        &|dir| edit(dir, 1, |all| swap(&mut all[0])),
        3,
        "Altered",
        VERIFYING,
    );
    check(
        &|dir| edit(dir, 4, |all| swap(&mut all[1])),
        10,
        "Altered",
        BOTH,
    );
    // The end of the segment before the last is what the last one hangs on.
    check(
        &|dir| edit(dir, 3, |all| swap(&mut all[1])),
        8,
        "Altered",
        BOTH,
    );
    check(
        &|dir| edit(dir, 4, |all| all[1] = "hello".to_owned()),
        10,
        "Altered",
        BOTH,
    );
    check(
        &|dir| edit(dir, 4, |all| all.push(String::new())),
        11,
        "Altered",
        BOTH,
    );

    check(
        &|dir| edit(dir, 1, |all| drop(all.remove(0))),
        3,
        "OutOfPlace",
        VERIFYING,
    );
    check(
        &|dir| edit(dir, 4, |all| drop(all.remove(0))),
        9,
        "OutOfPlace",
        BOTH,
    );
    check(
        &|dir| edit(dir, 4, |all| all.swap(0, 1)),
        9,
        "OutOfPlace",
        BOTH,
    );
    check(
        &|dir| edit(dir, 1, |all| all.push(all[1].clone())),
        5,
        "OutOfPlace",
        VERIFYING,
    );
    check(
        &|dir| edit(dir, 1, |all| drop(all.pop())),
        4,
        "Gap",
        VERIFYING,
    );

    let early = "2001-01-01T00:00:00Z";
    let late = "2999-01-01T00:00:00Z";
    check(
        &|dir| edit(dir, 4, |all| all[1] = forge(&all[0], early)),
        10,
        "BackDated",
        BOTH,
    );
    // Rewritten with the right hash, it shows at the next one.
    let before = lines(&paths(log.path())[0]).pop().unwrap();
    check(
        &|dir| edit(dir, 1, |all| all[0] = forge(&before, late)),
        4,
        "Unchained",
        VERIFYING,
    );

    check(&|dir| cut_off(&paths(dir)[2], 9), 6, "CutOff", VERIFYING);
    check(&|dir| cut_off(&paths(dir)[3], 9), 8, "CutOff", BOTH);

    check(
        &|dir| fs::remove_file(&paths(dir)[0]).unwrap(),
        1,
        "Gap",
        VERIFYING,
    );
    check(
        &|dir| fs::remove_file(&paths(dir)[1]).unwrap(),
        3,
        "Gap",
        VERIFYING,
    );
    check(
        &|dir| fs::remove_file(&paths(dir)[3]).unwrap(),
        7,
        "Gap",
        BOTH,
    );
    check(
        &|dir| fs::rename(&paths(dir)[4], segment(dir, 77)).unwrap(),
        9,
        "Gap",
        BOTH,
    );
    check(
        &|dir| fs::write(segment(dir, u64::MAX), "x\n").unwrap(),
        11,
        "Gap",
        BOTH,
    );
}

/// Opening verifies the last segment, and what it hangs on.
const BOTH: bool = true;
const VERIFYING: bool = false;

fn found(dir: &Path, entry: u64, what: &str, by: bool) {
    let violation = verify(dir, |_| {}).unwrap_err();
    assert_eq!(violation.entry, entry, "{violation}");
    let found = format!("{:?}", violation.what);
    assert!(found.starts_with(what), "{violation}");
    assert_eq!(read(dir).filter(Result::is_ok).count() as u64, entry - 1);
    let contents = || {
        paths(dir)
            .iter()
            .map(|path| fs::read(path).unwrap())
            .collect::<Vec<_>>()
    };
    let before = contents();
    match Log::open(dir, small_segments()) {
        Ok(_) => assert_eq!(by, VERIFYING, "{violation}"),
        Err(OpenError::Broken { .. }) => assert_eq!(by, BOTH, "{violation}"),
        Err(other) => panic!("{violation}: {other}"),
    }
    assert!(before == contents(), "{violation}: opening changed the log");
}

fn copy(log: &Path) -> TempDir {
    let dir = dir();
    for path in paths(log) {
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    dir
}

fn edit(dir: &Path, segment: usize, change: impl FnOnce(&mut Vec<String>)) {
    let path = &paths(dir)[segment];
    let mut all = lines(path);
    change(&mut all);
    let text: String = all.iter().map(|line| format!("{line}\n")).collect();
    fs::write(path, text).unwrap();
}

fn cut_off(path: &Path, bytes: usize) {
    let whole = fs::read(path).unwrap();
    fs::write(path, &whole[..whole.len() - bytes]).unwrap();
}

/// Writes a line as the log would have, after `before`.
fn forge(before: &str, at: &str) -> String {
    let mut chain = Chain::ending_in(before.as_bytes()).unwrap();
    chain.at = None;
    let mut line = Vec::new();
    let members = Members::of(&json!({ "case_id": "forged" })).unwrap();
    chain.append(at.parse().unwrap(), &members, &mut line);
    String::from_utf8(line).unwrap().trim_end().to_owned()
}
