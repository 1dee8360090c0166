//! What stands between the callers and the writer: a bounded queue, and the log's health.
//!
//! One lock decides whether there is room, whether the log is closed and in what order entries
//! stand, so that nothing can slip in between a close and the last drain.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::super::draft::Draft;
use super::{AuditError, Health, Options, Receipt};

/// An entry on its way to the store.
pub(super) struct Job {
    pub(super) draft: Draft,
    /// Nobody waits for a detached entry.
    pub(super) reply: Option<Reply>,
}

/// Where somebody waits for a receipt.
pub(super) struct Reply {
    pub(super) to: oneshot::Sender<Result<Receipt, AuditError>>,
    /// The runtime that waits.
    pub(super) runtime: Option<Handle>,
}

impl Reply {
    /// Whether somebody still waited.
    pub(super) fn send(self, outcome: Result<Receipt, AuditError>) -> bool {
        self.to.send(outcome).is_ok()
    }
}

/// Hands out what a batch came to. A runtime is woken once for all that wait on it: each receipt sent
/// from outside would be a system call.
pub(super) fn hand_out(receipts: impl Iterator<Item = (Reply, Receipt)>) {
    let mut groups: Vec<(Handle, Vec<(Reply, Receipt)>)> = Vec::new();
    for (reply, receipt) in receipts {
        let Some(runtime) = &reply.runtime else {
            reply.send(Ok(receipt));
            continue;
        };
        let group = groups.iter_mut().find(|(at, _)| at.id() == runtime.id());
        match group {
            Some((_, group)) => group.push((reply, receipt)),
            None => groups.push((runtime.clone(), vec![(reply, receipt)])),
        }
    }
    for (runtime, group) in groups {
        // If the runtime is going, so are those who wait on it.
        runtime.spawn(async move {
            for (reply, receipt) in group {
                reply.send(Ok(receipt));
            }
        });
    }
}

pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    limit: usize,
    reserve: usize,
    stall: Duration,
}

struct State {
    jobs: VecDeque<Job>,
    /// Entries that the writer holds back until the disk is well.
    kept: usize,
    /// Waking a thread is a system call: spared while the writer is busy anyway.
    asleep: bool,
    closed: bool,
    writable: bool,
    /// Since when the writer waits for the disk.
    waiting: Option<Instant>,
    entries: u64,
    signed_at: Option<Timestamp>,
    lost: u64,
    last_error: Option<String>,
}

impl State {
    /// A disk that hangs says nothing: it shows only in how long it has been silent.
    fn is_stalled(&self, stall: Duration) -> bool {
        self.waiting.is_some_and(|since| since.elapsed() >= stall)
    }
}

impl Queue {
    pub(super) fn new(options: &Options, entries: u64) -> Self {
        let state = State {
            jobs: VecDeque::new(),
            kept: 0,
            asleep: false,
            closed: false,
            writable: true,
            waiting: None,
            entries,
            signed_at: None,
            lost: 0,
            last_error: None,
        };
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
            limit: options.queue,
            reserve: options.reserve,
            stall: options.stall,
        }
    }

    /// Queues an entry. A detached one may use the reserve.
    pub(super) fn push(&self, job: Job) -> Result<(), AuditError> {
        let detached = job.reply.is_none();
        let room = self.limit + if detached { self.reserve } else { 0 };
        let mut state = self.state();
        if state.closed {
            return Err(AuditError::Closed);
        }
        if state.jobs.len() >= room {
            return Err(AuditError::Overloaded);
        }
        state.jobs.push_back(job);
        let asleep = std::mem::take(&mut state.asleep);
        // What wakes mustn't find the lock taken.
        drop(state);
        if asleep {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Waits for entries and takes what there is, up to about `bytes`, not before `due` unless they
    /// are half of what may wait. The batch is empty when `patience` ran out, and there is none when
    /// the log is closed and drained.
    pub(super) fn take(
        &self,
        bytes: usize,
        due: Instant,
        patience: Option<Duration>,
    ) -> Option<Vec<Job>> {
        let mut state = self.state();
        while state.jobs.is_empty() {
            if state.closed {
                return None;
            }
            state.asleep = true;
            let Some(patience) = patience else {
                let woken = self.wake.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let woken = self.wake.wait_timeout(state, patience);
            let (awake, timeout) = woken.unwrap_or_else(PoisonError::into_inner);
            state = awake;
            if timeout.timed_out() && state.jobs.is_empty() && !state.closed {
                state.asleep = false;
                return Some(Vec::new());
            }
        }
        state.asleep = false;
        let early = due.saturating_duration_since(Instant::now());
        if !early.is_zero() && !state.closed && state.jobs.len() < self.limit / 2 {
            drop(state);
            // Nobody wakes the thread meanwhile: that it isn't woken for each entry is the point.
            thread::sleep(early);
            state = self.state();
        }
        let mut room = bytes;
        let fitting = state.jobs.iter().take_while(|job| {
            let fits = room > 0;
            room = room.saturating_sub(job.draft.len());
            fits
        });
        // One entry is always taken, however small the room.
        let count = fitting.count().max(1);
        state.waiting = Some(Instant::now());
        Some(state.jobs.drain(..count).collect())
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.wake.notify_one();
    }

    /// Closes the queue when the writer is gone, whatever it was that ended it.
    pub(super) fn abandon(&self) {
        let mut state = self.state();
        state.closed = true;
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        let detached = jobs.iter().filter(|job| job.reply.is_none()).count();
        self.lose(detached, AuditError::Closed);
    }

    /// Notes a batch on disk.
    pub(super) fn written(&self, entries: u64) {
        let mut state = self.state();
        state.waiting = None;
        state.kept = 0;
        state.entries = entries;
        state.signed_at = Some(Timestamp::now());
        if !std::mem::replace(&mut state.writable, true) {
            drop(state);
            tracing::info!("the audit log can be written again");
        }
    }

    /// Notes how many entries the writer holds back.
    pub(super) fn keep(&self, kept: usize) {
        self.state().kept = kept;
    }

    /// Notes a failure.
    pub(super) fn failed(&self, error: String) {
        let mut state = self.state();
        state.waiting = None;
        let news = std::mem::replace(&mut state.writable, false);
        state.last_error = Some(error.clone());
        drop(state);
        // One line when it begins: a full disk must not fill the other one.
        if news {
            tracing::error!(audit.error = error, "the audit log can't be written");
        }
    }

    /// Counts entries that nobody waits for and that won't be written.
    pub(super) fn lose(&self, count: usize, error: AuditError) {
        if count > 0 {
            self.state().lost += count as u64;
            tracing::error!(audit.lost = count, %error, "audit entries were lost");
        }
    }

    pub(super) fn writable(&self) -> bool {
        self.state().writable
    }

    /// Whether an entry that comes now is likely to be written.
    pub(super) fn is_well(&self) -> bool {
        let state = self.state();
        state.writable && !state.closed && !state.is_stalled(self.stall)
    }

    pub(super) fn health(&self) -> Health {
        let state = self.state();
        let stalled = state.is_stalled(self.stall);
        let silent = || "the disk doesn't answer".to_owned();
        Health {
            writable: state.writable && !state.closed && !stalled,
            queued: state.jobs.len() + state.kept,
            entries: state.entries,
            signed_at: state.signed_at,
            lost: state.lost,
            last_error: stalled.then(silent).or_else(|| state.last_error.clone()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state whole, even one that a panic ends.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
