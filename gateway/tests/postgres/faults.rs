//! A database that fails, hangs or comes back: nothing acknowledged is lost, and nothing waits for ever.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loket_gateway::audit::store::postgres::SCHEMA;
use loket_gateway::audit::store::suite::{append, cases, draft, keys, signer};
use loket_gateway::audit::store::{Postgres, Recovered, Store};

use super::proxy::{Break, Proxy};
use super::{Database, open, whole};

/// Until it does.
pub(super) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < until, "{what}");
        thread::yield_now();
    }
}

/// Appends single entries while `fault` goes on, and afterwards until one succeeds; the numbers that
/// were acknowledged, with their places, and how many were refused.
fn under_load(database: &Database, fault: impl FnOnce() + Send) -> (Vec<(u64, u64)>, usize) {
    let over = AtomicBool::new(false);
    let mut store = open(database).unwrap();
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            fault();
            over.store(true, Ordering::Relaxed);
        });
        let until = Instant::now() + Duration::from_secs(120);
        for number in 1.. {
            let ended = over.load(Ordering::Relaxed);
            match store.append(&[draft(number)]) {
                Ok(committed) => {
                    acknowledged.push((committed.first, number));
                    if ended {
                        break;
                    }
                }
                // What turns out to be on record all the same counts as well.
                Err(_) => match store.recover() {
                    Ok(Recovered::Late(committed)) => acknowledged.push((committed.first, number)),
                    _ => refused += 1,
                },
            }
            assert!(Instant::now() < until, "it doesn't come back");
        }
    });
    (acknowledged, refused)
}

fn nothing_is_lost(database: &Database, acknowledged: &[(u64, u64)]) {
    let total = whole(database).unwrap().entries;
    let found = cases(&*open(database).unwrap().reader(), 0..total);
    for (place, number) in acknowledged {
        assert_eq!(
            found[usize::try_from(*place).unwrap()],
            format!("c-{number}")
        );
    }
    let mut once = found.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), found.len());
}

#[test]
fn connections_that_are_ended_cost_nothing_acknowledged() {
    let database = Database::start(SCHEMA);
    let (acknowledged, _) = under_load(&database, || {
        for _ in 0..30 {
            database.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'gateway'",
            );
        }
    });
    nothing_is_lost(&database, &acknowledged);
}

#[test]
fn a_server_that_crashes_loses_nothing_acknowledged() {
    let mut database = Database::start(SCHEMA);
    let mut acknowledged = Vec::new();
    // The gateway goes on writing while the server is gone.
    let mut store = open(&database).unwrap();
    let mut number = 0;
    for _ in 0..3 {
        let crashed = AtomicBool::new(false);
        thread::scope(|scope| {
            let (store, acknowledged, number) = (&mut store, &mut acknowledged, &mut number);
            let writing = scope.spawn(|| {
                while !crashed.load(Ordering::Relaxed) {
                    *number += 1;
                    let committed = store.append(&[draft(*number)]);
                    let late = || match store.recover() {
                        Ok(Recovered::Late(committed)) => Some(committed),
                        _ => None,
                    };
                    if let Some(committed) = committed.ok().or_else(late) {
                        acknowledged.push((committed.first, *number));
                    }
                }
            });
            let since = Instant::now();
            eventually("half a second", || {
                since.elapsed() > Duration::from_millis(500)
            });
            database.crash();
            database.run();
            crashed.store(true, Ordering::Relaxed);
            writing.join().unwrap();
        });
    }
    eventually("it comes back", || {
        store.recover().is_ok() && store.probe().is_ok()
    });
    append(&mut store, 1_000_000..=1_000_000);
    nothing_is_lost(&database, &acknowledged);
    assert!(acknowledged.len() > 10, "{}", acknowledged.len());
}

/// Another session keeps the lock, as one whose gateway hangs: the wait ends, and it is told why.
#[test]
fn a_lock_that_is_held_costs_a_time_out() {
    let database = Database::start(SCHEMA);
    let mut settings = super::settings(&database);
    settings.statement_timeout = Duration::from_millis(300);
    let mut store = Postgres::open(&settings, signer(), keys()).unwrap();
    append(&mut store, 1..=1);
    let refused = thread::scope(|scope| {
        let held = scope.spawn(|| {
            database
                .ask("BEGIN; SELECT FROM loket_audit.head FOR UPDATE; SELECT pg_sleep(3); ROLLBACK")
        });
        eventually("it is locked", || {
            let locked = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
            database.ask(locked) == "1"
        });
        let began = Instant::now();
        let refused = store.append(&[draft(2)]).unwrap_err().to_string();
        assert!(
            began.elapsed() < Duration::from_millis(2_500),
            "{:?}",
            began.elapsed()
        );
        held.join().unwrap();
        refused
    });
    assert!(refused.contains("statement timeout"), "{refused}");
    append(&mut store, 3..=3);
    assert_eq!(whole(&database).unwrap().entries, 2);
}

/// A gateway that falls silent with the lock is thrown out, so that the others go on; and what it
/// wanted to commit isn't there when it comes back.
#[test]
fn a_gateway_that_hangs_halfway_holds_up_nobody_for_long() {
    let database = Database::start(SCHEMA);
    let proxy = Proxy::before(&database.socket());
    let mut settings = super::settings(&database);
    settings.statement_timeout = Duration::from_millis(500);
    let mut other = Postgres::open(&settings, signer(), keys()).unwrap();
    settings.host = proxy.socket().to_string_lossy().into_owned();
    let mut hanging = Postgres::open(&settings, signer(), keys()).unwrap();
    append(&mut hanging, 1..=1);
    proxy.breaks(Break::Swallow);
    thread::scope(|scope| {
        let hanging = scope.spawn(|| hanging.append(&[draft(2)]));
        eventually("it is about to commit", || proxy.has_broken());
        eventually("the other is let in", || other.append(&[draft(3)]).is_ok());
        assert!(hanging.join().unwrap().is_err());
    });
    append(&mut hanging, 4..=4);
    assert_eq!(cases(&*other.reader(), 0..3), ["c-1", "c-3", "c-4"]);
    assert_eq!(whole(&database).unwrap().entries, 3);
}

/// The commit is done, and the line breaks before its answer: it is looked up, and counts, also when
/// others have written since.
#[test]
fn a_commit_whose_answer_is_lost_counts_once() {
    let database = Database::start(SCHEMA);
    let proxy = Proxy::before(&database.socket());
    let mut settings = super::settings(&database);
    settings.host = proxy.socket().to_string_lossy().into_owned();
    let mut store = Postgres::open(&settings, signer(), keys()).unwrap();
    let mut other = open(&database).unwrap();
    for number in 1..=10 {
        proxy.breaks(Break::CutAnswer);
        let committed = store.append(&[draft(number)]).unwrap();
        assert_eq!(committed.first, (number - 1) * 2);
        assert!(proxy.has_broken());
        append(&mut other, number + 100..=number + 100);
    }
    assert_eq!(whole(&database).unwrap().entries, 20);
}

/// As before, but for so long that the gateway has to say that it doesn't know.
#[test]
fn a_commit_that_turns_out_late_is_answered_and_not_written_again() {
    let database = Database::start(SCHEMA);
    let proxy = Proxy::before(&database.socket());
    let mut settings = super::settings(&database);
    settings.host = proxy.socket().to_string_lossy().into_owned();
    (settings.connect_timeout, settings.statement_timeout) =
        (Duration::from_millis(300), Duration::from_millis(300));
    let mut store = Postgres::open(&settings, signer(), keys()).unwrap();
    append(&mut store, 1..=1);
    let mut other = open(&database).unwrap();
    proxy.breaks(Break::CutAnswerAndStayAway);
    let refused = store.append(&[draft(2), draft(3)]).unwrap_err().to_string();
    assert!(refused.contains("isn't known"), "{refused}");
    assert!(matches!(store.recover().unwrap(), Recovered::Unknown(_)));
    // It takes nothing before it knows where the log ends.
    store.append(&[draft(99)]).unwrap_err();
    eventually("the server commits", || other.probe().is_ok());
    append(&mut other, 4..=4);
    proxy.comes_back();
    let Recovered::Late(committed) = store.recover().unwrap() else {
        panic!("it is on record");
    };
    assert_eq!((committed.first, committed.placed.len()), (1, 2));
    let said = keys().open(committed.checkpoint.note.as_bytes()).unwrap();
    assert_eq!(said.size(), 3);
    assert!(matches!(store.recover().unwrap(), Recovered::Back));
    append(&mut store, 5..=5);
    let total = whole(&database).unwrap().entries;
    let expected: Vec<String> = (1..=5).map(|n| format!("c-{n}")).collect();
    assert_eq!(cases(&*store.reader(), 0..total), expected);
}

/// The server's process is stopped, so that nothing answers and nothing is refused.
#[test]
fn a_database_that_hangs_is_given_up() {
    let database = Database::start(SCHEMA);
    let mut settings = super::settings(&database);
    settings.statement_timeout = Duration::from_millis(300);
    settings.connect_timeout = Duration::from_millis(300);
    let mut store = Postgres::open(&settings, signer(), keys()).unwrap();
    append(&mut store, 1..=1);
    let frozen = database.freeze();
    let began = Instant::now();
    let refused = store.append(&[draft(2)]).unwrap_err().to_string();
    assert!(refused.contains("doesn't answer"), "{refused}");
    assert!(store.probe().is_err());
    assert!(store.reader().checkpoint().is_err());
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    drop(frozen);
    eventually("it comes back", || {
        store.recover().is_ok() && store.append(&[draft(3)]).is_ok()
    });
    let entries = whole(&database).unwrap().entries;
    assert_eq!(cases(&*store.reader(), entries - 1..entries), ["c-3"]);
}

#[test]
fn a_server_that_could_lose_what_it_says_it_keeps_is_refused() {
    let mut database = Database::start(SCHEMA);
    for (setting, told) in [
        ("fsync", "fsync off"),
        ("full_page_writes", "full_page_writes off"),
    ] {
        database.stop();
        database.configure(&format!("{setting} = off\n"));
        database.run();
        let refused = open(&database).unwrap_err();
        let cause = std::error::Error::source(&refused).unwrap().to_string();
        assert!(cause.contains(told), "{cause}");
    }
    // This one a session may set for itself.
    database.stop();
    database.configure("synchronous_commit = off\n");
    database.run();
    let mut store = open(&database).unwrap();
    append(&mut store, 1..=1);
    // The order to the server comes right after the answer: a commit that isn't synchronous is gone.
    database.crash();
    database.run();
    assert_eq!(whole(&database).unwrap().entries, 1);
    database.ask("UPDATE loket_audit.version SET version = 1");
    assert!(open(&database).is_err());
    database.ask("DROP SCHEMA loket_audit CASCADE");
    let refused = open(&database).unwrap_err();
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("loket audit schema"), "{cause}");
}

/// A database without room, as its tablespace on a full disk.
#[test]
fn a_full_disk_refuses_until_there_is_room() {
    let database = Database::start(SCHEMA);
    let mut store = open(&database).unwrap();
    append(&mut store, 1..=2);
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$; \
         CREATE TRIGGER full_disk BEFORE INSERT ON loket_audit.leaf EXECUTE FUNCTION full_disk()";
    database.ask(full);
    let refused = store.append(&[draft(3)]).unwrap_err().to_string();
    assert!(
        refused.contains("No space left") && refused.contains("53100"),
        "{refused}"
    );
    store.recover().unwrap();
    assert!(store.probe().is_err());
    database.ask("DROP TRIGGER full_disk ON loket_audit.leaf");
    store.recover().unwrap();
    store.probe().unwrap();
    append(&mut store, 4..=4);
    assert_eq!(cases(&*store.reader(), 0..3), ["c-1", "c-2", "c-4"]);
    assert_eq!(whole(&database).unwrap().entries, 3);
}
