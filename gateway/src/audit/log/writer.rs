//! The thread that writes: batches in, lines on disk out, receipts back.
//!
//! Nothing is answered before it is synced. After any failure the file is closed, opened again,
//! cut back to what is known to be durable, and its last line read back, before anything else is
//! written: a failed sync leaves pages that look clean and aren't on disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::disk;
use super::opening::{Ready, Segment};
use super::queue::{self, Job, Queue};
use super::{AuditError, Chain, Options, Receipt};

/// What is written, synced and cut off again to see whether a disk is well. It has no line
/// break, so a crash in between leaves a torn tail and nothing else.
static PROBE: [u8; 16 << 10] = [0; 16 << 10];

/// A clock that is corrected by less isn't worth a line.
const CORRECTION: SignedDuration = SignedDuration::from_secs(1);

pub(super) fn run(ready: Ready, options: Options, queue: Arc<Queue>, finished: watch::Sender<()>) {
    let _finish = Finish {
        queue: Arc::clone(&queue),
        _finished: finished,
    };
    let writer = Writer {
        ready,
        options,
        queue,
        kept: Vec::new(),
        lines: Vec::new(),
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
    ready: Ready,
    options: Options,
    queue: Arc<Queue>,
    /// Entries of failed batches that nobody waits for: they go first when the disk is well.
    kept: Vec<Job>,
    lines: Vec<u8>,
    /// When the last batch was begun.
    began: Option<Instant>,
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
        let room = self
            .options
            .segment_bytes
            .saturating_sub(self.ready.segment.durable);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        // A new segment will be begun when this one has no room.
        let room = if room == 0 { usize::MAX } else { room };
        let due = self.began.map(|began| began + self.options.commit_interval);
        let due = due.unwrap_or_else(Instant::now);
        let patience = (!self.queue.writable()).then_some(self.options.retry);
        self.queue
            .take(room.min(self.options.batch_bytes), due, patience)
    }

    fn turn(&mut self, batch: Vec<Job>) {
        self.began = Some(Instant::now());
        let mut jobs = std::mem::take(&mut self.kept);
        jobs.extend(batch);
        let outcome = if jobs.is_empty() {
            self.probe().map(|()| Vec::new())
        } else {
            self.append(&jobs)
        };
        match outcome {
            Ok(receipts) => self.answer(jobs, receipts),
            Err(error) => self.refuse(jobs, &error),
        }
    }

    fn append(&mut self, jobs: &[Job]) -> io::Result<Vec<Receipt>> {
        self.recover()?;
        self.rotate()?;
        self.look_at_the_clock();
        let mut chain = self.ready.chain.clone();
        let mut last_line = 0;
        self.lines.clear();
        let receipts = jobs.iter().map(|job| {
            last_line = self.lines.len() as u64;
            chain.append(Timestamp::now(), &job.members, &mut self.lines)
        });
        let receipts = receipts.collect();
        let Ready { disk, segment, .. } = &mut self.ready;
        let file = segment.untouched()?;
        disk.write(file, &self.lines)?;
        disk.sync(file)?;
        segment.last_line = segment.durable + last_line;
        segment.durable += self.lines.len() as u64;
        self.ready.chain = chain;
        Ok(receipts)
    }

    /// Tells, once, that entries can't be dated by the clock.
    fn look_at_the_clock(&mut self) {
        let (now, last) = (Timestamp::now(), self.ready.chain.at);
        let behind = last.is_some_and(|last| last.duration_since(now) > CORRECTION);
        if behind && !self.behind {
            tracing::warn!(
                "the clock is behind the audit log: entries have the last one's time, and the clock's"
            );
        }
        self.behind = behind;
    }

    fn answer(&mut self, jobs: Vec<Job>, receipts: Vec<Receipt>) {
        self.queue.written(self.ready.chain.entries);
        let written = jobs.into_iter().zip(receipts);
        // A caller that left has its entry written all the same.
        queue::hand_out(written.filter_map(|(job, receipt)| Some((job.reply?, receipt))));
    }

    fn refuse(&mut self, jobs: Vec<Job>, error: &io::Error) {
        self.ready.segment.file = None;
        // Cut now, so that a stop doesn't leave entries whose callers were refused. If even this
        // fails, the next batch tries again.
        let cut = self.recover();
        let error = match cut {
            Ok(()) => error.to_string(),
            Err(cut) => format!("{error}; then, going back: {cut}"),
        };
        self.queue.failed(error);
        let refusal = || Err(AuditError::NotWritten);
        let left = jobs.into_iter().filter_map(|Job { members, reply }| {
            // Who doesn't hear of it left while waiting, and can't try again.
            let told = reply.is_some_and(|reply| reply.send(refusal()));
            let reply = None;
            (!told).then_some(Job { members, reply })
        });
        self.kept = left.collect();
        let lost = self.kept.len().saturating_sub(self.options.reserve);
        self.kept.truncate(self.options.reserve);
        self.queue.keep(self.kept.len());
        self.queue.lose(lost, AuditError::NotWritten);
    }

    /// Goes back to what is durable, if the last attempt failed.
    fn recover(&mut self) -> io::Result<()> {
        let Ready {
            disk,
            segment,
            chain,
            ..
        } = &mut self.ready;
        if segment.file.is_some() {
            return Ok(());
        }
        let file = disk::open_segment(&segment.path)?;
        if file.metadata()?.len() < segment.durable {
            return Err(io::Error::other("the segment lost entries"));
        }
        disk.truncate(&file, segment.durable)?;
        disk.sync(&file)?;
        read_back(&file, segment, chain)?;
        segment.file = Some(file);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let Ready {
            dir,
            segment,
            chain,
            ..
        } = &mut self.ready;
        if segment.durable > 0 && segment.durable >= self.options.segment_bytes {
            let path = disk::segment_path(dir, chain.next());
            let file = disk::create_segment(dir, &path)?;
            *segment = Segment {
                path,
                file: Some(file),
                durable: 0,
                last_line: 0,
            };
        }
        Ok(())
    }

    /// Tries the disk while nobody calls: a gateway that isn't ready gets no calls, and would
    /// never find out that it could be.
    fn probe(&mut self) -> io::Result<()> {
        self.recover()?;
        let Ready { disk, segment, .. } = &mut self.ready;
        let file = segment.untouched()?;
        disk.write(file, &PROBE)?;
        disk.sync(file)?;
        disk.truncate(file, segment.durable)?;
        disk.sync(file)
    }
}

impl Segment {
    /// The open file, unless another hand unlinked or changed it: it would take entries and
    /// lose them.
    fn untouched(&self) -> io::Result<&File> {
        let closed = || io::Error::other("the segment isn't open");
        let file = self.file.as_ref().ok_or_else(closed)?;
        let found = file.metadata()?;
        if found.nlink() == 0 {
            return Err(io::Error::other("the segment was removed"));
        }
        if found.len() != self.durable {
            return Err(io::Error::other("somebody else changed the segment"));
        }
        Ok(file)
    }
}

fn read_back(file: &File, segment: &Segment, chain: &Chain) -> io::Result<()> {
    let length = segment.durable - segment.last_line;
    if length == 0 {
        return Ok(());
    }
    let mut line = vec![0; usize::try_from(length).unwrap_or_default()];
    file.read_exact_at(&mut line, segment.last_line)?;
    line.pop();
    match Chain::ending_in(&line) {
        Ok(found) if found.hash == chain.hash => Ok(()),
        _ => Err(io::Error::other("the last entry isn't what was written")),
    }
}
