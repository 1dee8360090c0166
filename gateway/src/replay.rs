//! Replay: a lookup's id and body in; out, for 24 hours, the answer that it had.
//!
//! Refuses an id that came with another body, and one whose lookup is under way. No body is kept: of
//! each id there is a keyed hash in memory, and the answer on disk is sealed under a key that the
//! caller holds (`replay/seal.rs`). What can't be opened, or isn't what today's grants allow
//! ([`basis::Basis`]), is asked anew; a disk that hangs or fails costs copies and no lookup. One gateway
//! knows its own answers only.

pub mod basis;
mod files;
mod health;
mod kept;
mod met;
mod packed;
mod seal;
mod segments;
mod slots;
#[cfg(test)]
mod tests;
mod writer;

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use loket_sdk::ids::MemberId;
use serde::Deserialize;
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use crate::config::{ReplaySettings, unhex};
use crate::refusal::Refusal;
use crate::telemetry::{Replayed, Telemetry};

use health::Health;
pub use kept::Kept;
pub use met::{Again, Claim, Met};
pub use seal::ReplayKey;
use seal::Sealer;
pub use segments::OpenError;
use segments::Segments;
use slots::{Id, Mac, Owner, Slots};
use writer::Work;

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
        let hashing = hashing(subject_key);
        let health = Arc::new(Health::new(telemetry.clone()));
        let now = clock.seconds();
        let mut each = |id, mac, at, place| slots.learn(id, mac, at, Some(place), now);
        let segments = Segments::open(settings, &hashing, &health, now, &mut each)?;
        let (work, waiting) = sync_channel(QUEUE);
        let run = {
            let (clock, health) = (clock.clone(), health.clone());
            let sealer = Sealer::new(hashing.clone());
            move || writer::run(segments, sealer, &waiting, &clock, &health)
        };
        let thread = thread::Builder::new().name("replay".to_owned());
        thread.spawn(run).map_err(OpenError::Thread)?;
        Ok(Self(Some(Arc::new(Room {
            hashing,
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
        match &self.0 {
            Some(room) => Met::of(room, asked),
            None => Ok(Met::New(Claim::untold())),
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

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Room")
    }
}
