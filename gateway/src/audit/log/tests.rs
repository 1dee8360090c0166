mod damage;
mod faults;

use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::chain::Members;
use super::{AuditError, Chain, Flaw, Log, OpenError, Opened, Options, Receipt, segments};
use crate::audit::verify::{read, verify};

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn small_segments() -> Options {
    Options {
        segment_bytes: 400,
        ..Options::default()
    }
}

fn entry(n: u64) -> Value {
    json!({ "kind": "lookup", "case_id": format!("c-{n}"), "fields": ["name", "born"] })
}

fn open(dir: &Path) -> (Log, Opened) {
    Log::open(dir, small_segments()).unwrap()
}

/// A log of `entries` entries in small segments, closed.
async fn written(entries: u64) -> (TempDir, Vec<Receipt>) {
    let dir = dir();
    let (log, _) = open(dir.path());
    let mut receipts = Vec::new();
    for n in 1..=entries {
        receipts.push(log.record(&entry(n)).await.unwrap());
    }
    log.close().await;
    (dir, receipts)
}

fn paths(dir: &Path) -> Vec<PathBuf> {
    let found = segments(dir).unwrap();
    found.into_iter().map(|(_, path)| path).collect()
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn segment(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

/// The case ids of the whole, verified log.
fn cases(dir: &Path) -> Vec<String> {
    let case = |json: Result<String, _>| {
        let value: Value = serde_json::from_str(&json.unwrap()).unwrap();
        value["case_id"].as_str().unwrap().to_owned()
    };
    read(dir).map(case).collect()
}

fn numbered(entries: std::ops::RangeInclusive<u64>) -> Vec<String> {
    entries.map(|n| format!("c-{n}")).collect()
}

#[tokio::test]
async fn an_entry_is_a_line_for_grep_and_jq() {
    let (dir, receipts) = written(1).await;
    let line = lines(&paths(dir.path())[0]).remove(0);
    let Receipt { entry, at, .. } = receipts[0];
    let zeros = "0".repeat(64);
    let (hash, json) = line.split_once(' ').unwrap();
    assert_eq!(hash, receipts[0].hash_hex());
    assert_eq!(
        json,
        format!(
            r#"{{"entry":{entry},"prev":"{zeros}","at":"{at:.6}","case_id":"c-1","fields":["name","born"],"kind":"lookup"}}"#
        )
    );
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&paths(dir.path())[0]), 0o600);
    let below = dir.path().join("a/b");
    drop(open(&below));
    assert_eq!(mode(&below), 0o700);
}

#[tokio::test]
async fn many_tasks_may_record_at_once() {
    let dir = dir();
    let (log, _) = open(dir.path());
    let tasks = (1..=100).map(|n| {
        let log = log.clone();
        tokio::spawn(async move { log.record(&entry(n)).await.unwrap().entry })
    });
    let entries: BTreeSet<_> = join_all(tasks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(entries, (1..=100).collect());
    assert_eq!(verify(dir.path(), |_| {}).unwrap().entries, 100);
}

#[tokio::test]
async fn reopening_continues_the_chain_across_segments() {
    let dir = dir();
    let mut last = [0; 32];
    for n in 1..=9 {
        let (log, opened) = open(dir.path());
        assert_eq!((opened.entries, opened.last_hash), (n - 1, last));
        last = log.record(&entry(n)).await.unwrap().hash;
        assert_eq!(log.health().entries, n);
    }
    let verified = verify(dir.path(), |_| {}).unwrap();
    assert_eq!((verified.entries, verified.first), (9, 1));
    assert_eq!((verified.last_hash, verified.torn_bytes), (last, 0));
    assert!(verified.segments > 2, "{verified:?}");
    assert_eq!(cases(dir.path()), numbered(1..=9));
}

#[tokio::test]
async fn opening_replays_the_last_segment_or_since_a_moment() {
    let (dir, receipts) = written(9).await;
    let replayed = |replay_from| {
        let mut seen = Vec::new();
        let options = Options {
            replay_from,
            ..small_segments()
        };
        Log::open_with(dir.path(), options, &mut |json| seen.push(json.to_owned())).unwrap();
        seen.len()
    };
    let last = paths(dir.path()).pop().unwrap();
    assert_eq!(replayed(None), lines(&last).len());
    assert_eq!(replayed(Some(receipts[0].at)), 9);
    assert!(replayed(Some(receipts[4].at)) >= 5);
    // A segment begun and not written to doesn't hide the one before it.
    File::create(segment(dir.path(), 10)).unwrap();
    assert_eq!(replayed(None), lines(&last).len());
}

#[tokio::test]
async fn only_one_may_have_it_open() {
    let dir = dir();
    let (log, _) = open(dir.path());
    let second = Log::open(dir.path(), Options::default());
    assert!(matches!(second, Err(OpenError::Locked { .. })));
    log.close().await;
    open(dir.path());
}

#[tokio::test]
async fn closing_and_dropping_drain() {
    let dir = dir();
    let (log, _) = open(dir.path());
    for n in 1..=50 {
        log.record_detached(&entry(n));
    }
    let clone = log.clone();
    tokio::join!(log.close(), clone.close());
    assert_eq!(log.record(&entry(99)).await, Err(AuditError::Closed));
    log.record_detached(&entry(99));
    let health = log.health();
    assert!(!health.writable);
    assert_eq!((health.entries, health.lost), (50, 1));
    let (log, _) = open(dir.path());
    for n in 51..=80 {
        log.record_detached(&entry(n));
    }
    drop(log);
    assert_eq!(cases(dir.path()), numbered(1..=80));
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_held() {
    let dir = dir();
    let future = Timestamp::now() + SignedDuration::from_hours(24);
    let mut line = Vec::new();
    let members = Members::of(&entry(1)).unwrap();
    let before = Chain::default().append(future, &members, &mut line);
    fs::write(segment(dir.path(), 1), line).unwrap();
    let (log, _) = open(dir.path());
    let from = Timestamp::now();
    assert_eq!(log.record(&entry(2)).await.unwrap().at, before.at);
    log.close().await;
    verify(dir.path(), |_| {}).unwrap();
    // What the clock says is there too, where it isn't what the entry is dated.
    let entries = read(dir.path()).map(|json| serde_json::from_str(&json.unwrap()).unwrap());
    let entries: Vec<Value> = entries.collect();
    assert!(entries[0].get("clock").is_none());
    let clock: Timestamp = entries[1]["clock"].as_str().unwrap().parse().unwrap();
    let tolerance = SignedDuration::from_secs(60);
    assert!(clock.duration_since(from).abs() < tolerance, "{clock}");
}

#[tokio::test]
async fn what_is_not_an_entry_is_refused() {
    let dir = dir();
    let (log, _) = open(dir.path());
    for not in [
        json!(null),
        json!("text"),
        json!([1]),
        json!({ "entry": 1 }),
        json!({ "prev": null }),
        json!({ "a": 1, "at": "now" }),
        json!({ "clock": "then" }),
    ] {
        let refused = log.record(&not).await;
        assert!(matches!(refused, Err(AuditError::Invalid(_))), "{not}");
    }
    for hidden in [r#"{"\u0061t": 1}"#, " { \"prev\" : 1 }"] {
        let raw = serde_json::value::RawValue::from_string(hidden.trim().to_owned()).unwrap();
        let refused = log.record(&raw).await;
        assert!(matches!(refused, Err(AuditError::Invalid(_))), "{hidden}");
    }
    for odd in [
        "{}",
        r#"{"a": "at", "b": ["\u0061t"]}"#,
        "{ }",
        "{\n \"a\": \"\\n\",\r\n \"ü\": {\"entry\": 1}\n}",
    ] {
        let raw = serde_json::value::RawValue::from_string(odd.to_owned()).unwrap();
        log.record(&raw).await.unwrap();
    }
    log.close().await;
    assert_eq!(verify(dir.path(), |_| {}).unwrap().entries, 4);
    for json in read(dir.path()) {
        serde_json::from_str::<Value>(&json.unwrap()).unwrap();
    }
}

#[test]
fn an_unreadable_log_is_no_broken_entry() {
    let dir = dir();
    let missing = verify(&dir.path().join("none"), |_| {}).unwrap_err();
    assert!(matches!(missing.what, Flaw::Unreadable(_)));
    let empty = verify(dir.path(), |_| {}).unwrap();
    assert_eq!((empty.entries, empty.first, empty.segments), (0, 0, 0));
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = Log::open(&file, Options::default());
    assert!(matches!(refused, Err(OpenError::Io { .. })));
}
