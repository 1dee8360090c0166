use std::fs;
use std::sync::atomic::AtomicBool;
use std::sync::{Condvar, mpsc};
use std::thread;

use jiff::Timestamp;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;
use tempfile::TempDir;
use tlog_tiles::tlog::Hash;

use super::*;
use crate::audit::draft::Draft;
use crate::audit::store::{Each, Files, Memory, Signed, Store, newest, suite};
use crate::audit::subject_key;

mod tampering;

/// What a reference is like; `n` stands for the subject.
fn reference(n: u64) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &n.to_be_bytes());
    crate::audit::hex(digest.as_ref())
}

fn draft(subject: Option<u64>) -> Draft {
    let entry = match subject {
        Some(n) => json!({ "kind": "lookup", "subject_ref": reference(n) }),
        None => json!({ "kind": "read", "case_id": "\"subject_ref\":\"" }),
    };
    Draft::of(&entry).unwrap()
}

/// Appends entries of which every seventh names nobody and the others one of `subjects` citizens.
fn append(store: &mut dyn Store, entries: Range<u64>, subjects: u64) {
    let drafts: Vec<Draft> = entries
        .map(|n| draft((n % 7 != 0).then_some(n % subjects)))
        .collect();
    for drafts in drafts.chunks(10_000) {
        store.append(drafts).unwrap();
    }
}

fn key() -> Key {
    subject_key(b"of subjects")
}

fn index(directory: &TempDir, reader: &Arc<dyn Reader>) -> Index {
    Index::new(directory.path().to_owned(), reader.clone(), &key())
}

fn catch_up(index: &Index) {
    index.catch_up(&Caller::default()).unwrap();
}

fn of_subject(index: &Index, n: u64, before: u64, limit: usize) -> Vec<Found> {
    let references = [reference(n)];
    let found = index.of_subject(&references, 0..before, limit, &Caller::default());
    found.unwrap()
}

fn compare(index: &Index, reader: &dyn Reader, subject: u64) -> usize {
    let wanted = reference(subject);
    let (mut before, mut all) = (u64::MAX, 0);
    // By pages, as a report asks.
    loop {
        let expected = reader.of_subject(&wanted, 0..before, 50).unwrap();
        assert_eq!(of_subject(index, subject, before, 50), expected);
        all += expected.len();
        match expected.last() {
            Some((place, _)) => before = *place,
            None => return all,
        }
    }
}

/// The scan through all entries says what is right.
#[test]
fn an_index_finds_what_a_scan_finds() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    let reader = store.reader();
    let index = index(&directory, &reader);
    assert_eq!(compare(&index, &*reader, 1), 0);
    let size = LENGTH * 2 + 1000;
    append(&mut store, 0..LENGTH, 1009);
    catch_up(&index);
    append(&mut store, LENGTH..size, 1009);
    catch_up(&index);
    assert_eq!(index.runs(), 2);
    for subject in [1, 2, 500, 1008] {
        assert!(compare(&index, &*reader, subject) > 5);
    }
    assert_eq!(compare(&index, &*reader, 5000), 0);
    // What came since the last step is there too.
    append(&mut store, size..size + 1, 1);
    assert!(!size.is_multiple_of(7));
    assert_eq!(compare(&index, &*reader, 0), compare(&index, &*reader, 0));
    assert_eq!(of_subject(&index, 0, u64::MAX, 1)[0].0, size);
    // Two references of one citizen, and a window.
    let both = [reference(3), reference(4)];
    let found = index.of_subject(&both, LENGTH - 500..LENGTH + 1500, 9, &Caller::default());
    let expected = newest(
        &*reader,
        &both,
        &(LENGTH - 500..LENGTH + 1500),
        9,
        &Caller::default(),
    );
    let expected = expected.unwrap();
    assert!(expected.len() > 2);
    assert_eq!(found.unwrap(), expected);
    // One that reads what is there, and one that has to build it.
    let again = Index::new(directory.path().to_owned(), reader.clone(), &key());
    catch_up(&again);
    assert_eq!(again.runs(), 2);
    compare(&again, &*reader, 7);
    again.clear().unwrap();
    catch_up(&again);
    assert_eq!(again.runs(), 2);
    compare(&again, &*reader, 7);
}

/// One citizen in most of a run's entries: more than a block around the guess.
#[test]
fn a_subject_may_fill_a_run() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    append(&mut store, 0..LENGTH, 3);
    let reader = store.reader();
    let index = index(&directory, &reader);
    catch_up(&index);
    let found = of_subject(&index, 1, u64::MAX, usize::MAX);
    let expected = reader.of_subject(&reference(1), 0..u64::MAX, usize::MAX);
    let expected = expected.unwrap();
    assert!(expected.len() > 1_100);
    assert!(found == expected);
}

/// However many entries are asked for: whoever may be told of few of them has as much read.
#[test]
fn a_run_is_looked_through_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    append(&mut store, 0..LENGTH, 3);
    let index = index(&directory, &store.reader());
    catch_up(&index);
    let (path, mut found) = (directory.path().join("00000000.run"), 0);
    let each = &mut |_| {
        // One that looks again finds it gone, and builds it.
        if found == 0 {
            fs::remove_file(&path).unwrap();
        }
        found += 1;
        ControlFlow::Continue(())
    };
    let done = index.each_of_subject(&[reference(1)], 0..u64::MAX, &Caller::default(), each);
    done.unwrap();
    assert!(found > 1_100 && !path.exists());
}

/// Whatever lies in a run's place, nobody waits for it, and the runs after it are written.
#[test]
fn what_is_no_file_is_no_run() {
    for kind in [FileType::Fifo, FileType::Symlink, FileType::Directory] {
        let directory = tempfile::tempdir().unwrap();
        let mut store = Memory::new(suite::signer());
        append(&mut store, 0..LENGTH * 2 + 5, 1009);
        let reader = store.reader();
        let used = index(&directory, &reader);
        catch_up(&used);
        let path = directory.path().join("00000000.run");
        fs::remove_file(&path).unwrap();
        match kind {
            FileType::Directory => fs::create_dir(&path).unwrap(),
            FileType::Symlink => std::os::unix::fs::symlink("00000001.run", &path).unwrap(),
            kind => mknodat(CWD, &path, kind, Mode::RUSR | Mode::WUSR, 0).unwrap(),
        }
        let (done, ends) = mpsc::channel();
        let (opened, again) = (index(&directory, &reader), index(&directory, &reader));
        thread::spawn(move || {
            for index in [&used, &opened] {
                catch_up(index);
                done.send((index.runs(), compare(index, &*reader, 7)))
                    .unwrap();
            }
            again.clear().unwrap();
            catch_up(&again);
            done.send((again.runs(), compare(&again, &*reader, 7)))
                .unwrap();
        });
        for _ in 0..3 {
            let patience = std::time::Duration::from_secs(60);
            let (runs, found) = ends.recv_timeout(patience).unwrap();
            // A directory can't be replaced; its run is in memory.
            assert!(
                found > 5 && (runs == 2 || (runs == 1 && kind == FileType::Directory)),
                "{runs}"
            );
        }
    }
}

/// Runs of which nothing is left go, and what is deleted before it was taken in is left out.
#[test]
fn entries_past_their_term_are_in_no_index() {
    let (log, directory) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut store = Files::open(log.path(), 64 << 20, suite::signer(), suite::keys()).unwrap();
    let size = LENGTH * 2 + 1000;
    append(&mut store, 0..size, 1009);
    let reader = store.reader();
    let kept = index(&directory, &reader);
    catch_up(&kept);
    assert_eq!(kept.runs(), 2);
    let elsewhere = tempfile::tempdir().unwrap();
    let behind = index(&elsewhere, &reader);
    let mut claim = store.pruner().unwrap().claim().unwrap().ours().unwrap();
    let first = LENGTH + 512;
    while claim.past(first).unwrap().end < first {
        thread::yield_now();
    }
    while claim.prune(first).unwrap() {}
    for index in [&kept, &behind, &index(&directory, &reader)] {
        index.forget().unwrap();
        catch_up(index);
        assert_eq!(index.runs(), 1);
        assert!(compare(index, &*reader, 8) > 2);
    }
    let runs = fs::read_dir(directory.path()).unwrap().flatten();
    let runs: Vec<_> = runs.map(|run| run.file_name()).collect();
    assert_eq!(runs, ["00000001.run"]);
    kept.clear().unwrap();
    catch_up(&kept);
    assert!(compare(&kept, &*reader, 500) > 2);
}

#[test]
fn a_follower_keeps_up_and_ends() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    append(&mut store, 0..LENGTH + 5, 1009);
    let follower = Follower::start(directory.path().to_owned(), store.reader(), &key()).unwrap();
    while follower.index().behind().unwrap() > 0 {
        thread::yield_now();
    }
    assert_eq!(follower.index().runs(), 1);
    drop(follower);
}

/// A log that does what a test wants when a leaf is read.
struct Odd {
    reader: Arc<dyn Reader>,
    first: AtomicU64,
    on_read: Box<dyn Fn() -> io::Result<()> + Send + Sync>,
}

impl std::fmt::Debug for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Odd")
    }
}

impl Odd {
    fn of(
        reader: Arc<dyn Reader>,
        on_read: impl Fn() -> io::Result<()> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            reader,
            first: AtomicU64::new(0),
            on_read: Box::new(on_read),
        })
    }
}

impl Reader for Odd {
    fn checkpoint(&self) -> Result<Signed, ReadError> {
        self.reader.checkpoint()
    }

    fn hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, ReadError> {
        self.reader.hashes(indexes)
    }

    fn leaves(&self, places: Range<u64>, each: &mut Each<'_>) -> Result<(), ReadError> {
        (self.on_read)()?;
        self.reader.leaves(places, each)
    }

    fn since(&self, moment: Timestamp) -> Result<u64, ReadError> {
        self.reader.since(moment)
    }

    fn first(&self) -> Result<u64, ReadError> {
        Ok(self.first.load(Ordering::Relaxed))
    }
}

/// A disk that doesn't answer holds up no shutdown.
#[test]
fn a_follower_that_hangs_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    append(&mut store, 0..5, 3);
    let gate = Arc::new((Mutex::new(true), Condvar::new()));
    let (reads, read) = mpsc::channel();
    let reader = Odd::of(store.reader(), {
        let gate = gate.clone();
        move || {
            reads.send(()).unwrap();
            let shut = gate.0.lock().unwrap();
            drop(gate.1.wait_while(shut, |shut| *shut).unwrap());
            Ok(())
        }
    });
    let follower = Follower::start(directory.path().to_owned(), reader, &key()).unwrap();
    read.recv().unwrap();
    drop(follower);
    *gate.0.lock().unwrap() = false;
    gate.1.notify_all();
}

/// Nothing more is read for one who has left.
#[test]
fn a_search_ends_when_its_caller_leaves() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    append(&mut store, 0..LENGTH + 500, 3);
    let (caller, reads) = (Caller::default(), Arc::new(AtomicU64::new(0)));
    let searching = Arc::new(AtomicBool::new(false));
    let reader: Arc<dyn Reader> = Odd::of(store.reader(), {
        let (caller, reads, searching) = (caller.clone(), reads.clone(), searching.clone());
        move || {
            if searching.load(Ordering::Relaxed) && reads.fetch_add(1, Ordering::Relaxed) == 9 {
                caller.leave();
            }
            Ok(())
        }
    });
    let index = index(&directory, &reader);
    catch_up(&index);
    searching.store(true, Ordering::Relaxed);
    let broken = index.of_subject(&[reference(1)], 0..u64::MAX, 500, &caller);
    assert!(matches!(broken, Err(ReadError::Io(_))), "{broken:?}");
    assert_eq!(reads.load(Ordering::Relaxed), 10);
    assert!(of_subject(&index, 1, u64::MAX, 500).len() == 500);
}

/// What the log can't say isn't left out unsaid, and a log that can be read again is gone on with.
#[test]
fn a_log_that_cant_be_read_is_no_short_report() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = Memory::new(suite::signer());
    append(&mut store, 0..LENGTH, 3);
    let fails = Arc::new(AtomicBool::new(true));
    let reader: Arc<dyn Reader> = Odd::of(store.reader(), {
        let fails = fails.clone();
        move || match fails.load(Ordering::Relaxed) {
            true => Err(io::Error::other("input/output error")),
            false => Ok(()),
        }
    });
    let index = index(&directory, &reader);
    let asked = || index.of_subject(&[reference(1)], 0..u64::MAX, 50, &Caller::default());
    assert!(asked().is_err());
    assert_eq!(index.behind().unwrap(), LENGTH);
    fails.store(false, Ordering::Relaxed);
    assert_eq!(asked().unwrap().len(), 50);
    assert_eq!(index.behind().unwrap(), 0);
}

/// A directory that can't be is no reason not to tell, as long as memory has room, nor not to start.
#[test]
fn runs_that_cant_be_written_stay_in_memory() {
    let parent = tempfile::tempdir().unwrap();
    let directory = parent.path().join("index");
    fs::write(&directory, "in the way").unwrap();
    let mut store = Memory::new(suite::signer());
    append(&mut store, 0..LENGTH * 2 + 5, 1009);
    let reader = store.reader();
    let index = Index::new(directory.clone(), reader.clone(), &key());
    catch_up(&index);
    assert_eq!(index.runs(), 0);
    assert!(compare(&index, &*reader, 7) > 5);
    // The third has no room: a report is refused, and says why.
    append(&mut store, LENGTH * 2 + 5..LENGTH * 3 + 5, 1009);
    let refused = index.of_subject(&[reference(7)], 0..u64::MAX, 50, &Caller::default());
    match refused {
        Err(ReadError::Io(error)) => {
            let told = error.to_string();
            assert!(told.contains("can't be written"), "{told}");
        }
        other => panic!("{other:?}"),
    }
    fs::remove_file(&directory).unwrap();
    catch_up(&index);
    assert_eq!(index.runs(), 3);
    assert!(compare(&index, &*reader, 7) > 5);
}
