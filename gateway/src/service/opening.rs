//! Opening: settings in, the audit log out, and what it says of the day's questions, of ids that came, of
//! broken glasses and of grants. It blocks for as long as the log is busy, so it has a thread of its own,
//! says how far it is, and ends when nobody waits for it any more.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::StartError;
use super::asked::Asked;
use super::seen;
use super::standing::Told;
use crate::audit::store::{self, OpenError, ReadError, Reader, Store};
use crate::audit::{log, retention};
use crate::break_glass::{KEPT, Waiting};
use crate::config::Config;
use crate::replay::{self, Replay};
use crate::telemetry::Telemetry;

/// How often it says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// After how many entries it looks at the time, and whether anyone waits.
const LOOK_EVERY: u64 = 4096;

/// An open log, and what was learnt from it.
pub(super) struct Opened {
    pub(super) store: Box<dyn Store>,
    pub(super) replay: Replay,
    pub(super) learnt: Learnt,
}

/// What the log says.
pub(super) struct Learnt {
    pub(super) asked: Asked,
    pub(super) waiting: Waiting,
    pub(super) grants: Told,
}

/// Opens what is configured.
///
/// # Errors
/// When it can't be opened or read.
pub(super) async fn open(config: &Config, telemetry: &Telemetry) -> Result<Opened, StartError> {
    let now = Timestamp::now();
    let asked = Asked::today(&config.directory, &config.time_zone, now);
    let (audit, settings) = (config.audit.clone(), config.replay.clone());
    let telemetry = telemetry.clone();
    let left = Arc::new(AtomicBool::new(false));
    let _guard = Left(left.clone());
    let opening = tokio::task::spawn_blocking(move || {
        let store = store::open(&audit)?;
        let key = audit.subject_key.expose();
        let replay = Replay::open(settings.as_ref(), key, &telemetry)?;
        let learnt = Learnt::of(&*store.reader(), asked, &replay, now, &left);
        Ok(Opened {
            store,
            replay,
            learnt: learnt.map_err(OpenError::from)?,
        })
    });
    let failed = |error| OpenError::Read(io::Error::other(error));
    opening.await.map_err(failed)?
}

impl Learnt {
    fn of(
        reader: &dyn Reader,
        mut asked: Asked,
        replay: &Replay,
        now: Timestamp,
        left: &AtomicBool,
    ) -> Result<Self, ReadError> {
        let waiting = Waiting::default();
        let mut grants = Told::default();
        let recent = asked.since.min(now - KEPT).min(replay::since(now));
        let size = reader.checkpoint()?.size;
        let mut back = Progress::new(size, left);
        retention::is_on_record(reader, &mut |done| {
            back.is_at(done, "where entries were deleted")
        })?;
        let recent = log::since(reader, recent)?;
        // Where nothing was ever put on record, nothing signed was in force.
        let known = seen::grants_known_since(reader, &mut |done| {
            back.is_at(done, "where all that is known of grants was put on record")
        });
        let from = known?.map_or(recent, |known| known.min(recent));
        let mut progress = Progress::new(size.saturating_sub(from), left);
        let read = log::replay(reader, from, &mut |leaf| {
            asked.count(leaf);
            replay.remember(leaf);
            waiting.replay(leaf);
            if let Some(seen) = seen::of(leaf) {
                grants.hear(seen);
            }
            progress.one_more("what the audit log says of the last days")
        })?;
        grants.read_to(read);
        Ok(Self {
            asked,
            waiting,
            grants,
        })
    }
}

/// Whoever waited has left.
struct Left(Arc<AtomicBool>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Progress<'a> {
    left: &'a AtomicBool,
    done: u64,
    all: u64,
    told: Instant,
}

impl<'a> Progress<'a> {
    /// Of so many entries at most, as long as nobody has left.
    fn new(all: u64, left: &'a AtomicBool) -> Self {
        Self {
            left,
            done: 0,
            all,
            told: Instant::now(),
        }
    }

    fn one_more(&mut self, what: &'static str) -> ControlFlow<()> {
        self.done += 1;
        if !self.done.is_multiple_of(LOOK_EVERY) {
            return ControlFlow::Continue(());
        }
        match self.is_at(self.done, what) {
            Ok(()) => ControlFlow::Continue(()),
            // Nobody waits for what is missing.
            Err(_) => ControlFlow::Break(()),
        }
    }

    /// Goes on only while somebody waits.
    fn is_at(&mut self, done: u64, what: &'static str) -> Result<(), ReadError> {
        if self.left.load(Ordering::Relaxed) {
            return Err(ReadError::Io(io::ErrorKind::Interrupted.into()));
        }
        if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            tracing::info!(loket.done = done, loket.all = self.all, "reading {what}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::audit::ActEntry;
    use crate::audit::draft::Draft;
    use crate::audit::store::copy::Target;
    use crate::audit::store::suite::{Lying, append, replaced, signer};
    use crate::audit::store::{Batch, Flaw, Head, Memory};
    use crate::directory::{Directory, GrantState};
    use crate::fixture::town;
    use crate::grants::{Change, Standing, Version, Versions};

    fn version(serial: u64) -> Version {
        Version {
            serial,
            state: GrantState::Active,
            narrowed: false,
            kid: "bpjs-1".to_owned(),
            sha256: format!("{serial:064}"),
        }
    }

    fn learn(store: &Memory, now: Timestamp) -> Learnt {
        let directory = Directory::new(town::parts()).unwrap();
        let asked = Asked::today(&directory, &town::zone(), now);
        let left = AtomicBool::new(false);
        Learnt::of(&*store.reader(), asked, &Replay::off(), now, &left).unwrap()
    }

    /// The clock of a test goes from where the entries were written.
    #[test]
    fn a_serial_is_known_however_long_the_log_was_quiet() {
        let mut store = Memory::new(signer());
        let change = |grant: &str, serial| Change {
            grant_id: grant.to_owned(),
            before: None,
            after: Some(version(serial)),
        };
        let mut known = Versions::default();
        let mut write = |entry: &ActEntry| {
            let committed = store.append(&[Draft::of(entry).unwrap()]).unwrap();
            committed.first + 1
        };
        for (grant, serial) in (1..=150).map(|n| (format!("grt-{n:03}"), n)) {
            known.replay(change(&grant, serial));
            write(&ActEntry::grant_changed(change(&grant, serial)));
        }
        let gone = Change {
            grant_id: "grt-007".to_owned(),
            before: Some(version(7)),
            after: None,
        };
        known.replay(gone.clone());
        write(&ActEntry::grant_changed(gone));
        let parts = known.standing();
        assert_eq!(parts.len(), 3);
        let numbers: Vec<u64> = parts
            .into_iter()
            .map(|part| write(&ActEntry::grants_standing(part)))
            .collect();
        let end = Standing {
            since: Some(numbers[0]),
            ..Standing::default()
        };
        write(&ActEntry::grants_standing(end));
        // One that was broken off counts for nothing, and takes nothing away.
        let mut half = known.standing();
        write(&ActEntry::grants_standing(half.remove(0)));
        append(&mut store, 1..=10);
        for days in [0, 1, 5, 4000] {
            let later = Timestamp::now() + (days * 24).hours();
            assert_eq!(*learn(&store, later).grants.versions(), known, "{days}");
        }
    }

    /// Neither what is known of grants, wherever it stands, nor what is recent is read as it wasn't written.
    #[test]
    fn a_start_reads_nothing_that_is_not_proven() {
        let mut store = Memory::new(signer());
        let change = Change {
            grant_id: "grt-007".to_owned(),
            before: None,
            after: Some(version(7)),
        };
        let mut known = Versions::default();
        known.replay(change);
        for part in known.standing() {
            let entry = ActEntry::grants_standing(part);
            store.append(&[Draft::of(&entry).unwrap()]).unwrap();
        }
        let end = Standing {
            since: Some(1),
            ..Standing::default()
        };
        let entry = ActEntry::grants_standing(end);
        store.append(&[Draft::of(&entry).unwrap()]).unwrap();
        append(&mut store, 1..=10_000);
        let reader = store.reader();
        let later = Timestamp::now() + (4000 * 24).hours();
        let start = |forged| {
            let lying = Lying {
                forged,
                ..Lying::of(reader.clone())
            };
            let directory = Directory::new(town::parts()).unwrap();
            let asked = Asked::today(&directory, &town::zone(), later);
            let left = AtomicBool::new(false);
            Learnt::of(&lying, asked, &Replay::off(), later, &left)
        };
        assert_eq!(*start(Vec::new()).unwrap().grants.versions(), known);
        let end = r#""kind":"grants_standing","standing":{"since":9999}"#;
        for (place, from, to) in [
            (0, r#""serial":7"#, r#""serial":3"#),
            (1, "grants_standing", "grants_counting"),
            (1, r#""since":1"#, r#""since":9999"#),
            (7000, r#""kind":"lookup""#, end),
        ] {
            let forged = replaced(&*reader, place, from, to);
            let refused = start(vec![forged]).map(drop);
            let broken = matches!(
                refused,
                Err(ReadError::Broken {
                    what: Flaw::Rewritten { .. },
                    ..
                })
            );
            assert!(broken, "{place} {to}: {refused:?}");
        }
        // Where it looks for what is recent.
        let now = Timestamp::now();
        let forged = replaced(&*reader, 5001, r#"{"at":"20"#, r#"{"at":"10"#);
        let lying = Lying {
            forged: vec![forged],
            ..Lying::of(reader.clone())
        };
        log::since(&lying, now - 1.hours()).unwrap_err();
    }

    /// An entry after another clock was set right has a late date, and doesn't count as recent for ever.
    #[test]
    fn a_clock_that_ran_ahead_makes_no_later_start_longer() {
        let mut store = Memory::new(signer());
        let leaf = |n: u32, at: &str, clock: Option<&str>| {
            let clock = clock.map(|clock| format!(r#","clock":"{clock}""#));
            let own = format!(r#""at":"{at}"{}"#, clock.unwrap_or_default());
            format!(r#"{{{own},"kind":"lookup","case_id":"c-{n}"}}"#).into_bytes()
        };
        let ahead = "2027-11-24T00:00:00Z";
        let mut leaves: Vec<_> = (0..50)
            .map(|n| leaf(n, "2026-10-01T00:00:00Z", None))
            .collect();
        leaves.push(leaf(50, ahead, None));
        leaves.extend((51..100).map(|n| leaf(n, ahead, Some("2026-10-02T00:00:00Z"))));
        leaves.extend((100..110).map(|n| leaf(n, ahead, Some("2026-11-24T00:00:00Z"))));
        let batch = Batch::again(&leaves, &Head::default(), &signer()).unwrap();
        store.write(batch).unwrap();
        let moment = "2026-11-23T00:00:00Z".parse().unwrap();
        assert_eq!(log::since(&*store.reader(), moment).unwrap(), 100);
    }

    #[test]
    fn who_left_is_not_read_for() {
        let mut store = Memory::new(signer());
        append(&mut store, 1..=2 * LOOK_EVERY);
        let left = AtomicBool::new(true);
        let mut progress = Progress::new(2 * LOOK_EVERY, &left);
        log::replay(&*store.reader(), 0, &mut |_| progress.one_more("it")).unwrap();
        assert_eq!(progress.done, LOOK_EVERY);
        let mut read = 0;
        let back = log::last(
            &*store.reader(),
            &mut |done| progress.is_at(done, "back"),
            &mut |_, _| {
                read += 1;
                None::<()>
            },
        );
        assert!(matches!(back, Err(ReadError::Io(_))), "{back:?}");
        assert_eq!(read, 0);
    }
}
