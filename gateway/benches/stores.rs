//! What an entry costs in each store of the audit log, at several sizes of a batch: entries a second, and
//! CPU of this process and of the database. Needs PostgreSQL 15.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a benchmark that can't run should stop, and says what it found"
)]

#[path = "../tests/postgres/database.rs"]
#[allow(dead_code, unreachable_pub, reason = "others use the rest")]
mod database;

use std::fs;
use std::time::{Duration, Instant};

use loket_gateway::audit::draft::Draft;
use loket_gateway::audit::store::postgres::SCHEMA;
use loket_gateway::audit::store::suite::{keys, signer};
use loket_gateway::audit::store::{Files, Memory, Postgres, Store};
use loket_gateway::config;
use serde_json::json;

use database::Database;

const TIME: Duration = Duration::from_secs(3);
/// Of `/proc`, on every Linux that Loket runs on.
const TICKS_A_SECOND: u64 = 100;

fn main() {
    let database = Database::start(SCHEMA);
    let settings = config::Database::behind(&database.socket(), "audit", "gateway");
    let dir = tempfile::tempdir().expect("a directory");
    let mut stores: Vec<(&str, Box<dyn Store>)> = vec![
        ("memory", Box::new(Memory::new(signer()))),
        (
            "files",
            Box::new(Files::open(dir.path(), 64 << 20, signer(), keys()).expect("a new log")),
        ),
        (
            "postgres",
            Box::new(Postgres::open(&settings, signer(), keys()).expect("a new log")),
        ),
    ];
    println!("store     batch  ms a batch  entries/s  CPU us an entry: ours  database's");
    for (name, store) in &mut stores {
        for size in [1, 32, 256] {
            measure(name, &mut **store, size);
        }
    }
    let (_, postgres) = stores.last().expect("it was put there");
    let reader = postgres.reader();
    let total = postgres.head().tree.size();
    let began = Instant::now();
    for number in 1..=200 {
        let entry = 1 + number * 7919 % total;
        loket_gateway::audit::proof::evidence(&*reader, entry, None).expect("a whole log");
    }
    let each = began.elapsed() / 200;
    println!("a proof among {total} entries of the database: {each:?}");
}

fn measure(name: &str, store: &mut dyn Store, size: usize) {
    let drafts: Vec<Draft> = (0..size)
        .map(|_| Draft::of(&entry()).expect("an entry"))
        .collect();
    store.append(&drafts).expect("it is written");
    let (ours, theirs) = (ticks("self"), database_ticks());
    let began = Instant::now();
    let mut batches = 0_u32;
    while began.elapsed() < TIME {
        store.append(&drafts).expect("it is written");
        batches += 1;
    }
    let took = began.elapsed();
    let entries = f64::from(batches) * f64::from(u32::try_from(size).expect("a few"));
    let micros =
        |ticks: u64| Duration::from_millis(ticks * 1000 / TICKS_A_SECOND).as_secs_f64() * 1e6;
    println!(
        "{name:8}  {size:5}  {:10.3}  {:9.0}  {:21.1}  {:10.1}",
        took.as_secs_f64() * 1e3 / f64::from(batches),
        entries / took.as_secs_f64(),
        micros(ticks("self") - ours) / entries,
        micros(database_ticks().saturating_sub(theirs)) / entries,
    );
}

/// User and system time of a process.
fn ticks(process: &str) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse().unwrap_or(0)).sum()
}

fn database_ticks() -> u64 {
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    let ids = processes.filter_map(|process| process.file_name().into_string().ok());
    let is_postgres = |id: &String| {
        fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.trim() == "postgres")
    };
    ids.filter(is_postgres).map(|id| ticks(&id)).sum()
}

/// As a lookup of two records leaves behind.
fn entry() -> serde_json::Value {
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
            { "record": "person-identity/1", "grants": ["g-17"], "fields": ["name", "born"],
              "outcome": "found", "reason": "complete", "elapsed_ms": 41 },
            { "record": "address/1", "grants": ["g-18"], "fields": ["street"],
              "outcome": "timed_out", "reason": "no_answer_yet", "elapsed_ms": 3000 },
        ],
    })
}
