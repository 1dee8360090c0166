//! Met: an id that is taken or was answered in; its answer out, kept or given again.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use tokio::sync::oneshot;

use super::basis::Basis;
use super::kept::Kept;
use super::seal::{Bound, ReplayKey, Sealed, Under};
use super::slots::{Hold, Id, Mac, Place, Verdict};
use super::writer::{Job, Work};
use super::{Asked, Room, files};
use crate::audit::hex;
use crate::refusal::Refusal;
use crate::telemetry::Replayed;

/// How long an answer waits for its copy to be written, and a repeat for the answer to be read. When
/// the disk hangs, the one leaves without and the other is asked again.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);

const ENDED: &str = "the thread that keeps them has ended; restart the gateway";

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

impl Met {
    pub(super) fn of(room: &Arc<Room>, asked: Asked<'_>) -> Result<Self, Refusal> {
        let id = room.id(asked.member, asked.request_id);
        let mac = room.mac(&id, asked.body);
        let bound = Bound::of(&room.hashing, asked.member, asked.request_id, asked.body);
        let key = asked.key;
        match room.slots.meet(id, mac, room.clock.seconds()) {
            Verdict::Taken(hold) => Ok(Self::New(Claim::of(room, hold, bound, key))),
            Verdict::Answered(at, place) => Ok(Self::Again(Again {
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
                let sealed = files::read(&directory, place, &id)?;
                let hour = || files::key_of_hour(&directory, place);
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
    /// One whose answer nobody keeps.
    pub(super) fn untold() -> Self {
        Self(None)
    }

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
            Some(Ok(())) => match tokio::time::timeout(PATIENCE, written).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => room.health.failed(&ENDED),
                Err(_) => room.health.failed(&"the disk doesn't answer"),
            },
            Some(Err(TrySendError::Full(_))) => room.health.failed(&"the disk doesn't keep up"),
            Some(Err(TrySendError::Disconnected(_))) => room.health.failed(&ENDED),
            // The gateway closes.
            None => {}
        }
    }
}

impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Claimed")
    }
}
