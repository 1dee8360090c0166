//! What a durable entry costs at several concurrencies, how much room it takes, and how fast a log is
//! verified.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that can't run should stop, and shows what it measured"
)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use divan::Bencher;
use divan::counter::ItemsCount;
use futures_util::future::try_join_all;
use loket_gateway::audit::log::{Log, Options};
use loket_gateway::audit::store::files::Files;
use loket_gateway::audit::verify::verify;
use loket_gateway::checkpoint::{Keys, Signer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::time::MissedTickBehavior;

const ORIGIN: &str = "loket.example/audit";

/// RFC 8410 section 10.3.
const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

/// `MILLION=1` writes and verifies a million instead of measuring what follows; `SUSTAINED=60` writes at
/// `RATE` (5,000) a second for as many seconds, however long each takes.
fn main() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse().ok())
    };
    if std::env::var_os("MILLION").is_some() {
        million();
    } else if let Some(seconds) = number("SUSTAINED") {
        sustained(seconds, number("RATE").unwrap_or(5000));
    } else {
        divan::main();
    }
}

fn million() {
    const ENTRIES: u64 = 1_000_000;
    let (runtime, dir) = surroundings();
    let began = Instant::now();
    fill(&runtime, dir.path(), ENTRIES);
    let took = began.elapsed();
    let rate = ENTRIES as f64 / took.as_secs_f64();
    println!("{ENTRIES} entries written in {took:.1?}: {rate:.0} a second");
    let bytes = size(dir.path());
    println!("{} bytes on disk an entry", bytes / ENTRIES);
    let began = Instant::now();
    let verified = verify(dir.path(), Some(&keys()), |_| {}).expect("a whole log");
    println!("{} verified in {:.2?}", verified.entries, began.elapsed());
    let began = Instant::now();
    drop(log(dir.path()));
    println!("opened in {:.2?}", began.elapsed());
}

fn sustained(seconds: u64, rate: u64) {
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = Builder::new_current_thread().enable_time().build();
    let mut took = runtime.expect("a runtime").block_on(async {
        let log = log(dir.path());
        let mut due = tokio::time::interval(Duration::from_millis(1));
        due.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut all = Vec::new();
        for tick in 0..seconds * 1000 {
            let due = due.tick().await;
            let numbers = tick * rate / 1000..(tick + 1) * rate / 1000;
            all.extend(numbers.map(|n| {
                let recorded = log.record(&entry(n));
                tokio::spawn(async move {
                    recorded.await.expect("a disk");
                    due.elapsed()
                })
            }));
        }
        try_join_all(all).await.expect("no panic")
    });
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 1000];
    let (p50, p99, p999) = (at(500), at(990), at(999));
    println!(
        "{} entries in {seconds} s; p50 {p50:.2?}, p99 {p99:.2?}, p99.9 {p999:.2?}",
        took.len()
    );
    let used = fs::read_to_string("/proc/self/stat").expect("this process");
    let ticks: u64 = used
        .split(' ')
        .skip(13)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    println!(
        "{} us CPU an entry, made and written",
        ticks * 10_000 / took.len() as u64
    );
}

fn size(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let files = fs::read_dir(dir).expect("a directory");
    let sizes = files.map(|file| {
        let file = file.expect("a file").path();
        let found = file.metadata().expect("a file");
        let within = if file.is_dir() { size(&file) } else { 0 };
        within + found.blocks() * 512
    });
    sizes.sum()
}

/// Appends `concurrency` entries and waits until all are durable.
#[divan::bench(args = [1, 32, 256])]
fn record(bencher: Bencher<'_, '_>, concurrency: usize) {
    let (runtime, dir) = surroundings();
    let log = log(dir.path());
    let mut next = 0;
    bencher
        .counter(ItemsCount::new(concurrency))
        .bench_local(|| {
            let all = (0..concurrency).map(|_| {
                next += 1;
                log.record(&entry(next))
            });
            runtime.block_on(try_join_all(all)).expect("a disk")
        });
}

#[divan::bench(sample_count = 10)]
fn verify_100_000(bencher: Bencher<'_, '_>) {
    const VERIFIED: u64 = 100_000;
    let (runtime, dir) = surroundings();
    fill(&runtime, dir.path(), VERIFIED);
    let keys = keys();
    bencher
        .counter(ItemsCount::new(VERIFIED))
        .bench_local(|| verify(dir.path(), Some(&keys), |_| {}).expect("a whole log"));
}

fn surroundings() -> (Runtime, TempDir) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    (runtime, tempfile::tempdir().expect("a directory"))
}

fn signer() -> Signer {
    Signer::new(ORIGIN, [KEY]).expect("a key")
}

fn keys() -> Keys {
    Keys::new(ORIGIN, signer().verifier_keys()).expect("a key")
}

fn log(dir: &Path) -> Log {
    let store = Files::open(dir, 64 << 20, signer(), keys()).expect("a whole log");
    Log::start(Box::new(store), Options::default()).expect("a thread")
}

fn fill(runtime: &Runtime, dir: &Path, entries: u64) {
    let log = log(dir);
    for first in (0..entries).step_by(500) {
        let all = (first..first + 500).map(|n| log.record(&entry(n)));
        runtime.block_on(try_join_all(all)).expect("a disk");
    }
}

/// About 600 bytes, as a lookup of two records leaves behind. What differs from one to the next can't
/// be compressed.
fn entry(n: u64) -> Value {
    let hash = |salt: u64| {
        let mut hex = String::new();
        let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt;
        while hex.len() < 64 {
            state ^= state << 13;
            state ^= state >> 7;
            state = (state ^ (state << 17)).wrapping_add(salt);
            hex.push_str(&format!("{state:016x}"));
        }
        hex
    };
    let (trace, request) = (hash(1), hash(2));
    json!({
        "kind": "lookup",
        "trace_id": trace[..32],
        "request_id": format!("0192f0c1-{}-7b3c-{}-{}", &request[..4], &request[4..8], &request[8..20]),
        "case_id": format!("2026-{:06}", n % 1_000_000),
        "purpose": "residence-registration",
        "legal_basis": { "kind": "statute", "reference": "example act, section 4" },
        "member": "mall-north", "system": "counter", "clerk": format!("c-{:04}", n % 97), "counter": "n-07",
        "subject_ref": hash(3),
        "sources": [
            { "record": "person-identity/1", "grant": "g-17", "fields": ["name", "born"],
              "outcome": "found", "reason": "complete", "elapsed_ms": n % 89 },
            { "record": "address/1", "grant": "g-18", "fields": ["street"],
              "outcome": "timed_out", "reason": "no_answer_yet", "elapsed_ms": 3000 },
        ],
    })
}
