//! The thread that compresses, seals and writes, and takes away what is over, also when nobody asks.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Clock;
use super::health::Health;
use super::kept::Packer;
use super::seal::{Bound, Sealed, Under};
use super::segments::Segments;
use super::slots::Lent;

/// How often an idle directory is looked at.
const SWEEP: Duration = Duration::from_secs(30);

pub(super) enum Work {
    Keep(Box<Job>),
    #[cfg(test)]
    Sweep(oneshot::Sender<()>),
    /// As a disk that doesn't answer, until then.
    #[cfg(test)]
    Hang(Receiver<()>),
    Stop(oneshot::Sender<()>),
}

/// An answer to be kept.
pub(super) struct Job {
    pub(super) lent: Lent,
    pub(super) under: Under,
    pub(super) bound: Bound,
    pub(super) plain: Vec<u8>,
    /// Somebody may wait for it.
    pub(super) done: oneshot::Sender<()>,
}

pub(super) fn run(
    mut segments: Segments,
    waiting: &Receiver<Work>,
    clock: &Clock,
    health: &Health,
) {
    let mut packer = Packer::new();
    let mut next = None;
    loop {
        // Whoever waited may have left, which changes nothing.
        match next.take().map_or_else(|| waiting.recv_timeout(SWEEP), Ok) {
            Ok(Work::Keep(job)) => {
                let kept = keep(*job, &mut packer, &mut segments, clock, health);
                next = waiting.try_recv().ok();
                // A disk that lags would come and go with each answer otherwise.
                if kept && !matches!(next, Some(Work::Keep(_))) {
                    health.kept();
                }
            }
            #[cfg(test)]
            Ok(Work::Sweep(done)) => {
                segments.sweep(clock.seconds());
                let _ = done.send(());
                continue;
            }
            #[cfg(test)]
            Ok(Work::Hang(until)) => {
                let _ = until.recv();
            }
            Ok(Work::Stop(done)) => {
                drop(segments);
                let _ = done.send(());
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        segments.sweep(clock.seconds());
    }
}

/// Whether the disk took it.
fn keep(
    job: Job,
    packer: &mut Packer,
    segments: &mut Segments,
    clock: &Clock,
    health: &Health,
) -> bool {
    let now = clock.seconds();
    let lent = &job.lent;
    let about = (&lent.id, &lent.mac, lent.at);
    let packed = packer.pack(&job.plain);
    let sealed = packed
        .and_then(|packed| Sealed::of(&job.under, || segments.key(now), &job.bound, about, packed));
    let written = sealed.and_then(|sealed| segments.append(&lent.id, &sealed, now));
    if let Err(error) = &written {
        health.failed(error);
    }
    let kept = written.is_ok();
    job.lent.settle(written.ok().flatten());
    let _ = job.done.send(());
    kept
}
