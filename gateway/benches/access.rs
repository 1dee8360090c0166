//! How long a citizen's entries take to find: in an index over as many entries as a busy gateway writes
//! in five years (`ENTRIES`, 50 million), whose log is made up as it is read, and in a real log in files
//! beside it (`REAL`, 50 thousand), where each entry that is found is read and compared with its hash.

#![expect(clippy::expect_used, reason = "a benchmark that can't run should stop")]
#![expect(clippy::print_stdout, reason = "a benchmark tells what it measured")]

use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use loket_gateway::audit::draft::Draft;
use loket_gateway::audit::index::Index;
use loket_gateway::audit::reads::Caller;
use loket_gateway::audit::store::{Each, Files, ReadError, Reader, Signed, Store};
use loket_gateway::audit::subject_key;
use loket_gateway::checkpoint::{Keys, Signer};
use serde_json::json;
use tlog_tiles::tlog::Hash;

/// Every so many entries one is of the same citizen: 500 in all of the made-up log.
const APART: u64 = 100_000;

fn main() {
    let number = |name: &str, default: u64| {
        let value = std::env::var(name).ok();
        value.map_or(default, |value| value.parse().expect("a number"))
    };
    made_up(number("ENTRIES", 50_000_000));
    real(number("REAL", 50_000));
}

fn made_up(size: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let key = subject_key(b"of subjects");
    let index = Index::new(directory.path().to_owned(), Arc::new(MadeUp { size }), &key);
    let began = Instant::now();
    index.catch_up(&Caller::default()).expect("a log");
    let built = began.elapsed();
    println!(
        "{size} entries, {} runs, built in {built:.1?}",
        index.runs()
    );
    again(&format!("{size} made up"), &index, &reference(u64::MAX));
    again("nobody's", &index, &reference(u64::MAX - 1));
    let again = Index::new(directory.path().to_owned(), Arc::new(MadeUp { size }), &key);
    let began = Instant::now();
    again.catch_up(&Caller::default()).expect("a log");
    println!("read through at a start: {:.1?}", began.elapsed());
}

fn real(size: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let signer = Signer::new("loket.example/audit", [KEY]).expect("a key");
    let keys = Keys::new("loket.example/audit", signer.verifier_keys()).expect("keys");
    let log = directory.path().join("log");
    let mut store = Files::open(&log, 64 << 20, signer, keys).expect("a log");
    let drafts: Vec<Draft> = (0..size)
        .map(|n| {
            let subject = if n % 100 == 0 { u64::MAX } else { n };
            Draft::of(&json!({
                "kind": "lookup", "trace_id": format!("{n:032x}"), "member": "dpmptsp-3510",
                "subject_ref": reference(subject),
                "sources": [{"record": "person-identity/1", "agency": "dukcapil",
                    "fields": ["x".repeat(500)], "outcome": "found", "reason": "complete"}],
            }))
            .expect("an entry")
        })
        .collect();
    for drafts in drafts.chunks(1000) {
        store.append(drafts).expect("a disk");
    }
    let key = subject_key(b"of subjects");
    let index = Index::new(directory.path().join("index"), store.reader(), &key);
    index.catch_up(&Caller::default()).expect("a log");
    again(&format!("{size} in files"), &index, &reference(u64::MAX));
}

fn again(what: &str, index: &Index, reference: &str) {
    let references = [reference.to_owned()];
    let mut times: Vec<_> = (0..5)
        .map(|_| {
            let began = Instant::now();
            let found = index.of_subject(&references, 0..u64::MAX, 501, &Caller::default());
            (began.elapsed(), found.expect("a log").len())
        })
        .collect();
    let first = times[0].0;
    times.sort_unstable();
    let (median, found) = times[2];
    println!("{what}: {found} found, first {first:.1?}, median {median:.1?}");
}

const KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";

/// Spread as an HMAC is.
fn mixed(n: u64) -> u64 {
    let n = (n ^ (n >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n ^ (n >> 31)
}

fn reference(n: u64) -> String {
    format!("{:016x}", mixed(n)).repeat(4)
}

/// A log whose entries are made when they are read.
#[derive(Debug)]
struct MadeUp {
    size: u64,
}

impl Reader for MadeUp {
    fn checkpoint(&self) -> Result<Signed, ReadError> {
        Ok(Signed {
            size: self.size,
            root: Hash([0; 32]),
            note: Arc::default(),
        })
    }

    fn hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, ReadError> {
        Ok(indexes.iter().map(|_| Hash([0; 32])).collect())
    }

    fn leaves(&self, places: Range<u64>, each: &mut Each<'_>) -> Result<(), ReadError> {
        const BEGIN: &str = r#"{"at":"2026-11-24T03:30:00.123456Z","subject_ref":""#;
        let mut leaf = format!(r#"{BEGIN}{}"}}"#, reference(0)).into_bytes();
        for place in places {
            let subject = match place % APART {
                0 => u64::MAX,
                _ => place,
            };
            let digits = mixed(subject).to_be_bytes();
            for (at, letter) in leaf[BEGIN.len()..BEGIN.len() + 64].iter_mut().enumerate() {
                let byte = digits[(at / 2) % 8];
                let digit = if at % 2 == 0 { byte >> 4 } else { byte & 15 };
                *letter = b"0123456789abcdef"[usize::from(digit)];
            }
            if each(place, &leaf) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn since(&self, _: Timestamp) -> Result<u64, ReadError> {
        Ok(0)
    }

    fn first(&self) -> Result<u64, ReadError> {
        Ok(0)
    }
}
