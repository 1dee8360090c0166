//! Log lines that leave in batches, from a thread of their own.
//!
//! In come whole lines; they are copied behind those that wait, and one write takes all of them. Who
//! logs waits for nobody: lines that find no room are refused and counted, so that a reader that hangs
//! costs lines and no requests.

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// What may wait: some three thousand lines.
const ROOM: usize = 1 << 20;
/// What may wait beyond it of errors.
const RESERVE: usize = ROOM / 8;
/// What needn't wait for company any longer.
const BATCH: usize = 64 << 10;
/// How long a line waits for company. Waking the thread for each would cost more than writing it.
const GATHER: Duration = Duration::from_millis(5);
/// How often a reader that takes nothing is tried, where the system doesn't wait for it.
const RETRY: Duration = Duration::from_millis(5);
/// How long the last lines may take.
const FLUSH: Duration = Duration::from_secs(2);

/// Takes lines for the thread that writes them; cloning it costs one counter.
#[derive(Clone, Debug)]
pub struct Batches(Arc<Shared>);

/// Writes what waits when it is dropped, for two seconds at most.
#[derive(Debug)]
#[must_use = "dropped at once, it ends the writing"]
pub struct Flush(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// For the writer: there's something to do.
    more: Condvar,
    /// For who flushes: the writer is done.
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    lines: u64,
    /// Lines that were lost since the start.
    dropped: u64,
    /// Whether the writer sleeps until it is woken.
    idle: bool,
    /// Whether the writer shouldn't wait for company.
    hurry: bool,
    closed: bool,
    ended: bool,
}

impl Batches {
    /// Starts the thread. `tell` logs how many lines were lost, once there is room again.
    ///
    /// # Errors
    ///
    /// When the system has no thread left.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        tell: impl Fn(u64) + Send + 'static,
    ) -> io::Result<(Self, Flush)> {
        let shared = Arc::new(Shared::default());
        let writer = shared.clone();
        thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.run(out, tell))?;
        Ok((Self(shared.clone()), Flush(shared)))
    }

    /// How many lines were lost, for want of room or because they couldn't be written.
    pub(in crate::telemetry) fn dropped(&self) -> u64 {
        self.0.lock().dropped
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8], urgent: bool) {
        let mut waiting = self.lock();
        let room = if urgent { ROOM + RESERVE } else { ROOM };
        if waiting.ended || waiting.bytes.len() + line.len() > room {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes.extend_from_slice(line);
        waiting.lines += 1;
        let hurry = urgent || waiting.bytes.len() >= BATCH;
        let wake = waiting.idle || (hurry && !waiting.hurry);
        waiting.idle = false;
        waiting.hurry |= hurry;
        drop(waiting);
        if wake {
            self.more.notify_one();
        }
    }

    fn run(&self, mut out: impl Write, tell: impl Fn(u64)) {
        let mut batch = Vec::new();
        let mut told = 0;
        let mut works = true;
        while let Some((lines, dropped)) = self.take(&mut batch) {
            // Now, as there's room for that line. Not while nothing can be written: telling that
            // a line was lost would lose another, without end.
            if works && dropped > told {
                tell(dropped - told);
                told = dropped;
            }
            works = write(&mut out, &batch).is_ok();
            if !works {
                self.lock().dropped += lines;
            }
            batch.clear();
        }
    }

    /// Swaps what waits into `batch`, which is empty, as soon as there is something; how many lines,
    /// and how many were lost so far. None once it is closed and all is written.
    fn take(&self, batch: &mut Vec<u8>) -> Option<(u64, u64)> {
        let mut waiting = self.lock();
        while waiting.bytes.is_empty() {
            if waiting.closed {
                waiting.ended = true;
                self.ended.notify_all();
                return None;
            }
            waiting.idle = true;
            waiting = self
                .more
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        waiting.idle = false;
        let alone = |waiting: &mut Waiting| !waiting.hurry && !waiting.closed;
        let (mut waiting, _) = self
            .more
            .wait_timeout_while(waiting, GATHER, alone)
            .unwrap_or_else(PoisonError::into_inner);
        waiting.hurry = false;
        std::mem::swap(&mut waiting.bytes, batch);
        Some((std::mem::take(&mut waiting.lines), waiting.dropped))
    }
}

fn write(out: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Whoever gave us standard output may have set it so.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) => return Err(error),
        }
    }
    out.flush()
}

impl Drop for Flush {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        self.0.more.notify_one();
        // A reader that hangs keeps nobody from ending.
        let ended = |waiting: &mut Waiting| !waiting.ended;
        drop(self.0.ended.wait_timeout_while(waiting, FLUSH, ended));
    }
}

/// Takes one line.
#[derive(Debug)]
pub struct Line<'a> {
    shared: &'a Shared,
    urgent: bool,
}

impl<'a> MakeWriter<'a> for Batches {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        let shared = &self.0;
        Line {
            shared,
            urgent: false,
        }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        let urgent = *metadata.level() == Level::ERROR;
        Line {
            urgent,
            ..self.make_writer()
        }
    }
}

impl Write for Line<'_> {
    /// A whole line, as the subscriber gives them.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.shared.push(line, self.urgent);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
