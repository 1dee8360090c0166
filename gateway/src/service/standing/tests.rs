use std::io;
use std::sync::{Arc, Condvar, Mutex};

use super::*;
use crate::audit::draft::Draft;
use crate::audit::log::{self, Log, Options, to_its_end};
use crate::audit::store::suite::{append, signer};
use crate::audit::store::{Committed, Head, Memory, Reader, Recovered, Store};
use crate::directory::GrantState;
use crate::fixture::world;
use crate::grants::{Change, Version};

fn change(grant: &str, serial: u64) -> Change {
    let version = Version {
        serial,
        state: GrantState::Active,
        narrowed: false,
        kid: "bpjs-1".to_owned(),
        sha256: format!("{serial:064}"),
    };
    Change {
        grant_id: grant.to_owned(),
        before: None,
        after: Some(version),
    }
}

fn after(changes: &[Change]) -> Versions {
    let mut versions = Versions::default();
    for change in changes {
        versions.replay(change.clone());
    }
    versions
}

fn since(reader: &dyn Reader) -> Option<u64> {
    seen::grants_known_since(reader, &mut to_its_end).unwrap()
}

/// What a start knows that reads no further back than it has to.
fn known(reader: &dyn Reader) -> Told {
    let mut told = Told::default();
    let from = since(reader).unwrap();
    let read = log::replay(reader, from, &mut |line| {
        seen::of(line).into_iter().for_each(|seen| told.hear(seen));
        ControlFlow::Continue(())
    });
    told.read_to(read.unwrap());
    told
}

async fn record(audit: &Audit, change: &Change) {
    let entry = ActEntry::grant_changed(change.clone());
    audit.log().record(&entry).await.unwrap();
}

fn audit(store: impl Store + 'static) -> Audit {
    Audit::new(
        Log::start(Box::new(store), Options::default()).unwrap(),
        b"key",
    )
}

#[tokio::test]
async fn what_another_gateway_changed_is_told_too() {
    let (audit, metrics) = (audit(Memory::new(signer())), world::telemetry());
    let metrics = metrics.metrics();
    let changes = [change("grt-1", 4), change("grt-2", 1), change("grt-1", 5)];
    record(&audit, &changes[0]).await;
    record(&audit, &changes[1]).await;
    let mut one = known(&**audit.log().reader());
    assert!(one.begin(&audit, metrics).await);
    // The other one has a newer directory, and ends before it puts anything else on record.
    record(&audit, &changes[2]).await;
    assert!(one.begin(&audit, metrics).await);
    let reader = audit.log().reader();
    assert!(since(&**reader) > Some(4), "nothing before is read");
    assert_eq!(*known(&**reader).versions(), after(&changes));
}

/// As by a reload or by another gateway: the record doesn't know of it, and hides nothing.
#[tokio::test]
async fn what_changes_before_it_is_on_record_is_known() {
    let (audit, metrics) = (audit(Memory::new(signer())), world::telemetry());
    let changes = [change("grt-1", 4), change("grt-1", 5), change("grt-2", 1)];
    record(&audit, &changes[0]).await;
    let one = known(&**audit.log().reader());
    for change in &changes[1..] {
        record(&audit, change).await;
    }
    one.record(&audit, metrics.metrics()).await.unwrap();
    let reader = audit.log().reader();
    assert_eq!(since(&**reader), Some(1));
    assert_eq!(*known(&**reader).versions(), after(&changes));
}

#[test]
fn changes_tell_all_where_it_was_never_put_on_record_at_once() {
    let mut store = Memory::new(signer());
    append(&mut store, 1..=5000);
    assert_eq!(since(&*store.reader()), None);
    let changes = [change("grt-1", 1), change("grt-1", 2)];
    for change in &changes {
        let entry = ActEntry::grant_changed(change.clone());
        store.append(&[Draft::of(&entry).unwrap()]).unwrap();
        append(&mut store, 1..=5000);
    }
    assert_eq!(since(&*store.reader()), Some(5000));
    assert_eq!(*known(&*store.reader()).versions(), after(&changes));
}

/// A disk that hangs until it is opened.
struct Hanging {
    store: Memory,
    is_open: Arc<(Mutex<bool>, Condvar)>,
}

impl Store for Hanging {
    fn append(&mut self, drafts: &[Draft]) -> io::Result<Committed> {
        let (is_open, opens) = &*self.is_open;
        let shut = is_open.lock().unwrap();
        drop(opens.wait_while(shut, |is_open| !*is_open).unwrap());
        self.store.append(drafts)
    }

    fn recover(&mut self) -> io::Result<Recovered> {
        Ok(Recovered::Back)
    }

    fn probe(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn head(&self) -> Head {
        self.store.head()
    }

    fn reader(&self) -> Arc<dyn Reader> {
        self.store.reader()
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_holds_up_no_start_and_it_is_tried_again_soon() {
    let mut store = Memory::new(signer());
    let entry = ActEntry::grant_changed(change("grt-1", 4));
    store.append(&[Draft::of(&entry).unwrap()]).unwrap();
    let is_open = Arc::new((Mutex::new(false), Condvar::new()));
    let audit = audit(Hanging {
        store,
        is_open: is_open.clone(),
    });
    let metrics = world::telemetry().metrics().clone();
    let reader = audit.log().reader().clone();
    let mut told = known(&*reader);
    let began = Instant::now();
    assert!(!told.begin(&audit, &metrics).await);
    assert!(began.elapsed() < PATIENCE * 2);
    assert_eq!(since(&*reader), Some(0), "nothing is on record");
    *is_open.0.lock().unwrap() = true;
    is_open.1.notify_all();
    let keeping = tokio::spawn(keep(told, audit, metrics, false));
    // The clock goes on by itself, and the log's thread in its own time.
    while since(&*reader) == Some(0) {
        sleep(LOOK_EVERY).await;
    }
    assert!(began.elapsed() < EVERY);
    keeping.abort();
}
