//! The thread that writes: batches in, the store's commits, receipts out.
//!
//! Nothing is answered before it is durable. After any failure the store goes back to what is known
//! to be durable before it takes anything else.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::super::draft::Draft;
use super::super::store::{Committed, Store};
use super::queue::{self, Job, Queue, Reply};
use super::{AuditError, Options, Receipt};

/// A clock that is corrected by less isn't worth a line.
const CORRECTION: SignedDuration = SignedDuration::from_secs(1);

pub(super) fn run(
    store: Box<dyn Store>,
    options: Options,
    queue: Arc<Queue>,
    finished: watch::Sender<()>,
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
        began: None,
        behind: false,
    };
    // The writer is gone, and the log unlocked, before anybody hears that it has finished.
    writer.serve();
}

/// Runs after a panic as well: callers must not wait for a thread that isn't there.
struct Finish {
    queue: Arc<Queue>,
    _finished: watch::Sender<()>,
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
    /// When the last batch was begun.
    began: Option<Instant>,
    /// How the last entry is dated.
    at: Option<Timestamp>,
    /// Whether the clock is behind the last entry.
    behind: bool,
}

impl Writer {
    fn serve(mut self) {
        while let Some(batch) = self.next_batch() {
            self.turn(batch);
        }
        if !self.kept.is_empty() {
            self.turn(Vec::new());
        }
        self.queue.lose(self.kept.len(), AuditError::NotWritten);
    }

    fn next_batch(&self) -> Option<Vec<Job>> {
        let due = self.began.map(|began| began + self.options.commit_interval);
        let due = due.unwrap_or_else(Instant::now);
        let patience = (!self.queue.writable()).then_some(self.options.retry);
        self.queue.take(self.options.batch_bytes, due, patience)
    }

    fn turn(&mut self, batch: Vec<Job>) {
        self.began = Some(Instant::now());
        let mut drafts = std::mem::take(&mut self.kept);
        let mut replies: Vec<Option<Reply>> = drafts.iter().map(|_| None).collect();
        for Job { draft, reply } in batch {
            drafts.push(draft);
            replies.push(reply);
        }
        match self.append(&drafts) {
            Ok(committed) => self.answer(replies, committed),
            Err(error) => self.refuse(drafts, replies, &error),
        }
    }

    /// What was written; nothing if there was nothing to write and the store is well. A gateway that
    /// isn't ready gets no calls, and would never find out by itself that it could be.
    fn append(&mut self, drafts: &[Draft]) -> io::Result<Option<Committed>> {
        self.store.recover()?;
        if drafts.is_empty() {
            return self.store.probe().map(|()| None);
        }
        self.look_at_the_clock();
        self.store.append(drafts).map(Some)
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
        let Some(Committed {
            first,
            placed,
            checkpoint,
        }) = committed
        else {
            let entries = self.store.head().tree.size();
            return self.queue.written(entries);
        };
        self.queue.written(checkpoint.size);
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

    fn refuse(&mut self, drafts: Vec<Draft>, replies: Vec<Option<Reply>>, error: &io::Error) {
        // Gone back now, so that a stop doesn't leave entries whose callers were refused. If even
        // this fails, the next batch tries again.
        let error = match self.store.recover() {
            Ok(()) => error.to_string(),
            Err(back) => format!("{error}; then, going back: {back}"),
        };
        self.queue.failed(error);
        let refusal = || Err(AuditError::NotWritten);
        let left = drafts
            .into_iter()
            .zip(replies)
            .filter_map(|(draft, reply)| {
                // Who doesn't hear of it left while waiting, and can't try again.
                let told = reply.is_some_and(|reply| reply.send(refusal()));
                (!told).then_some(draft)
            });
        self.kept = left.collect();
        let lost = self.kept.len().saturating_sub(self.options.reserve);
        self.kept.truncate(self.options.reserve);
        self.queue.keep(self.kept.len());
        self.queue.lose(lost, AuditError::NotWritten);
    }
}
