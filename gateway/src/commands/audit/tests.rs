use std::fs;
use std::path::Path;

use clap::Parser;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::audit::draft::Draft;
use crate::audit::store::Store;
use crate::audit::store::files::Files;
use crate::audit::store::suite::{keys, signer};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn ask(dir: &Path, words: &[&str]) -> (u8, String) {
    let key = signer().verifier_keys().next().unwrap();
    let dir = dir.to_str().unwrap();
    let given = ["audit", words[0], "--directory", dir, "--key", &key];
    let all = given.iter().chain(&words[1..]);
    let cli = Cli::try_parse_from(all).unwrap();
    let mut out = Vec::new();
    let code = run(&cli.args, &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

fn append(dir: &Path, entries: &[Value]) {
    let mut store = Files::open(dir, 1 << 20, signer(), keys()).unwrap();
    for entry in entries {
        store.append(&[Draft::of(entry).unwrap()]).unwrap();
    }
}

fn log() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let source = json!({
        "record": "address/1", "agency": "dukcapil", "outcome": "found", "reason": "complete",
        "elapsed_ms": 4, "grants": ["g-1"], "fields": ["street", "city"], "claims": [],
    });
    append(
        dir.path(),
        &[
            json!({ "kind": "lookup", "member": "mpp", "purpose": "tax", "case_id": "=1,\"2\"",
                "sources": [source, source] }),
            json!({ "kind": "read", "member": "mpp" }),
            json!({ "kind": "lookup", "member": "other", "purpose": "licence" }),
        ],
    );
    dir
}

#[test]
fn a_whole_log_is_told_with_its_checkpoint() {
    let dir = log();
    let (code, shown) = ask(dir.path(), &["verify"]);
    let (first, note) = shown.split_once("\n\n").unwrap();
    assert_eq!((code, first), (0, "3 entries are as they were written"));
    assert_eq!(keys().open(note.as_bytes()).unwrap().size(), 3);
    let (code, shown) = ask(dir.path(), &["verify", "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (code, &shown["schema"]),
        (0, &json!("loket.audit-verify/1"))
    );
    assert_eq!(
        (&shown["entries"], &shown["signed"]),
        (&json!(3), &json!(true))
    );
}

#[test]
fn the_first_entry_that_was_changed_is_named() {
    let dir = log();
    let kept = dir.path().join("kept");
    fs::copy(dir.path().join("checkpoint"), &kept).unwrap();
    append(dir.path(), &[json!({ "kind": "drain" })]);
    let newest = dir.path().join("checkpoint");
    let [kept, newest] = [&kept, &newest].map(|path| path.to_str().unwrap());
    let (code, shown) = ask(dir.path(), &["verify", "--consistent", kept, newest]);
    assert_eq!(
        (code, &*shown),
        (0, "the 3 entries are the first of the 4\n")
    );
    assert_eq!(ask(dir.path(), &["verify", "--from", kept]).0, 0);
    let wal = dir.path().join("wal/00000000000000000000.wal");
    let bytes = fs::read(&wal).unwrap();
    let mut altered = bytes.clone();
    let at = memchr::memmem::find(&bytes, b"licence").unwrap();
    altered[at] = b'L';
    fs::write(&wal, altered).unwrap();
    let (code, shown) = ask(dir.path(), &["verify"]);
    assert_eq!(code, BROKEN);
    assert!(shown.starts_with("entry 3 in wal/"), "{shown}");
    let (code, shown) = ask(dir.path(), &["verify", "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &shown["violation"]["entry"]), (BROKEN, &json!(3)));
    assert_eq!(ask(dir.path(), &["export"]).0, BROKEN);
    assert_eq!(ask(dir.path(), &["tail"]).0, BROKEN);
}

#[test]
fn entries_are_shown_and_exported_by_what_is_asked() {
    let dir = log();
    let entries = |words: &[&str]| {
        let (code, shown) = ask(dir.path(), words);
        assert_eq!(code, 0);
        let entries = shown.lines().map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["entry"].as_u64().unwrap()
        });
        entries.collect::<Vec<_>>()
    };
    assert_eq!(entries(&["tail"]), [1, 2, 3]);
    assert_eq!(entries(&["tail", "-n", "1"]), [3]);
    assert_eq!(entries(&["export"]), [1, 2, 3]);
    assert_eq!(entries(&["export", "--kind", "lookup"]), [1, 3]);
    assert_eq!(
        entries(&["export", "--kind", "lookup", "--member", "mpp"]),
        [1]
    );
    assert_eq!(entries(&["export", "--purpose", "licence"]), [3]);
    assert_eq!(
        entries(&["export", "--since", "2999-01-01T00:00:00Z"]),
        [0; 0]
    );
    assert_eq!(
        entries(&["export", "--until", "2000-01-01T00:00:00Z"]),
        [0; 0]
    );
    assert_eq!(
        entries(&["export", "--since", "2000-01-01T00:00:00Z"]),
        [1, 2, 3]
    );
    let (_, table) = ask(dir.path(), &["export", "--format", "csv"]);
    let rows: Vec<&str> = table.split_terminator("\r\n").collect();
    // One a source, and one for an entry without any.
    assert_eq!(rows.len(), 1 + 2 + 1 + 1);
    assert!(rows[0].starts_with("entry,at,kind,member,"), "{}", rows[0]);
    assert!(rows[1].contains(r#","'=1,""2""","#), "{}", rows[1]);
    assert!(rows[1].ends_with(",address/1,dukcapil,found,complete,4,g-1,street city,"));
}
