//! Disks that fail, queues that are full.

use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::try_join_all;

use super::{cases, dir, entry, numbered, open, paths, small_segments};
use crate::audit::log::disk::Disk;
use crate::audit::log::{AuditError, Log, Options};

/// The switches of a disk that fails to order.
#[derive(Default)]
struct Faults {
    /// How many bytes of a write arrive before the disk is full.
    full_after: Option<usize>,
    sync_fails: bool,
    truncate_fails: bool,
    syncs: usize,
    /// Told at each sync, which then waits for `gate`.
    reached: Option<mpsc::Sender<()>>,
}

#[derive(Clone, Default)]
struct Faulty {
    faults: Arc<Mutex<Faults>>,
    gate: Arc<Mutex<()>>,
}

impl Faulty {
    fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.faults.lock().unwrap());
    }

    fn heal(&self) {
        self.set(|faults| *faults = Faults::default());
    }

    fn open(&self, dir: &Path, options: Options) -> Log {
        Log::open_on(Box::new(self.clone()), dir, options, &mut |_| {})
            .unwrap()
            .0
    }
}

impl Disk for Faulty {
    fn write(&mut self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        match self.faults.lock().unwrap().full_after {
            None => file.write_all(bytes),
            Some(room) => {
                file.write_all(&bytes[..room.min(bytes.len())])?;
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        let mut faults = self.faults.lock().unwrap();
        faults.syncs += 1;
        if let Some(reached) = &faults.reached {
            let _ = reached.send(());
        }
        let fails = faults.sync_fails;
        drop(faults);
        drop(self.gate.lock().unwrap());
        if fails {
            return Err(io::Error::other("input/output error"));
        }
        file.sync_data()
    }

    fn truncate(&mut self, file: &File, len: u64) -> io::Result<()> {
        if self.faults.lock().unwrap().truncate_fails {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        file.set_len(len)
    }
}

#[tokio::test]
async fn callers_share_syncs_and_get_consecutive_entries() {
    let (dir, disk) = (dir(), Faulty::default());
    let log = disk.open(dir.path(), Options::default());
    let held = disk.gate.lock().unwrap();
    let all: Vec<_> = (1..=500).map(|n| log.record(&entry(n))).collect();
    drop(held);
    let receipts = try_join_all(all).await.unwrap();
    let entries: Vec<_> = receipts.iter().map(|receipt| receipt.entry).collect();
    assert_eq!(entries, (1..=500).collect::<Vec<_>>());
    let hashes: BTreeSet<_> = receipts.iter().map(|receipt| receipt.hash).collect();
    assert_eq!(hashes.len(), 500);
    // One for opening, one for what the writer had taken before the gate, one for the rest.
    assert!(disk.faults.lock().unwrap().syncs <= 3);
    assert_eq!(cases(dir.path()), numbered(1..=500));
}

#[tokio::test]
async fn a_failing_disk_refuses_entries_and_leaves_no_gap() {
    type Break = fn(&mut Faults);
    let checks: &[(&str, Break)] = &[
        ("full", |faults| faults.full_after = Some(0)),
        ("full in the middle of a line", |faults| {
            faults.full_after = Some(100)
        }),
        ("full after a whole line", |faults| {
            faults.full_after = Some(10_000)
        }),
        ("sync", |faults| faults.sync_fails = true),
        ("sync and truncate", |faults| {
            (faults.sync_fails, faults.truncate_fails) = (true, true)
        }),
        ("short and truncate", |faults| {
            (faults.full_after, faults.truncate_fails) = (Some(100), true)
        }),
    ];
    for (name, break_it) in checks {
        let (dir, disk) = (dir(), Faulty::default());
        let log = disk.open(dir.path(), small_segments());
        for n in 1..=3 {
            log.record(&entry(n)).await.unwrap();
        }
        disk.set(break_it);
        for _ in 0..3 {
            let refused = log.record(&entry(99)).await;
            assert_eq!(refused, Err(AuditError::NotWritten), "{name}");
            let health = log.health();
            assert!(
                !health.writable && health.last_error.is_some(),
                "{name}: {health:?}"
            );
        }
        disk.heal();
        for n in 4..=7 {
            assert_eq!(log.record(&entry(n)).await.unwrap().entry, n, "{name}");
        }
        let health = log.health();
        assert!(
            health.writable && health.last_error.is_some(),
            "{name}: {health:?}"
        );
        assert_eq!((health.entries, health.lost), (7, 0), "{name}");
        assert_eq!(cases(dir.path()), numbered(1..=7), "{name}");
    }
}

#[tokio::test]
async fn an_idle_log_finds_out_that_the_disk_is_back() {
    let (dir, disk) = (dir(), Faulty::default());
    let options = Options {
        retry: Duration::from_millis(1),
        ..Options::default()
    };
    let log = disk.open(dir.path(), options);
    disk.set(|faults| faults.full_after = Some(7));
    log.record(&entry(99)).await.unwrap_err();
    // Nobody calls, and yet the disk is tried again.
    let (reached, syncs) = mpsc::channel();
    disk.set(|faults| faults.reached = Some(reached));
    for _ in 0..2 {
        syncs.recv().unwrap();
    }
    assert!(!log.health().writable);
    disk.heal();
    while !log.health().writable {
        std::thread::yield_now();
    }
    log.record(&entry(1)).await.unwrap();
    log.close().await;
    assert_eq!(cases(dir.path()), numbered(1..=1));
}

#[tokio::test]
async fn a_segment_that_another_hand_touched_takes_no_entries() {
    let dir = dir();
    let (log, _) = open(dir.path());
    log.record(&entry(1)).await.unwrap();
    let path = paths(dir.path()).remove(0);
    let whole = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        log.record(&entry(99)).await.unwrap_err();
    }
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    log.record(&entry(99)).await.unwrap_err();
    fs::write(
        &path,
        String::from_utf8(whole.clone())
            .unwrap()
            .replace("c-1", "c-2"),
    )
    .unwrap();
    log.record(&entry(99)).await.unwrap_err();
    fs::write(&path, &whole).unwrap();
    log.record(&entry(2)).await.unwrap();
    assert_eq!(cases(dir.path()), numbered(1..=2));
}

#[tokio::test]
async fn a_full_queue_refuses_callers_and_then_counts_what_is_lost() {
    let (dir, disk) = (dir(), Faulty::default());
    let options = Options {
        queue: 3,
        reserve: 2,
        ..Options::default()
    };
    let log = disk.open(dir.path(), options);
    let (reached, syncs) = mpsc::channel();
    disk.set(|faults| faults.reached = Some(reached));
    let held = disk.gate.lock().unwrap();
    let first = log.record(&entry(1));
    syncs.recv().unwrap();
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
    assert_eq!(cases(dir.path()), numbered(1..=6));
}

#[tokio::test]
async fn a_disk_that_hangs_shows_before_it_fails() {
    let (dir, disk) = (dir(), Faulty::default());
    let options = Options {
        stall: Duration::ZERO,
        ..Options::default()
    };
    let log = disk.open(dir.path(), options);
    assert!(log.health().writable, "nobody waits");
    let (reached, syncs) = mpsc::channel();
    disk.set(|faults| faults.reached = Some(reached));
    let held = disk.gate.lock().unwrap();
    let first = log.record(&entry(1));
    syncs.recv().unwrap();
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
async fn entries_of_callers_that_left_outlive_a_failing_disk() {
    let (dir, disk) = (dir(), Faulty::default());
    let options = Options {
        reserve: 2,
        retry: Duration::from_secs(3600),
        ..Options::default()
    };
    let log = disk.open(dir.path(), options);
    disk.set(|faults| faults.full_after = Some(3));
    log.record_detached(&entry(1));
    drop(log.record(&entry(2)));
    log.record(&entry(99)).await.unwrap_err();
    assert_eq!(log.health().lost, 0);
    log.record_detached(&entry(98));
    log.record(&entry(99)).await.unwrap_err();
    log.record(&entry(99)).await.unwrap_err();
    let health = log.health();
    assert_eq!((health.queued, health.lost), (2, 1));
    disk.heal();
    log.close().await;
    assert_eq!(cases(dir.path()), numbered(1..=2));
    assert_eq!(log.health().queued, 0);
}

/// A stop mustn't wait for a disk that may never answer, nor may whoever drops the log last.
#[tokio::test]
async fn a_disk_that_hangs_doesnt_hold_up_a_stop() {
    let (dir, disk) = (dir(), Faulty::default());
    let log = disk.open(dir.path(), Options::default());
    let (reached, syncs) = mpsc::channel();
    disk.set(|faults| faults.reached = Some(reached));
    let (holding, hold) = mpsc::channel::<()>();
    let (held, hangs) = mpsc::channel();
    let gate = disk.clone();
    let hanging = std::thread::spawn(move || {
        let _held = gate.gate.lock().unwrap();
        held.send(()).unwrap();
        hold.recv().unwrap();
    });
    hangs.recv().unwrap();
    let first = log.record(&entry(1));
    syncs.recv().unwrap();
    assert!(!log.close_within(Duration::from_millis(20)).await);
    drop(log);
    holding.send(()).unwrap();
    hanging.join().unwrap();
    first.await.unwrap();
    assert_eq!(cases(dir.path()), numbered(1..=1));
}
