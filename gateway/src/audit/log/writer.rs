//! The thread that writes: batches in, the store's commits, receipts out.
//!
//! Nothing is answered before it is durable. After any failure the store goes back to what is known
//! to be durable before it takes anything else. A batch that may be on record or not is neither refused
//! nor written again until that is known.

use std::io;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::super::draft::Draft;
use super::super::store::{Committed, Recovered, Store};
use super::queue::{self, Job, Queue, Reply};
use super::{AuditError, Options, Receipt};

/// A clock that is corrected by less isn't worth a line.
const CORRECTION: SignedDuration = SignedDuration::from_secs(1);

pub(super) fn run(
    store: Box<dyn Store>,
    options: Options,
    queue: Arc<Queue>,
    finished: (watch::Sender<()>, mpsc::Sender<()>),
) {
    let _finish = Finish {
        queue: Arc::clone(&queue),
        _finished: finished,
    };
    let writer = Writer {
        at: store.head().at,
        store,
        options,
        queue,
        kept: Vec::new(),
        doubtful: None,
        began: None,
        behind: false,
    };
    // The writer is gone, and the log unlocked, before anybody hears that it has finished.
    writer.serve();
}

/// Runs after a panic as well: callers must not wait for a thread that isn't there.
struct Finish {
    queue: Arc<Queue>,
    _finished: (watch::Sender<()>, mpsc::Sender<()>),
}

impl Drop for Finish {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

struct Writer {
    store: Box<dyn Store>,
    options: Options,
    queue: Arc<Queue>,
    /// Entries of failed batches that nobody waits for: they go first when the store is well.
    kept: Vec<Draft>,
    /// The last batch, while it isn't known whether it is on record.
    doubtful: Option<Batch>,
    /// When the last batch was begun.
    began: Option<Instant>,
    /// How the last entry is dated.
    at: Option<Timestamp>,
    /// Whether the clock is behind the last entry.
    behind: bool,
}

/// Drafts, and who waits for each.
#[derive(Default)]
struct Batch {
    drafts: Vec<Draft>,
    replies: Vec<Option<Reply>>,
}

impl Batch {
    fn push(&mut self, draft: Draft, reply: Option<Reply>) {
        self.drafts.push(draft);
        self.replies.push(reply);
    }
}

impl Writer {
    fn serve(mut self) {
        while let Some(batch) = self.next_batch() {
            self.turn(batch);
        }
        if !self.kept.is_empty() || self.doubtful.is_some() {
            self.turn(Vec::new());
        }
        let doubtful = self.doubtful.iter().flat_map(|batch| &batch.replies);
        let left = doubtful.filter(|reply| reply.is_none()).count();
        let lost = self.kept.len() + left;
        self.queue.lose(lost, AuditError::NotWritten);
    }

    fn next_batch(&self) -> Option<Vec<Job>> {
        let due = self.began.map(|began| began + self.options.commit_interval);
        let due = due.unwrap_or_else(Instant::now);
        let patience = (!self.queue.writable()).then_some(self.options.retry);
        self.queue.take(self.options.batch_bytes, due, patience)
    }

    fn turn(&mut self, jobs: Vec<Job>) {
        self.began = Some(Instant::now());
        let settled = self.settle();
        let mut batch = Batch::default();
        for draft in std::mem::take(&mut self.kept) {
            batch.push(draft, None);
        }
        for Job { draft, reply } in jobs {
            batch.push(draft, reply);
        }
        if let Err(error) = settled {
            return self.refuse(batch, error.to_string());
        }
        match self.append(&batch.drafts) {
            Ok(committed) => self.answer(batch.replies, committed),
            Err(error) => self.go_back(batch, &error),
        }
    }

    /// Has the store go back after a failure, and tells those of the batch that was in doubt.
    fn settle(&mut self) -> io::Result<()> {
        match self.store.recover()? {
            Recovered::Unknown(error) => return Err(error),
            Recovered::Back => {
                if let Some(batch) = self.doubtful.take() {
                    self.keep_those_who_left(batch);
                }
            }
            Recovered::Late(committed) => {
                if let Some(batch) = self.doubtful.take() {
                    tracing::warn!(
                        audit.entries = committed.placed.len(),
                        "entries are on record whose commit was late: who didn't wait was refused"
                    );
                    self.hand_out(batch.replies, committed);
                }
            }
        }
        Ok(())
    }

    /// What was written; nothing if there was nothing to write and the store is well. A gateway that
    /// isn't ready gets no calls, and would never find out by itself that it could be.
    fn append(&mut self, drafts: &[Draft]) -> io::Result<Option<Committed>> {
        if drafts.is_empty() {
            return self.store.probe().map(|()| None);
        }
        self.look_at_the_clock();
        self.store.append(drafts).map(Some)
    }

    /// Goes back now, so that a stop doesn't leave entries whose callers were refused. If even this
    /// fails, the next turn tries again.
    fn go_back(&mut self, batch: Batch, error: &io::Error) {
        match self.store.recover() {
            Ok(Recovered::Back) => self.refuse(batch, error.to_string()),
            Ok(Recovered::Late(committed)) => self.answer(batch.replies, Some(committed)),
            Ok(Recovered::Unknown(_)) => {
                self.doubtful = Some(batch);
                self.hold_back();
                self.queue.failed(error.to_string());
            }
            Err(back) => self.refuse(batch, format!("{error}; then, going back: {back}")),
        }
    }

    /// Tells, once, that entries can't be dated by the clock.
    fn look_at_the_clock(&mut self) {
        let now = Timestamp::now();
        let behind = self
            .at
            .is_some_and(|last| last.duration_since(now) > CORRECTION);
        if behind && !self.behind {
            tracing::warn!(
                "the clock is behind the audit log: entries have the last one's time, and the clock's"
            );
        }
        self.behind = behind;
    }

    fn answer(&mut self, replies: Vec<Option<Reply>>, committed: Option<Committed>) {
        self.queue.written(self.store.head().tree.size());
        if let Some(committed) = committed {
            self.hand_out(replies, committed);
        }
    }

    fn hand_out(&mut self, replies: Vec<Option<Reply>>, committed: Committed) {
        let Committed {
            first,
            placed,
            checkpoint,
        } = committed;
        self.at = placed.last().map(|last| last.at);
        let receipts = (first + 1..).zip(placed).map(|(entry, placed)| Receipt {
            entry,
            at: placed.at,
            hash: placed.hash,
            checkpoint: checkpoint.note.clone(),
        });
        let written = replies.into_iter().zip(receipts);
        // A caller that left has its entry written all the same.
        queue::hand_out(written.filter_map(|(reply, receipt)| Some((reply?, receipt))));
    }

    fn refuse(&mut self, batch: Batch, error: String) {
        // Who hears of it finds the log as it is.
        self.queue.failed(error);
        self.keep_those_who_left(batch);
        self.hold_back();
    }

    fn hold_back(&self) {
        let doubtful = self.doubtful.as_ref();
        let doubtful = doubtful.map_or(0, |batch| batch.drafts.len());
        self.queue.keep(self.kept.len() + doubtful);
    }

    /// Refuses those who wait, and keeps the entries of the others, of which nothing is on record.
    fn keep_those_who_left(&mut self, batch: Batch) {
        let refusal = || Err(AuditError::NotWritten);
        let both = batch.drafts.into_iter().zip(batch.replies);
        let left = both.filter_map(|(draft, reply)| {
            // Who doesn't hear of it left while waiting, and can't try again.
            let told = reply.is_some_and(|reply| reply.send(refusal()));
            (!told).then_some(draft)
        });
        self.kept = left.chain(std::mem::take(&mut self.kept)).collect();
        let lost = self.kept.len().saturating_sub(self.options.reserve);
        self.kept.truncate(self.options.reserve);
        self.queue.lose(lost, AuditError::NotWritten);
    }
}
