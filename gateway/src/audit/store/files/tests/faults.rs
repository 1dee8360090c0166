//! Disks that fail.

use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use super::*;

/// The switches of a disk that fails to order.
#[derive(Default)]
struct Faults {
    /// How many bytes it still takes.
    room: Option<usize>,
    sync_fails: bool,
    truncate_fails: bool,
    rename_fails: bool,
    syncs: usize,
}

#[derive(Clone, Default)]
struct Faulty(Arc<Mutex<Faults>>);

impl Faulty {
    fn set(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.0.lock().unwrap());
    }

    fn heal(&self) {
        self.set(|faults| *faults = Faults::default());
    }
}

impl Faulty {
    /// Has as many of these bytes written as there is room for.
    fn takes(&self, bytes: &[u8], write: impl FnOnce(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut faults = self.0.lock().unwrap();
        match &mut faults.room {
            Some(room) if *room < bytes.len() => {
                write(&bytes[..std::mem::take(room)])?;
                Err(io::ErrorKind::StorageFull.into())
            }
            room => {
                if let Some(room) = room {
                    *room -= bytes.len();
                }
                write(bytes)
            }
        }
    }
}

impl Disk for Faulty {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        self.takes(bytes, |bytes| file.write_all(bytes))
    }

    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        self.takes(bytes, |bytes| file.write_all_at(bytes, at))
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        let mut faults = self.0.lock().unwrap();
        faults.syncs += 1;
        match faults.sync_fails {
            true => Err(io::Error::other("input/output error")),
            false => file.sync_data(),
        }
    }

    fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
        match self.0.lock().unwrap().truncate_fails {
            true => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            false => file.set_len(len),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.0.lock().unwrap().rename_fails {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => fs::rename(from, to),
        }
    }
}

fn on(disk: &Faulty, sealing: &Faulty, dir: &Path, pace: Pace) -> Files {
    let disks: [Arc<dyn Disk>; 2] = [Arc::new(disk.clone()), Arc::new(sealing.clone())];
    Files::open_on(disks, dir, 1 << 20, signer(), &keys(), pace).unwrap()
}

#[test]
fn a_batch_is_one_sync() {
    let (dir, disk) = (dir(), Faulty::default());
    let mut store = on(&disk, &Faulty::default(), dir.path(), at_once());
    disk.heal();
    append(&mut store, 1..=700);
    append(&mut store, 701..=701);
    assert_eq!(disk.0.lock().unwrap().syncs, 2);
}

#[test]
fn a_failing_disk_refuses_entries_and_leaves_no_gap() {
    type Break = fn(&mut Faults);
    let checks: &[(&str, Break)] = &[
        ("full", |faults| faults.room = Some(0)),
        ("full within a leaf", |faults| faults.room = Some(20)),
        ("full within a checkpoint", |faults| faults.room = Some(120)),
        ("sync", |faults| faults.sync_fails = true),
        ("sync and truncate", |faults| {
            (faults.sync_fails, faults.truncate_fails) = (true, true);
        }),
        ("short and truncate", |faults| {
            (faults.room, faults.truncate_fails) = (Some(100), true);
        }),
    ];
    for (name, break_it) in checks {
        let (dir, disk) = (dir(), Faulty::default());
        let mut store = on(&disk, &Faulty::default(), dir.path(), at_once());
        append(&mut store, 1..=3);
        let head = store.head();
        disk.set(break_it);
        for _ in 0..3 {
            let _ = store.recover();
            store.append(&[draft(99)]).unwrap_err();
            store.probe().unwrap_err();
            assert_eq!(store.head(), head, "{name}");
            assert_eq!(cases(&*store.reader(), 0..3), numbered(1..=3));
        }
        disk.heal();
        store.recover().unwrap();
        store.probe().unwrap();
        append(&mut store, 4..=7);
        has(dir.path(), 1..=7);
        drop(store);
        has(dir.path(), 1..=7);
    }
}

/// Died before it could go back: what wasn't whole goes, and what was whole counts.
#[test]
fn a_crash_after_a_failure_leaves_whole_batches() {
    for (room, entries) in [(Some(0), 3), (Some(50), 3), (Some(120), 3), (None, 4)] {
        let (dir, disk) = (dir(), Faulty::default());
        let mut store = on(&disk, &Faulty::default(), dir.path(), at_once());
        append(&mut store, 1..=3);
        disk.set(|faults| {
            faults.room = room;
            (faults.sync_fails, faults.truncate_fails) = (true, true);
        });
        store.append(&[draft(4)]).unwrap_err();
        drop(store);
        // A tail that is torn is no violation.
        assert_eq!(verified(dir.path()).unwrap().entries, entries);
        drop(open(dir.path()));
        has(dir.path(), 1..=entries);
    }
}

#[test]
fn a_segment_that_another_hand_touched_takes_no_entries() {
    let dir = dir();
    let mut store = open(dir.path());
    append(&mut store, 1..=1);
    let path = paths::segment(dir.path(), 0);
    let mut whole = fs::read(&path).unwrap();
    whole.truncate(usize::try_from(store.wal.bytes()).unwrap());
    let refuses = |store: &mut Files| {
        let recovered = store.recover();
        assert!(recovered.is_err() || store.append(&[draft(99)]).is_err());
    };
    fs::remove_file(&path).unwrap();
    refuses(&mut store);
    refuses(&mut store);
    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    refuses(&mut store);
    let mut other = whole.clone();
    *other.last_mut().unwrap() = b' ';
    fs::write(&path, other).unwrap();
    refuses(&mut store);
    fs::write(&path, &whole).unwrap();
    store.recover().unwrap();
    append(&mut store, 2..=2);
    drop(store);
    has(dir.path(), 1..=2);
}

/// At whichever byte sealing ends, nothing is lost and the next start goes on.
#[test]
fn a_crash_while_sealing_loses_nothing() {
    let all = 30_000;
    for room in (0..all).step_by(2503) {
        let (dir, sealing) = (dir(), Faulty::default());
        sealing.set(|faults| {
            faults.room = Some(room);
            faults.truncate_fails = room % 2 == 0;
        });
        let mut store = on(&Faulty::default(), &sealing, dir.path(), at_once());
        append(&mut store, 1..=300);
        append(&mut store, 301..=600);
        assert_eq!(cases(&*store.reader(), 0..600), numbered(1..=600));
        drop(store);
        has(dir.path(), 1..=600);
        drop(open(dir.path()));
        has(dir.path(), 1..=600);
        assert!(paths::bundle(dir.path(), 1).exists(), "{room}");
    }
}

#[test]
fn sealing_is_tried_again() {
    type Break = fn(&mut Faults);
    let checks: &[(&str, Break)] = &[
        ("full", |faults| faults.room = Some(5000)),
        ("sync", |faults| faults.sync_fails = true),
        ("rename", |faults| faults.rename_fails = true),
    ];
    for (name, break_it) in checks {
        let (dir, sealing) = (dir(), Faulty::default());
        sealing.set(break_it);
        let pace = Pace {
            pause: Duration::from_millis(1),
            ..at_once()
        };
        let mut store = on(&Faulty::default(), &sealing, dir.path(), pace);
        append(&mut store, 1..=700);
        append(&mut store, 701..=900);
        assert_eq!(cases(&*store.reader(), 0..900), numbered(1..=900), "{name}");
        assert!(store.view.tail().pending() > 0, "{name}");
        sealing.heal();
        while store.view.tail().pending() > 0 {
            std::thread::yield_now();
        }
        assert_eq!(cases(&*store.reader(), 0..900), numbered(1..=900), "{name}");
        drop(store);
        has(dir.path(), 1..=900);
    }
}

/// Leaves that can't be sealed are in memory, so there is an end to them.
#[test]
fn a_store_that_cant_seal_takes_no_more_in_the_end() {
    let (dir, sealing) = (dir(), Faulty::default());
    sealing.set(|faults| faults.sync_fails = true);
    let pace = Pace {
        pause: Duration::from_millis(1),
        most: 20_000,
        patience: Duration::from_millis(1),
        ..at_once()
    };
    let mut store = on(&Faulty::default(), &sealing, dir.path(), pace);
    let mut next = 1;
    let refused = loop {
        match store.append(&[draft(next)]) {
            Ok(_) => next += 1,
            Err(refused) => break refused,
        }
    };
    assert!(next > 256, "{next}");
    assert!(refused.to_string().contains("into bundles"), "{refused}");
    while !store.reader().unsealed().fails {
        std::thread::yield_now();
    }
    assert!(store.reader().unsealed().bytes > 20_000);
    store.recover().unwrap();
    store.probe().unwrap_err();
    sealing.heal();
    while store.probe().is_err() {
        std::thread::yield_now();
    }
    append(&mut store, next..=next);
    while store.reader().unsealed().fails {
        std::thread::yield_now();
    }
    drop(store);
    has(dir.path(), 1..=next);
}
