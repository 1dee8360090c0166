//! The thread that packs, seals and writes, and takes away what is over, also when nobody asks.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Clock;
use super::health::Health;
use super::seal::{Answer, Bound, Sealer, Under};
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
    mut sealer: Sealer,
    waiting: &Receiver<Work>,
    clock: &Clock,
    health: &Health,
) {
    let (mut next, mut swept) = (None, 0);
    loop {
        let work = next.take().map_or_else(|| waiting.recv_timeout(SWEEP), Ok);
        let now = clock.seconds();
        // First: nothing is added to a file that goes.
        if now != swept {
            swept = now;
            segments.sweep(now);
        }
        // Whoever waited may have left, which changes nothing.
        match work {
            Ok(Work::Keep(job)) => {
                let kept = keep(*job, &mut sealer, &mut segments, now, health);
                next = waiting.try_recv().ok();
                // A disk that lags would come and go with each answer otherwise.
                if kept && !matches!(next, Some(Work::Keep(_))) {
                    health.kept();
                }
            }
            #[cfg(test)]
            Ok(Work::Sweep(done)) => {
                segments.sweep(now);
                let _ = done.send(());
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
    }
}

/// Whether the disk took it.
fn keep(job: Job, sealer: &mut Sealer, segments: &mut Segments, now: u32, health: &Health) -> bool {
    let lent = &job.lent;
    let answer = Answer {
        under: &job.under,
        bound: &job.bound,
        about: (&lent.id, &lent.mac, lent.at),
        plain: &job.plain,
    };
    let record = sealer.seal(&answer, || segments.key(&lent.id, now));
    let written = record.and_then(|record| segments.append(&lent.id, record, now));
    if let Err(error) = &written {
        health.failed(error);
    }
    let kept = written.is_ok();
    job.lent.settle(written.ok().flatten());
    let _ = job.done.send(());
    kept
}
