//! Replay: a lookup's id and body in; out, for 24 hours, the answer that it had.
//!
//! Refuses an id that came with another body, and one whose lookup is under way. No body is kept: of
//! each id there is a keyed hash in memory, and the answer on disk is sealed under a key that the
//! caller holds (`replay/seal.rs`). What can't be opened, or isn't what today's grants allow
//! ([`basis::Basis`]), is asked anew; a disk that hangs or fails costs copies and no lookup. One gateway
//! knows its own answers only.

pub mod basis;
mod health;
mod kept;
mod seal;
mod segments;
mod slots;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use loket_sdk::ids::MemberId;
use serde::Deserialize;
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use crate::audit::hex;
use crate::config::{ReplaySettings, unhex};
use crate::refusal::Refusal;
use crate::telemetry::{Replayed, Telemetry};

use basis::Basis;
use health::Health;
pub use kept::Kept;
pub use seal::ReplayKey;
use seal::{Bound, Sealed, Under};
pub use segments::OpenError;
use segments::Segments;
use slots::{Hold, Id, Mac, Owner, Place, Slots, Verdict};
use writer::{Job, Work};

/// How long an answer is given again, in seconds.
pub const REPLAYED_FOR: u32 = 86_400;

/// From when on entries of the audit log say of ids that came.
#[must_use]
pub fn since(now: Timestamp) -> Timestamp {
    let day = jiff::SignedDuration::from_secs(REPLAYED_FOR.into());
    now.checked_sub(day).unwrap_or(now)
}

/// Answers that may wait to be written; the next one isn't kept.
const QUEUE: usize = 256;
/// How long an answer waits for its copy to be written, and a repeat for the answer to be read. When
/// the disk hangs, the one leaves without and the other is asked again.
const PATIENCE: Duration = Duration::from_millis(250);

/// Answers that are read at the same time: a disk that hangs holds a thread for each.
const READS: usize = 64;

/// What time it is.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// Asked whenever a time is needed.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    fn seconds(&self) -> u32 {
        u32::try_from((self.0)().as_second()).unwrap_or_default()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new(Timestamp::now)
    }
}

/// The answers of the last 24 hours; clones share them.
#[derive(Clone)]
pub struct Replay(Option<Arc<Room>>);

struct Room {
    hashing: hmac::Key,
    slots: Arc<Slots>,
    work: Mutex<Option<SyncSender<Work>>>,
    reads: Arc<Semaphore>,
    health: Arc<Health>,
    settings: ReplaySettings,
    telemetry: Telemetry,
    clock: Clock,
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let settings = self.0.as_ref().map(|room| &room.settings);
        f.debug_tuple("Replay").field(&settings).finish()
    }
}

/// A lookup's id, and what came with it.
pub struct Asked<'a> {
    /// Whose id it is.
    pub member: &'a MemberId,
    /// The id.
    pub request_id: Uuid,
    /// The body as it came.
    pub body: &'a [u8],
    /// What the answer is sealed under, if the caller holds a key.
    pub key: Option<ReplayKey>,
}

/// An id that may be asked for.
#[derive(Debug)]
pub enum Met {
    /// For the first time.
    New(Claim),
    /// It was answered before, with the same body.
    Again(Again),
}

/// The right to ask under an id. Dropped without an answer it leaves the id as it was.
#[derive(Debug)]
pub struct Claim(Option<Box<Claimed>>);

struct Claimed {
    room: Arc<Room>,
    hold: Hold,
    bound: Bound,
    key: Option<ReplayKey>,
}

/// An id that was answered before.
#[derive(Debug)]
pub struct Again {
    room: Arc<Room>,
    id: Id,
    mac: Mac,
    at: u32,
    place: Option<Place>,
    bound: Bound,
    key: Option<ReplayKey>,
}

impl Replay {
    /// One that keeps nothing and knows no id.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Opens the directory of `settings`, if there are some; ids and bodies are hashed under a key
    /// that is derived from `subject_key`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        settings: Option<&ReplaySettings>,
        subject_key: &[u8],
        telemetry: &Telemetry,
    ) -> Result<Self, OpenError> {
        match settings {
            Some(settings) => Self::open_at(settings, subject_key, telemetry, Clock::default()),
            None => Ok(Self::off()),
        }
    }

    /// As [`open`](Self::open), by another clock.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_at(
        settings: &ReplaySettings,
        subject_key: &[u8],
        telemetry: &Telemetry,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let slots = Arc::new(Slots::new(settings.max_entries, telemetry.clone()));
        let now = clock.seconds();
        let segments = Segments::open(settings, now, &mut |id, mac, at, place| {
            slots.learn(id, mac, at, Some(place), now);
        })?;
        let (work, waiting) = sync_channel(QUEUE);
        let health = Arc::new(Health::new(telemetry.clone()));
        let run = {
            let (clock, health) = (clock.clone(), health.clone());
            move || writer::run(segments, &waiting, &clock, &health)
        };
        let thread = thread::Builder::new().name("replay".to_owned());
        thread.spawn(run).map_err(OpenError::Thread)?;
        Ok(Self(Some(Arc::new(Room {
            hashing: hashing(subject_key),
            slots,
            work: Mutex::new(Some(work)),
            reads: Arc::new(Semaphore::new(READS)),
            health,
            settings: settings.clone(),
            telemetry: telemetry.clone(),
            clock,
        }))))
    }

    /// Learns from an entry of the audit log which body came with an id, should its answer be lost.
    pub fn remember(&self, leaf: &str) {
        #[derive(Deserialize)]
        struct Leaf {
            at: Timestamp,
            clock: Option<Timestamp>,
            kind: String,
            member: MemberId,
            request_id: Uuid,
            body_mac: String,
        }
        let Some(room) = &self.0 else { return };
        if !leaf.contains(r#""body_mac""#) {
            return;
        }
        let Ok(leaf) = serde_json::from_str::<Leaf>(leaf) else {
            return;
        };
        let mac = unhex(leaf.body_mac.as_bytes()).and_then(|mac| Mac::try_from(mac).ok());
        let at = leaf.clock.unwrap_or(leaf.at).as_second();
        if let (Some(mac), Ok(at), "lookup") = (mac, u32::try_from(at), leaf.kind.as_str()) {
            let id = room.id(&leaf.member, leaf.request_id);
            room.slots.learn(id, mac, at, None, room.clock.seconds());
        }
    }

    /// Takes the id, or finds that it was answered.
    ///
    /// # Errors
    /// [`Refusal::RequestIdReused`], [`Refusal::RequestInProgress`].
    pub fn meet(&self, asked: Asked<'_>) -> Result<Met, Refusal> {
        let Some(room) = &self.0 else {
            return Ok(Met::New(Claim(None)));
        };
        let id = room.id(asked.member, asked.request_id);
        let mac = room.mac(&id, asked.body);
        let bound = Bound::of(&room.hashing, asked.member, asked.request_id, asked.body);
        let key = asked.key;
        match room.slots.meet(id, mac, room.clock.seconds()) {
            Verdict::Taken(hold) => Ok(Met::New(Claim::of(room, hold, bound, key))),
            Verdict::Answered(at, place) => Ok(Met::Again(Again {
                room: room.clone(),
                id,
                mac,
                at,
                place,
                bound,
                key,
            })),
            Verdict::AnotherBody => {
                room.count(Replayed::Conflict);
                Err(Refusal::RequestIdReused)
            }
            Verdict::Busy => {
                room.count(Replayed::InProgress);
                Err(Refusal::RequestInProgress)
            }
        }
    }

    /// Writes what waits and unlocks the directory, at most within `patience`.
    pub async fn close_within(&self, patience: Duration) {
        let Some(room) = &self.0 else { return };
        let work = room.work().take();
        let (done, stopped) = oneshot::channel();
        if let Some(work) = work
            && work.try_send(Work::Stop(done)).is_ok()
        {
            // Without an answer in time nothing is left to be done.
            let _ = tokio::time::timeout(patience, stopped).await;
        }
    }
}

impl Again {
    /// The answer, if it can be opened and rests on the same decisions.
    pub async fn answer(&mut self, basis: Basis) -> Option<Kept> {
        let kept = Kept::unpack(&self.read().await?, basis)?;
        self.room.count(Replayed::Replayed);
        Some(kept)
    }

    async fn read(&self) -> Option<Vec<u8>> {
        let place = self.place?;
        let reading = self.room.reads.clone().try_acquire_owned();
        let directory = self.room.settings.directory.clone();
        let (id, mac, at, bound) = (self.id, self.mac, self.at, self.bound.clone());
        let key = self.key.clone();
        let read = async {
            let reading = reading.ok()?;
            let read = tokio::task::spawn_blocking(move || {
                let _reading = reading;
                let sealed = segments::read(&directory, place, &id)?;
                let hour = || segments::key_of_hour(&directory, place);
                let open =
                    |sealed: Sealed| sealed.open(key.as_ref(), hour, &bound, (&id, &mac, at));
                io::Result::Ok(sealed.and_then(open))
            });
            tokio::time::timeout(PATIENCE, read).await.ok()?.ok()?.ok()
        };
        let read = read.await;
        if read.is_none() {
            self.room.count(Replayed::Unreadable);
        }
        read?
    }

    /// The right to ask once more under the same id.
    ///
    /// # Errors
    /// [`Refusal::RequestInProgress`] when somebody else has begun to.
    pub fn ask_again(self) -> Result<Claim, Refusal> {
        let Self {
            room,
            id,
            mac,
            bound,
            key,
            ..
        } = self;
        let Some(hold) = room.slots.take_again(id, mac, room.clock.seconds()) else {
            room.count(Replayed::InProgress);
            return Err(Refusal::RequestInProgress);
        };
        room.count(Replayed::AskedAgain);
        Ok(Claim::of(&room, hold, bound, key))
    }
}

impl Claim {
    fn of(room: &Arc<Room>, hold: Hold, bound: Bound, key: Option<ReplayKey>) -> Self {
        Self(Some(Box::new(Claimed {
            room: room.clone(),
            hold,
            bound,
            key,
        })))
    }

    /// The keyed hash of the body, for the entry of the answer.
    #[must_use]
    pub fn body_mac(&self) -> Option<String> {
        self.0.as_ref().map(|claimed| hex(claimed.hold.mac()))
    }

    /// Keeps the answer, once it is recorded and before it leaves. It is compressed, sealed and
    /// written by a thread of its own: a disk that hangs costs copies, and no request.
    pub async fn keep(self, kept: &Kept, basis: Basis) {
        let Some(claimed) = self.0 else { return };
        let Claimed {
            room,
            hold,
            bound,
            key,
        } = *claimed;
        let at = room.clock.seconds();
        let under = match key {
            Some(key) => Under::Caller(key),
            None if room.settings.require_key => return hold.settle(at, None),
            None => Under::Hour,
        };
        let (done, written) = oneshot::channel();
        let (_loan, lent) = hold.lend(at);
        let job = Job {
            lent,
            under,
            bound,
            plain: kept.pack(basis),
            done,
        };
        let work = room.work().clone();
        let sent = work.map(|work| work.try_send(Work::Keep(Box::new(job))));
        match sent {
            // Nobody waits for a disk that is known to fail; it may yet write what is in the queue.
            Some(Ok(())) if room.health.fails() => {}
            Some(Ok(())) => {
                let waited = tokio::time::timeout(PATIENCE, written).await;
                if waited.is_err() {
                    room.health.failed(&"the disk doesn't answer");
                }
            }
            Some(Err(TrySendError::Full(_))) => room.health.failed(&"the disk doesn't keep up"),
            Some(Err(TrySendError::Disconnected(_))) | None => {}
        }
    }
}

impl Room {
    fn id(&self, member: &MemberId, request_id: Uuid) -> Id {
        let mut hash = hmac::Context::with_key(&self.hashing);
        hash.update(&[0]);
        hash.update(member.as_str().as_bytes());
        let owner: Owner = first(hash.sign().as_ref());
        let mut hash = hmac::Context::with_key(&self.hashing);
        hash.update(&[1]);
        hash.update(member.as_str().as_bytes());
        hash.update(&[0]);
        hash.update(request_id.as_bytes());
        let mut id: Id = first(hash.sign().as_ref());
        id[..owner.len()].copy_from_slice(&owner);
        id
    }

    fn mac(&self, id: &Id, body: &[u8]) -> Mac {
        let mut hash = hmac::Context::with_key(&self.hashing);
        hash.update(&[2]);
        hash.update(id);
        hash.update(body);
        first(hash.sign().as_ref())
    }

    fn count(&self, outcome: Replayed) {
        self.telemetry.metrics().replay(outcome, 1);
    }

    fn work(&self) -> std::sync::MutexGuard<'_, Option<SyncSender<Work>>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Not the subjects' key itself: what is hashed here mustn't look like a name in the log.
fn hashing(subject_key: &[u8]) -> hmac::Key {
    let subjects = hmac::Key::new(hmac::HMAC_SHA256, subject_key);
    let own = hmac::sign(&subjects, b"loket replay v1");
    hmac::Key::new(hmac::HMAC_SHA256, own.as_ref())
}

fn first<const N: usize>(hash: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.iter_mut()
        .zip(hash)
        .for_each(|(out, byte)| *out = *byte);
    out
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claimed")
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Room")
    }
}
