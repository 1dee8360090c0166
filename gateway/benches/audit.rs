//! What a durable entry costs at several concurrencies, and how fast a log is verified.

#![expect(clippy::expect_used, reason = "a benchmark that can't run should stop")]

use std::path::Path;

use divan::Bencher;
use divan::counter::ItemsCount;
use futures_util::future::try_join_all;
use loket_gateway::audit::log::{Log, Options};
use loket_gateway::audit::verify::verify;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const VERIFIED: usize = 100_000;

fn main() {
    divan::main();
}

/// Appends `concurrency` entries and waits until all are durable.
#[divan::bench(args = [1, 32, 256])]
fn record(bencher: Bencher<'_, '_>, concurrency: usize) {
    let (runtime, dir) = surroundings();
    let (log, _) = Log::open(dir.path(), Options::default()).expect("a new log");
    let entry = entry();
    bencher
        .counter(ItemsCount::new(concurrency))
        .bench_local(|| {
            let all = (0..concurrency).map(|_| log.record(&entry));
            runtime.block_on(try_join_all(all)).expect("a disk")
        });
}

#[divan::bench(sample_count = 10)]
fn verify_100_000(bencher: Bencher<'_, '_>) {
    let (runtime, dir) = surroundings();
    fill(&runtime, dir.path());
    bencher
        .counter(ItemsCount::new(VERIFIED))
        .bench_local(|| verify(dir.path(), |_| {}).expect("a whole log"));
}

fn surroundings() -> (Runtime, TempDir) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    (runtime, tempfile::tempdir().expect("a directory"))
}

fn fill(runtime: &Runtime, dir: &Path) {
    let (log, _) = Log::open(dir, Options::default()).expect("a new log");
    let entry = entry();
    for _ in 0..VERIFIED / 1000 {
        let all = (0..1000).map(|_| log.record(&entry));
        runtime.block_on(try_join_all(all)).expect("a disk");
    }
}

/// About 600 bytes, as a lookup of two records leaves behind.
fn entry() -> Value {
    json!({
        "kind": "lookup",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "request_id": "0192f0c1-7e5a-7b3c-9d21-5f0a6c1e2b34",
        "case_id": "2026-000123",
        "purpose": "residence-registration",
        "legal_basis": { "kind": "statute", "reference": "example act, section 4" },
        "member": "mall-north", "system": "counter", "clerk": "c-0042", "counter": "n-07",
        "subject_ref": "b1946ac92492d2347c6235b4d2611184f2ca1bb6c7e907d06dafe4687e579fce",
        "sources": [
            { "record": "person-identity/1", "grant": "g-17", "fields": ["name", "born"],
              "outcome": "found", "reason": "complete", "elapsed_ms": 41 },
            { "record": "address/1", "grant": "g-18", "fields": ["street"],
              "outcome": "timed_out", "reason": "no_answer_yet", "elapsed_ms": 3000 },
        ],
    })
}
