mod disk;
mod packed;
mod planted;
mod shares;

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::HeaderMap;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::json;
use tempfile::TempDir;

use super::basis::{self, Basis};
use super::met::PATIENCE;
use super::seal::{self, Bound, Under};
use super::*;
use crate::fixture::world;

const START: i64 = 1_790_000_000;
const NIK: &str = "3510161405889901";

/// A directory, and a clock that stands still.
struct Desk {
    dir: TempDir,
    now: Arc<AtomicI64>,
    settings: ReplaySettings,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            settings: ReplaySettings::at(dir.path().join("replay")),
            dir,
            now: Arc::new(AtomicI64::new(START)),
        }
    }

    fn open(&self) -> Replay {
        self.try_open().unwrap()
    }

    fn try_open(&self) -> Result<Replay, OpenError> {
        let now = self.now.clone();
        let clock = Clock::new(move || {
            let second = now.load(Ordering::Relaxed);
            Timestamp::from_second(second).unwrap()
        });
        Replay::open_at(&self.settings, &[7; 32], &world::telemetry(), clock)
    }

    fn later(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let all = fs::read_dir(&self.settings.directory).unwrap();
        let mut files: Vec<PathBuf> = all.map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.to_str().unwrap().ends_with(ending));
        files.sort();
        files
    }
}

/// A lookup by small numbers.
#[derive(Debug, Clone, Copy)]
struct Lookup {
    member: u8,
    id: u8,
    body: u8,
    key: u8,
    basis: u8,
}

const USUAL: Lookup = Lookup {
    member: 0,
    id: 0,
    body: 0,
    key: 1,
    basis: 0,
};

impl Lookup {
    fn member(self) -> MemberId {
        MemberId::parse(["mpp-kota", "dukcapil"][usize::from(self.member)]).unwrap()
    }

    fn body(self) -> String {
        format!("{{\"subject\":\"{NIK}\",\"n\":{}}}", self.body)
    }

    fn meet(self, replay: &Replay) -> Result<Met, Refusal> {
        let body = self.body();
        replay.meet(Asked {
            member: &self.member(),
            request_id: Uuid::from_u128(self.id.into()),
            body: body.as_bytes(),
            // None is a key, too: the hour's.
            key: (self.key > 0).then(|| ReplayKey::from_bytes([self.key; 32])),
        })
    }

    fn basis(self) -> Basis {
        Basis([self.basis; basis::LENGTH])
    }

    /// The answer it had, or the right to ask.
    async fn ask(self, replay: &Replay) -> Result<Result<Kept, Claim>, Refusal> {
        match self.meet(replay)? {
            Met::New(claim) => Ok(Err(claim)),
            Met::Again(mut again) => match again.answer(self.basis()).await {
                Some(kept) => Ok(Ok(kept)),
                None => again.ask_again().map(Err),
            },
        }
    }

    /// The entry whose answer it is given again; its own, if it has to be asked.
    async fn answered(self, replay: &Replay, entry: u64) -> u64 {
        // A slow disk may still be at the one before.
        let mut found = self.ask(replay).await;
        while let Err(Refusal::RequestInProgress) = found {
            tokio::time::sleep(Duration::from_millis(1)).await;
            found = self.ask(replay).await;
        }
        match found.unwrap() {
            Ok(kept) => {
                assert_eq!(kept.answer, answer(kept.entry));
                assert_eq!(kept.sources, sources());
                kept.entry
            }
            Err(claim) => {
                let kept = Kept {
                    entry,
                    sources: sources(),
                    answer: answer(entry),
                };
                claim.keep(&kept, self.basis()).await;
                entry
            }
        }
    }
}

fn answer(entry: u64) -> Bytes {
    let one = format!("{{\"nik\":\"{NIK}\",\"name\":\"BAGAS CONTOH\",\"entry\":{entry}}}");
    one.repeat(20).into()
}

fn sources() -> Vec<crate::audit::SourceEntry> {
    let entry = json!({
        "record": "person-identity/1", "agency": "dukcapil", "grants": ["G-001"],
        "fields": ["card_status"], "outcome": "found", "reason": "complete", "elapsed_ms": 7,
    });
    vec![serde_json::from_value(entry).unwrap()]
}

fn runtime() -> tokio::runtime::Runtime {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap()
}

const LONG: Duration = Duration::from_secs(10);

async fn settled(replay: Replay) {
    replay.close_within(LONG).await;
}

#[test]
fn only_the_same_member_id_body_key_and_grants_have_the_same_answer() {
    let lookup = (0..2_u8, 0..2_u8, 0..2_u8, 0..3_u8, 0..2_u8);
    let lookup = lookup.prop_map(|(member, id, body, key, basis)| Lookup {
        member,
        id,
        body,
        key,
        basis,
    });
    let lookups = proptest::collection::vec((lookup, 0..10_u8), 1..25);
    let config = ProptestConfig {
        cases: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let runtime = runtime();
    let replayed = std::cell::Cell::new(0);
    let outcome = TestRunner::new(config).run(&lookups, |lookups| {
        runtime.block_on(async {
            let desk = Desk::new();
            let mut replay = desk.open();
            let mut first: HashMap<(u8, u8), (Lookup, u64)> = HashMap::new();
            for (entry, (lookup, restart)) in (1..).zip(lookups) {
                if restart == 0 {
                    replay.close_within(LONG).await;
                    replay = desk.open();
                }
                let known = first.get(&(lookup.member, lookup.id)).copied();
                if known.is_some_and(|(known, _)| known.body != lookup.body) {
                    let refused = lookup.meet(&replay).map(drop);
                    prop_assert_eq!(refused, Err(Refusal::RequestIdReused));
                    continue;
                }
                let same = known
                    .filter(|(known, _)| known.key == lookup.key && known.basis == lookup.basis);
                let found = lookup.answered(&replay, entry).await;
                prop_assert_eq!(found, same.map_or(entry, |(_, entry)| entry));
                if found == entry {
                    first.insert((lookup.member, lookup.id), (lookup, entry));
                } else {
                    replayed.set(replayed.get() + 1);
                }
            }
            Ok(())
        })
    });
    outcome.unwrap();
    assert!(replayed.get() > 20, "{}", replayed.get());
}

#[tokio::test]
async fn one_that_is_under_way_is_taken_until_it_ends() {
    let desk = Desk::new();
    let replay = desk.open();
    let claim = USUAL.meet(&replay).unwrap();
    let again = USUAL.meet(&replay).map(drop);
    assert_eq!(again, Err(Refusal::RequestInProgress));
    let other = Lookup { body: 1, ..USUAL };
    assert_eq!(other.meet(&replay).map(drop), Err(Refusal::RequestIdReused));
    drop(claim);
    // Nobody had an answer, so any body will do.
    assert_eq!(other.answered(&replay, 1).await, 1);
    let changed = Lookup { basis: 1, ..other };
    let claim = changed.ask(&replay).await.unwrap().unwrap_err();
    assert!(matches!(
        changed.ask(&replay).await,
        Err(Refusal::RequestInProgress)
    ));
    drop(claim);
    // One that was asked again in vain leaves what was known.
    assert_eq!(other.answered(&replay, 2).await, 1);
}

#[tokio::test]
async fn an_answer_is_given_for_a_day_and_then_gone() {
    let desk = Desk::new();
    let replay = desk.open();
    let (keyed, unkeyed) = (
        USUAL,
        Lookup {
            id: 1,
            key: 0,
            ..USUAL
        },
    );
    for lookup in [keyed, unkeyed] {
        lookup.answered(&replay, 1).await;
    }
    desk.later(i64::from(REPLAYED_FOR) - 1);
    for lookup in [keyed, unkeyed] {
        assert_eq!(lookup.answered(&replay, 2).await, 1);
    }
    desk.later(1);
    for lookup in [keyed, unkeyed] {
        let other = Lookup { body: 1, ..lookup };
        assert_eq!(other.answered(&replay, 3).await, 3, "{other:?}");
    }
    assert_eq!(
        (desk.files(".sealed").len(), desk.files(".key").len()),
        (2, 2)
    );
    // Also when nobody asks any more.
    desk.later(3_600);
    sweep(&replay).await;
    assert_eq!(
        (desk.files(".sealed").len(), desk.files(".key").len()),
        (1, 1)
    );
    desk.later(i64::from(REPLAYED_FOR));
    sweep(&replay).await;
    assert_eq!(
        (desk.files(".sealed").len(), desk.files(".key").len()),
        (0, 0)
    );
    assert_eq!(keyed.answered(&replay, 4).await, 4);
}

async fn sweep(replay: &Replay) {
    let (done, swept) = oneshot::channel();
    let work = replay.0.as_ref().unwrap().work().clone().unwrap();
    work.send(Work::Sweep(done)).unwrap();
    swept.await.unwrap();
}

#[tokio::test]
async fn the_audit_log_tells_of_ids_whose_answer_is_lost() {
    let desk = Desk::new();
    let replay = desk.open();
    let mac = match USUAL.ask(&replay).await.unwrap() {
        Err(claim) => claim.body_mac().unwrap(),
        Ok(_) => panic!("it is new"),
    };
    assert_eq!(mac.len(), 16);
    let leaf = |kind: &str, seconds| {
        let at = Timestamp::from_second(START - seconds).unwrap();
        json!({
            "at": at, "kind": kind, "member": USUAL.member(), "body_mac": mac,
            "request_id": Uuid::from_u128(0),
        })
        .to_string()
    };
    let other = Lookup { body: 1, ..USUAL };
    for (kind, seconds) in [("refusal", 5), ("lookup", 86_400)] {
        replay.remember(&leaf(kind, seconds));
        drop(other.meet(&replay).unwrap());
    }
    replay.remember(&leaf("lookup", 86_399));
    assert_eq!(other.meet(&replay).map(drop), Err(Refusal::RequestIdReused));
    assert_eq!(USUAL.answered(&replay, 7).await, 7);
    replay.remember(&leaf("lookup", 60));
    assert_eq!(USUAL.answered(&replay, 8).await, 7, "a place is better");
}

#[tokio::test]
async fn the_oldest_go_first() {
    let mut desk = Desk::new();
    desk.settings.max_entries = 10;
    desk.settings.max_bytes = 4_096;
    let replay = desk.open();
    let lookups: Vec<Lookup> = (0..100).map(|id| Lookup { id, ..USUAL }).collect();
    for lookup in &lookups {
        lookup.answered(&replay, 1).await;
        let known = replay.0.as_ref().unwrap().slots.len();
        assert!(known <= 11, "{known}");
        let bytes: u64 = desk
            .files(".sealed")
            .iter()
            .map(|file| fs::metadata(file).unwrap().len())
            .sum();
        assert!(bytes <= 4_096 + 1_024, "{bytes}");
    }
    assert_eq!(lookups[99].answered(&replay, 2).await, 1);
    assert_eq!(lookups[0].answered(&replay, 2).await, 2);
}

#[tokio::test]
async fn without_a_key_nothing_is_kept_where_one_is_required() {
    let mut desk = Desk::new();
    desk.settings.require_key = true;
    let replay = desk.open();
    let unkeyed = Lookup { key: 0, ..USUAL };
    assert_eq!(unkeyed.answered(&replay, 1).await, 1);
    assert_eq!(unkeyed.answered(&replay, 2).await, 2);
    assert_eq!(USUAL.answered(&replay, 3).await, 3);
    assert_eq!(USUAL.answered(&replay, 4).await, 3);
    let other = Lookup { body: 1, ..unkeyed };
    assert!(other.meet(&replay).is_err());
    assert_eq!(desk.files(".key").len(), 0);
}

#[tokio::test]
async fn what_is_on_disk_says_nothing_and_is_for_nobody_else() {
    let desk = Desk::new();
    let replay = desk.open();
    USUAL.answered(&replay, 1).await;
    Lookup {
        id: 1,
        key: 0,
        ..USUAL
    }
    .answered(&replay, 2)
    .await;
    for file in desk.files("") {
        let bytes = fs::read(&file).unwrap();
        for word in [NIK.as_bytes(), b"CONTOH", b"mpp-kota", b"card_status"] {
            assert!(memchr::memmem::find(&bytes, word).is_none(), "{file:?}");
        }
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file:?}");
    }
    let mode = fs::metadata(desk.dir.path().join("replay"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[tokio::test]
async fn a_directory_is_one_gateways() {
    let desk = Desk::new();
    let replay = desk.open();
    let refused = desk.try_open().map(drop);
    assert!(matches!(refused, Err(OpenError::Locked { .. })));
    settled(replay).await;
    desk.open();
}

#[test]
fn a_key_is_32_bytes_in_base64_and_never_shown() {
    let read = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("loket-replay-key", value.parse().unwrap());
        }
        ReplayKey::of(&headers)
    };
    let good = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    assert_eq!(read(&[]), Ok(None));
    let key = read(&[good]).unwrap().unwrap();
    assert_eq!(key, ReplayKey::from_bytes([1; 32]));
    assert_eq!(format!("{key:?}"), "ReplayKey(…)");
    let unpadded = good.trim_end_matches('=');
    for bad in [&[""][..], &[unpadded], &["AQ=="], &[good, good], &["?"]] {
        let refused = read(bad);
        assert!(matches!(refused, Err(Refusal::Malformed(_))), "{bad:?}");
    }
}
