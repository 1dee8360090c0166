//! Index: a log in, the places of each subject's entries out.
//!
//! A run per 65,536 entries lies in a file (`index/run.rs`); what comes after the last is in memory. All of
//! it is a cache: it is built from the log where it is missing, damaged or of another log, and what it
//! leads to is compared with the entry itself. One thread follows the log, so that the writer never
//! waits for it.

mod run;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::{self, ErrorKind};
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use jiff::Timestamp;

use super::draft::dated;
use super::store::{Found, ReadError, Reader, subject_of};
use run::{LENGTH, Pair, Run, prefix};

/// How often the thread looks for new entries. A report takes in what came since by itself.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long it waits when the log can't be read.
const PATIENCE: Duration = Duration::from_secs(10);

/// The places of every subject's entries.
#[derive(Debug)]
pub struct Index {
    directory: PathBuf,
    reader: Arc<dyn Reader>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Runs in order, without a gap.
    runs: Vec<Arc<Run>>,
    /// Number of the run that the tail will become.
    number: u64,
    tail: Vec<Pair>,
    /// When the first and the last entry of the tail are dated.
    dates: Option<(Timestamp, Timestamp)>,
    /// The first place that isn't in it.
    end: u64,
    /// Runs before that were removed.
    forgotten: u64,
}

impl Index {
    /// An index of `reader` in this directory, of which nothing is read yet.
    ///
    /// # Errors
    /// When there is no directory and none can be made.
    pub fn new(directory: PathBuf, reader: Arc<dyn Reader>) -> io::Result<Self> {
        fs::create_dir_all(&directory)?;
        let number = reader.first() / LENGTH;
        let state = State {
            number,
            end: reader.first(),
            ..State::default()
        };
        Ok(Self {
            directory,
            reader,
            state: Mutex::new(state),
        })
    }

    /// Takes in all that is in the log by now.
    ///
    /// # Errors
    /// [`ReadError`] when the log can't be read, or a run not be written.
    pub fn catch_up(&self) -> Result<(), ReadError> {
        let size = self.reader.checkpoint()?.size;
        // One run at a time, so that a report waits for one at most.
        while self.step(size)? {}
        Ok(())
    }

    /// How many entries of the log aren't in it yet.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn behind(&self) -> Result<u64, ReadError> {
        let size = self.reader.checkpoint()?.size;
        Ok(size.saturating_sub(self.state().end))
    }

    /// A subject's entries before a place, newest first, at most so many.
    ///
    /// # Errors
    /// [`ReadError`], also while it is far behind the log.
    pub fn of_subject(
        &self,
        subject_ref: &str,
        before: u64,
        limit: usize,
    ) -> Result<Vec<Found>, ReadError> {
        if self.behind()? > LENGTH {
            let why = "the index of the audit log is still being built";
            return Err(ReadError::Io(io::Error::other(why)));
        }
        self.catch_up()?;
        let Some(wanted) = prefix(subject_ref.as_bytes()) else {
            return Ok(Vec::new());
        };
        let (runs, tail) = {
            let state = self.state();
            let first = state.number * LENGTH;
            let tail = state.tail.iter().filter(|(prefix, _)| *prefix == wanted);
            let tail: Vec<u64> = tail.map(|(_, at)| first + u64::from(*at)).collect();
            (state.runs.clone(), tail)
        };
        // Those before it were deleted at the end of their term.
        let kept = self.reader.first()..before;
        let mut found = Vec::new();
        self.take(&tail, subject_ref, &kept, limit, &mut found)?;
        for run in runs.iter().rev() {
            if found.len() == limit || run.first() + LENGTH <= kept.start {
                break;
            }
            if run.first() >= before {
                continue;
            }
            let places = run.find(&self.directory, wanted)?;
            self.take(&places, subject_ref, &kept, limit, &mut found)?;
        }
        Ok(found)
    }

    /// Compares candidates, which are in order, with their entries.
    fn take(
        &self,
        places: &[u64],
        subject_ref: &str,
        kept: &Range<u64>,
        limit: usize,
        found: &mut Vec<Found>,
    ) -> Result<(), ReadError> {
        for &place in places.iter().rev().filter(|place| kept.contains(place)) {
            if found.len() == limit {
                break;
            }
            self.reader.leaves(place..place + 1, &mut |place, leaf| {
                if subject_of(leaf) == Some(subject_ref.as_bytes()) {
                    found.push((place, leaf.to_vec()));
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }

    /// Takes in a run's worth of entries at most; whether there is more.
    fn step(&self, size: u64) -> Result<bool, ReadError> {
        let mut state = self.state();
        let first = self.reader.first();
        if state.end < first {
            // Deleted before it was taken in.
            *state = State {
                number: first / LENGTH,
                end: first,
                forgotten: state.forgotten,
                ..State::default()
            };
        }
        self.forget(&mut state, first)?;
        let (start, next) = (state.number * LENGTH, (state.number + 1) * LENGTH);
        if next <= size && state.end <= start.max(self.reader.first()) {
            // What is there already, and is of this log.
            let run = Run::open(&self.directory, state.number);
            if let Some(run) = run.filter(|run| run.is_of(&*self.reader)) {
                state.push(run);
                return Ok(true);
            }
        }
        if state.end >= size {
            return Ok(false);
        }
        let end = next.min(size);
        let state = &mut *state;
        self.reader.leaves(state.end..end, &mut |place, leaf| {
            if let Some(prefix) = subject_of(leaf).and_then(prefix) {
                // Within a run by the range above.
                state.tail.push((prefix, (place % LENGTH) as u16));
            }
            if let Some(at) = dated(leaf) {
                let first = state.dates.map_or(at, |(first, _)| first);
                state.dates = Some((first, at));
            }
            state.end = place + 1;
            ControlFlow::Continue(())
        })?;
        if state.end == next {
            let mut pairs = state.tail.clone();
            pairs.sort_unstable();
            let dates = state.dates.unwrap_or_default();
            let run = Run::write(&self.directory, state.number, &pairs, dates, &*self.reader)?;
            state.push(run);
        }
        Ok(state.end < size)
    }

    /// Removes runs of which no entry is left.
    fn forget(&self, state: &mut State, first: u64) -> io::Result<()> {
        let number = first / LENGTH;
        if number > state.forgotten {
            match run::remove_before(&self.directory, number) {
                // Another process removed it just now, or only the gateway may.
                Err(error)
                    if !matches!(
                        error.kind(),
                        ErrorKind::NotFound
                            | ErrorKind::PermissionDenied
                            | ErrorKind::ReadOnlyFilesystem
                    ) =>
                {
                    return Err(error);
                }
                _ => {}
            }
            state.runs.retain(|run| run.number() >= number);
            state.forgotten = number;
        }
        Ok(())
    }

    /// Forgets every run, so that all are built anew.
    ///
    /// # Errors
    /// When a file can't be removed.
    pub fn clear(&self) -> io::Result<()> {
        let mut state = self.state();
        run::remove_all(&self.directory)?;
        let first = self.reader.first();
        *state = State {
            number: first / LENGTH,
            end: first,
            ..State::default()
        };
        Ok(())
    }

    /// How many runs are in files.
    #[must_use]
    pub fn runs(&self) -> usize {
        self.state().runs.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a step changes before it can panic is only taken in twice.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, run: Run) {
        self.number = run.number() + 1;
        self.end = self.number * LENGTH;
        self.runs.push(Arc::new(run));
        self.tail.clear();
        self.dates = None;
    }
}

/// An index and the thread that keeps it up with its log. Dropping it ends the thread.
#[derive(Debug)]
pub struct Follower {
    index: Arc<Index>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Begins to follow a log, with runs in this directory.
    ///
    /// # Errors
    /// When there can be no directory or no thread.
    pub fn start(directory: &Path, reader: Arc<dyn Reader>) -> io::Result<Self> {
        let index = Arc::new(Index::new(directory.to_owned(), reader)?);
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("audit-index".to_owned())
            .spawn({
                let index = index.clone();
                move || follow(&index, &stopped)
            })?;
        Ok(Self {
            index,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The index.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the audit log's index panicked");
        }
    }
}

fn follow(index: &Index, stopped: &mpsc::Receiver<()>) {
    let mut failing = false;
    loop {
        let done = follow_once(index, stopped);
        if let Err(error) = &done
            && !failing
        {
            tracing::error!(loket.cause = %error, "the audit log's index can't keep up");
        }
        failing = done.is_err();
        let pause = if failing { PATIENCE } else { INTERVAL };
        if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// As [`Index::catch_up`], but ends between two runs when told to.
fn follow_once(index: &Index, stopped: &mpsc::Receiver<()>) -> Result<(), ReadError> {
    let size = index.reader.checkpoint()?.size;
    while index.step(size)? {
        if stopped.try_recv() == Err(mpsc::TryRecvError::Disconnected) {
            break;
        }
    }
    Ok(())
}
