//! Stores that fail, queues that are full.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join_all, try_join_all};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{AuditError, Log, Options, replay, since};
use crate::audit::draft::Draft;
use crate::audit::store::suite::{cases, keys, signer};
use crate::audit::store::{Committed, Head, Memory, Reader, Recovered, Store};

/// The switches of a store that fails to order.
#[derive(Default)]
struct Faults {
    append_fails: bool,
    recover_fails: bool,
    /// The next append is done, and fails to the one who asked.
    answer_is_lost: bool,
    /// What became of it can't be found out.
    unknown: bool,
    probes: usize,
    /// Told at each append and probe, which then waits for `gate`.
    reached: Option<mpsc::Sender<()>>,
}

#[derive(Clone, Default)]
struct Switches {
    faults: Arc<Mutex<Faults>>,
    gate: Arc<Mutex<()>>,
}

/// A store in memory that can fail.
struct Faulty {
    store: Memory,
    switches: Switches,
    unsure: bool,
    late: Option<Committed>,
}

impl Switches {
    fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.faults.lock().unwrap());
    }

    fn heal(&self) {
        self.set(|faults| *faults = Faults::default());
    }

    fn log(&self, options: Options) -> Log {
        let store = Faulty {
            store: Memory::new(signer()),
            switches: self.clone(),
            unsure: false,
            late: None,
        };
        Log::start(Box::new(store), options).unwrap()
    }

    /// Tells that it is reached, waits for the gate, fails if it is to.
    fn pass(&self) -> io::Result<()> {
        let reached = self.faults.lock().unwrap().reached.clone();
        if let Some(reached) = reached {
            // Whoever listened may have heard enough.
            let _ = reached.send(());
        }
        drop(self.gate.lock().unwrap());
        match self.faults.lock().unwrap().append_fails {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl Store for Faulty {
    fn append(&mut self, drafts: &[Draft]) -> io::Result<Committed> {
        assert!(!self.unsure, "it takes nothing before it has recovered");
        self.unsure = true;
        self.switches.pass()?;
        let committed = self.store.append(drafts)?;
        if std::mem::take(&mut self.switches.faults.lock().unwrap().answer_is_lost) {
            self.late = Some(committed);
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.unsure = false;
        Ok(committed)
    }

    fn recover(&mut self) -> io::Result<Recovered> {
        if self.unsure && self.switches.faults.lock().unwrap().unknown {
            return Ok(Recovered::Unknown(io::ErrorKind::ConnectionRefused.into()));
        }
        if self.unsure && self.switches.faults.lock().unwrap().recover_fails {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.unsure = false;
        Ok(match self.late.take() {
            Some(committed) => Recovered::Late(committed),
            None => Recovered::Back,
        })
    }

    fn probe(&mut self) -> io::Result<()> {
        self.switches.faults.lock().unwrap().probes += 1;
        self.switches.pass()
    }

    fn head(&self) -> Head {
        self.store.head()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.store.reader()
    }
}

fn entry(n: u64) -> Value {
    json!({ "kind": "lookup", "case_id": format!("c-{n}") })
}

fn log() -> Log {
    Switches::default().log(Options::default())
}

fn written(log: &Log) -> Vec<String> {
    let size = log.reader().checkpoint().unwrap().size;
    cases(&**log.reader(), 0..size)
}

fn numbered(entries: std::ops::RangeInclusive<u64>) -> Vec<String> {
    entries.map(|n| format!("c-{n}")).collect()
}

#[tokio::test]
async fn a_receipt_names_the_place_and_a_checkpoint_that_holds_it() {
    let log = log();
    for n in 1..=3 {
        let receipt = log.record(&entry(n)).await.unwrap();
        assert_eq!(receipt.entry, n);
        let said = keys().open(receipt.checkpoint.as_bytes()).unwrap();
        assert!(said.size() >= n);
        assert_eq!(log.health().entries, said.size());
    }
    assert_eq!(written(&log), numbered(1..=3));
}

#[tokio::test]
async fn many_tasks_may_record_at_once() {
    let log = log();
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
    let found: BTreeSet<String> = written(&log).into_iter().collect();
    assert_eq!(found, numbered(1..=100).into_iter().collect());
}

#[tokio::test]
async fn a_day_is_replayed_from_its_first_entry() {
    let log = log();
    let mut dates = Vec::new();
    for n in 1..=9 {
        dates.push(log.record(&entry(n)).await.unwrap().at);
    }
    let replayed = |moment: Timestamp| {
        let mut seen = Vec::new();
        let from = since(&**log.reader(), moment).unwrap();
        replay(&**log.reader(), from, &mut |leaf| {
            let entry: Value = serde_json::from_str(leaf).unwrap();
            assert_eq!(entry["case_id"], format!("c-{}", entry["entry"]));
            seen.push(entry);
            ControlFlow::Continue(())
        })
        .unwrap();
        seen.len()
    };
    assert_eq!(replayed(dates[0]), 9);
    let fourth = dates.iter().filter(|at| **at >= dates[3]).count();
    assert_eq!(replayed(dates[3]), fourth);
    assert_eq!(replayed(dates[8] + Duration::from_micros(1)), 0);
}

/// A disk that hangs keeps nobody who lets go of the log.
#[test]
fn a_writer_that_hangs_is_left() {
    let switches = Switches::default();
    let (reached, reaches) = mpsc::channel();
    switches.set(|faults| faults.reached = Some(reached));
    let options = Options {
        dropped_within: Duration::from_millis(20),
        ..Options::default()
    };
    let log = switches.log(options);
    let shut = switches.gate.lock().unwrap();
    log.record_detached(&entry(1));
    reaches.recv().unwrap();
    let (left, leaves) = mpsc::channel();
    let leaving = std::thread::spawn(move || {
        drop(log);
        left.send(()).unwrap();
    });
    leaves.recv_timeout(Duration::from_secs(20)).unwrap();
    leaving.join().unwrap();
    drop(shut);
}

#[tokio::test]
async fn closing_and_dropping_drain() {
    let log = log();
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
    assert_eq!(written(&log), numbered(1..=50));
    let log = self::log();
    let reader = log.reader().clone();
    for n in 1..=80 {
        log.record_detached(&entry(n));
    }
    drop(log);
    assert_eq!(cases(&*reader, 0..80), numbered(1..=80));
}

#[tokio::test]
async fn what_is_not_an_entry_is_refused() {
    let log = log();
    for not in [
        json!(null),
        json!([1]),
        json!({ "entry": 1 }),
        json!({ "at": 1 }),
    ] {
        let refused = log.record(&not).await;
        assert!(matches!(refused, Err(AuditError::Invalid(_))), "{not}");
        log.record_detached(&not);
    }
    assert_eq!((log.health().entries, log.health().lost), (0, 4));
}

#[tokio::test]
async fn nothing_is_answered_that_is_not_durable_and_the_log_recovers() {
    for recover_fails in [false, true] {
        let switches = Switches::default();
        let log = switches.log(Options::default());
        for n in 1..=3 {
            log.record(&entry(n)).await.unwrap();
        }
        switches.set(|faults| (faults.append_fails, faults.recover_fails) = (true, recover_fails));
        for _ in 0..3 {
            let refused = log.record(&entry(99)).await;
            assert_eq!(refused, Err(AuditError::NotWritten));
            let health = log.health();
            assert!(
                !health.writable && health.last_error.is_some(),
                "{health:?}"
            );
        }
        switches.heal();
        for n in 4..=7 {
            assert_eq!(log.record(&entry(n)).await.unwrap().entry, n);
        }
        let health = log.health();
        assert!(health.writable && health.last_error.is_some(), "{health:?}");
        assert_eq!((health.entries, health.lost), (7, 0));
        assert_eq!(written(&log), numbered(1..=7));
    }
}

#[tokio::test]
async fn an_idle_log_finds_out_that_the_store_is_back() {
    let switches = Switches::default();
    let log = switches.log(Options {
        retry: Duration::from_millis(1),
        ..Options::default()
    });
    switches.set(|faults| faults.append_fails = true);
    log.record(&entry(99)).await.unwrap_err();
    // Nobody calls, and yet the store is tried again.
    let (reached, tried) = mpsc::channel();
    switches.set(|faults| faults.reached = Some(reached));
    for _ in 0..2 {
        tried.recv().unwrap();
    }
    assert!(!log.health().writable);
    assert!(switches.faults.lock().unwrap().probes >= 1);
    switches.heal();
    while !log.health().writable {
        std::thread::yield_now();
    }
    log.record(&entry(1)).await.unwrap();
    assert_eq!(written(&log), numbered(1..=1));
}

#[tokio::test]
async fn a_full_queue_refuses_callers_and_then_counts_what_is_lost() {
    let switches = Switches::default();
    let log = switches.log(Options {
        queue: 3,
        reserve: 2,
        ..Options::default()
    });
    let (reached, appends) = mpsc::channel();
    switches.set(|faults| faults.reached = Some(reached));
    let held = switches.gate.lock().unwrap();
    let first = log.record(&entry(1));
    appends.recv().unwrap();
    let waiting: Vec<_> = (2..=4).map(|n| log.record(&entry(n))).collect();
    let refused = log.record(&entry(99)).now_or_never();
    assert_eq!(refused, Some(Err(AuditError::Overloaded)));
    for n in 5..=7 {
        log.record_detached(&entry(n));
    }
    let health = log.health();
    assert_eq!((health.queued, health.lost), (5, 1));
    drop(held);
    first.await.unwrap();
    try_join_all(waiting).await.unwrap();
    log.close().await;
    assert_eq!(written(&log), numbered(1..=6));
}

#[tokio::test]
async fn a_store_that_hangs_shows_before_it_fails() {
    let switches = Switches::default();
    let log = switches.log(Options {
        stall: Duration::ZERO,
        ..Options::default()
    });
    assert!(log.health().writable, "nobody waits");
    let (reached, appends) = mpsc::channel();
    switches.set(|faults| faults.reached = Some(reached));
    let held = switches.gate.lock().unwrap();
    let first = log.record(&entry(1));
    appends.recv().unwrap();
    let health = log.health();
    assert!(!health.writable);
    let silent = Some("the disk doesn't answer".to_owned());
    assert_eq!(health.last_error, silent);
    drop(held);
    first.await.unwrap();
    assert!(log.health().writable);
    assert_eq!(log.health().last_error, None);
}

#[tokio::test]
async fn entries_of_callers_that_left_outlive_a_failing_store() {
    let switches = Switches::default();
    let log = switches.log(Options {
        reserve: 2,
        retry: Duration::from_secs(3600),
        ..Options::default()
    });
    switches.set(|faults| faults.append_fails = true);
    log.record_detached(&entry(1));
    drop(log.record(&entry(2)));
    log.record(&entry(99)).await.unwrap_err();
    assert_eq!(log.health().lost, 0);
    log.record_detached(&entry(98));
    log.record(&entry(99)).await.unwrap_err();
    log.record(&entry(99)).await.unwrap_err();
    let health = log.health();
    assert_eq!((health.queued, health.lost), (2, 1));
    switches.heal();
    log.close().await;
    assert_eq!(written(&log), numbered(1..=2));
    assert_eq!(log.health().queued, 0);
}

/// As a database whose line breaks around a commit.
#[tokio::test]
async fn what_turns_out_to_be_on_record_is_answered_and_not_written_twice() {
    for known_at_once in [true, false] {
        let switches = Switches::default();
        let log = switches.log(Options {
            retry: Duration::from_millis(1),
            ..Options::default()
        });
        let (reached, tried) = mpsc::channel();
        let held = switches.gate.lock().unwrap();
        switches.set(|faults| {
            (faults.answer_is_lost, faults.unknown) = (true, !known_at_once);
            faults.reached = Some(reached);
        });
        let first = log.record(&entry(1));
        tried.recv().unwrap();
        drop(held);
        if !known_at_once {
            while log.health().writable {
                std::thread::yield_now();
            }
            // Whoever comes meanwhile wasn't tried, and is refused.
            let refused = log.record(&entry(99)).await;
            assert_eq!(refused, Err(AuditError::NotWritten));
            log.record_detached(&entry(2));
            switches.heal();
        }
        assert_eq!(first.await.unwrap().entry, 1);
        let next = if known_at_once { 2 } else { 3 };
        assert_eq!(log.record(&entry(next)).await.unwrap().entry, next);
        log.close().await;
        assert_eq!(written(&log), numbered(1..=next));
        assert_eq!((log.health().queued, log.health().lost), (0, 0));
    }
}

/// And of those who left before it was known, nothing is written a second time either.
#[tokio::test]
async fn what_may_be_on_record_is_written_again_only_once_it_is_known_not_to_be() {
    for is_on_record in [true, false] {
        let switches = Switches::default();
        let log = switches.log(Options {
            retry: Duration::from_secs(3600),
            ..Options::default()
        });
        switches.set(|faults| {
            (faults.answer_is_lost, faults.append_fails) = (is_on_record, !is_on_record);
            faults.unknown = true;
        });
        log.record_detached(&entry(1));
        while log.health().writable {
            std::thread::yield_now();
        }
        assert_eq!((log.health().queued, log.health().lost), (1, 0));
        switches.heal();
        log.close().await;
        assert_eq!(written(&log), numbered(1..=1));
        assert_eq!((log.health().queued, log.health().lost), (0, 0));
    }
}

/// A stop mustn't wait for a store that may never answer, nor may whoever drops the log last.
#[tokio::test]
async fn a_store_that_hangs_doesnt_hold_up_a_stop() {
    let switches = Switches::default();
    let log = switches.log(Options::default());
    let reader = log.reader().clone();
    let (reached, appends) = mpsc::channel();
    switches.set(|faults| faults.reached = Some(reached));
    let (holding, hold) = mpsc::channel::<()>();
    let (held, hangs) = mpsc::channel();
    let gate = switches.gate.clone();
    let hanging = std::thread::spawn(move || {
        let _held = gate.lock().unwrap();
        held.send(()).unwrap();
        hold.recv().unwrap();
    });
    hangs.recv().unwrap();
    let first = log.record(&entry(1));
    appends.recv().unwrap();
    assert!(!log.close_within(Duration::from_millis(20)).await);
    drop(log);
    holding.send(()).unwrap();
    hanging.join().unwrap();
    first.await.unwrap();
    assert_eq!(cases(&*reader, 0..1), numbered(1..=1));
}

#[tokio::test]
async fn a_reader_may_stop() {
    let log = log();
    for n in 1..=5 {
        log.record(&entry(n)).await.unwrap();
    }
    let mut seen = 0;
    let some = &mut |_, _: &[u8]| {
        seen += 1;
        ControlFlow::Break(())
    };
    log.reader().leaves(1..5, some).unwrap();
    assert_eq!(seen, 1);
}
