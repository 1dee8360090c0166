//! What can be wrong with a fake agency, and the switch for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::message::RecordRef;

/// What is wrong. Whatever tampers with an answer only touches those of questions that the kit
/// accepts: a wrong question is refused as ever. Exhaustive on purpose, so that a test can go
/// through all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Answers well after this time.
    Slow(Duration),
    /// For all records: closes every connection, old and new, before the handshake. For one: closes
    /// the connection (HTTP/1.1) or resets the stream (HTTP/2) instead of answering.
    Down,
    /// 200 with values that break the record's schema.
    Broken,
    /// 200 that claims to be JSON and is a proxy's page.
    NotJson,
    /// 200 of [`TOO_LARGE`](Self::TOO_LARGE) bytes.
    TooLarge,
    /// 200 with status `refused`.
    Refusing,
    /// 200 with the record of somebody else, who is also named as the subject.
    WrongCitizen,
    /// This HTTP status with a text that is no problem document.
    Status(u16),
    /// 200 with status `quota_used_up`, for an hour.
    QuotaUsedUp,
    /// 200 with status `later`, in a minute.
    Later,
    /// 200 with status `citizen_must_act`.
    CitizenMustAct,
    /// 200 with status `several_records`.
    SeveralRecords,
    /// 503 with problem `draining`.
    Draining,
    /// 200 with every field of the record and one that no schema knows, whatever was asked.
    ExtraField,
    /// 200 with this JSON, whatever was asked.
    Instead(String),
    /// Takes the question and never answers.
    Hang,
}

impl Fault {
    /// How many bytes [`Fault::TooLarge`] sends: 8 MiB.
    pub const TOO_LARGE: usize = 8 * 1024 * 1024;
}

/// The switch of a running [`FakeAgency`](super::FakeAgency). A clone is the same switch.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Switch>);

#[derive(Debug, Default)]
struct Switch {
    state: Mutex<State>,
    went_down: Notify,
}

#[derive(Debug, Default)]
struct State {
    all: Fault,
    by_record: HashMap<RecordRef, Fault>,
}

impl Faults {
    /// Sets the fault of all records that have none of their own. Counts from the next question.
    pub fn set(&self, fault: Fault) {
        let is_down = fault == Fault::Down;
        self.state().all = fault;
        if is_down {
            self.0.went_down.notify_one();
        }
    }

    /// Sets the fault of one record; it goes before that of all, even when it is [`Fault::None`].
    pub fn set_for(&self, record: RecordRef, fault: Fault) {
        self.state().by_record.insert(record, fault);
    }

    /// Mends everything.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    pub(super) fn of(&self, record: Option<&RecordRef>) -> Fault {
        let state = self.state();
        let own = record.and_then(|record| state.by_record.get(record));
        own.unwrap_or(&state.all).clone()
    }

    pub(super) fn is_down(&self) -> bool {
        self.state().all == Fault::Down
    }

    /// Returns when the agency went down and still is.
    pub(super) async fn went_down(&self) {
        loop {
            self.0.went_down.notified().await;
            if self.is_down() {
                return;
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
