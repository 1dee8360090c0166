//! The thread that compresses, seals and writes, and takes away what is over, also when nobody asks.

use std::sync::mpsc::{Receiver, RecvTimeoutError, TrySendError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::Clock;
use super::kept::Packer;
use super::seal::{Bound, Sealed, Under};
use super::segments::Segments;
use super::slots::Hold;

/// How often an idle directory is looked at.
const SWEEP: Duration = Duration::from_secs(30);

pub(super) enum Work {
    Keep(Box<Job>),
    #[cfg(test)]
    Sweep(oneshot::Sender<()>),
    Stop(oneshot::Sender<()>),
}

/// An answer to be kept.
pub(super) struct Job {
    pub(super) hold: Hold,
    pub(super) at: u32,
    pub(super) under: Under,
    pub(super) bound: Bound,
    pub(super) plain: Vec<u8>,
    /// Somebody may wait for it.
    pub(super) done: oneshot::Sender<()>,
}

pub(super) fn run(mut segments: Segments, waiting: &Receiver<Work>, clock: &Clock) {
    let mut fails = false;
    let mut packer = Packer::new();
    loop {
        // Whoever waited may have left, which changes nothing.
        match waiting.recv_timeout(SWEEP) {
            Ok(Work::Keep(job)) => {
                fails = keep(*job, &mut packer, &mut segments, clock, fails);
            }
            #[cfg(test)]
            Ok(Work::Sweep(done)) => {
                segments.sweep(clock.seconds());
                let _ = done.send(());
                continue;
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

/// Whether it couldn't be kept; it is told once until it can.
fn keep(
    job: Job,
    packer: &mut Packer,
    segments: &mut Segments,
    clock: &Clock,
    failed: bool,
) -> bool {
    let now = clock.seconds();
    let about = (job.hold.id(), job.hold.mac(), job.at);
    let packed = packer.pack(&job.plain);
    let sealed = packed
        .and_then(|packed| Sealed::of(&job.under, || segments.key(now), &job.bound, about, packed));
    let written = sealed.and_then(|sealed| segments.append(&sealed, now));
    if let (Err(error), false) = (&written, failed) {
        tracing::warn!(loket.cause = %error, "answers can't be kept; a repeated lookup is asked again");
    }
    let fails = written.is_err();
    job.hold.settle(job.at, written.ok());
    let _ = job.done.send(());
    fails
}

/// What the thread has no room for isn't kept.
pub(super) fn give_up(refused: TrySendError<Work>, at: u32) {
    let (TrySendError::Full(work) | TrySendError::Disconnected(work)) = refused;
    if let Work::Keep(job) = work {
        job.hold.settle(at, None);
    }
}
