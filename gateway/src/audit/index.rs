//! Index: a log in, the places of each subject's entries out.
//!
//! A run per 65,536 entries lies in a file (`index/run.rs`); what comes after the last is in memory. All of
//! it is a cache: it is built from the log where it is missing, wasn't made with the subjects' key or is of
//! other entries, and what it leads to is compared with the entry itself. Runs that can't be written stay
//! in memory, a few of them. One thread follows the log (`index/follower.rs`), so that the writer never
//! waits for it.

mod follower;
mod run;
#[cfg(test)]
mod tests;

use std::io;
use std::ops::{ControlFlow, Range};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::hmac::Key;

use super::reads::Caller;
use super::store::{Found, ReadError, Reader, subject_of};
use run::{LENGTH, Of, Pair, Prefix, Run, prefix};

pub use follower::Follower;

/// Entries that are taken in at once, while others wait.
const STEP: u64 = 1 << 12;
/// Runs that are kept in memory when they can't be written, a megabyte each.
const UNWRITTEN: usize = if cfg!(test) { 2 } else { 16 };

/// The places of every subject's entries.
#[derive(Debug)]
pub struct Index {
    directory: PathBuf,
    key: Key,
    reader: Arc<dyn Reader>,
    state: Mutex<State>,
    /// One at a time.
    rebuilding: Mutex<()>,
    /// The first place that isn't in it, for those who don't want to wait.
    end: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// Runs in order.
    runs: Vec<Arc<Run>>,
    /// Number of the run that the tail will become.
    number: u64,
    /// The first place that the tail has all of.
    from: u64,
    tail: Vec<Pair>,
    /// The first place that isn't in it.
    end: u64,
    /// Runs before that were removed.
    forgotten: u64,
    /// Whether it was told that runs can't be believed, or written.
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    unbelievable: bool,
    unwritten: bool,
}

impl Index {
    /// An index of `reader` with runs in this directory, of which nothing is read yet. `subjects` is the
    /// key under which entries name them.
    #[must_use]
    pub fn new(directory: PathBuf, reader: Arc<dyn Reader>, subjects: &Key) -> Self {
        // Where that can't be told, the first step fails as well.
        let state = State::at(reader.first().unwrap_or_default());
        Self {
            directory,
            key: run::key(subjects),
            end: AtomicU64::new(state.end),
            reader,
            state: Mutex::new(state),
            rebuilding: Mutex::new(()),
        }
    }

    /// Takes in all that is in the log by now.
    ///
    /// # Errors
    /// [`ReadError`] when the log can't be read, or more runs can't be written than memory has room for.
    pub fn catch_up(&self, caller: &Caller) -> Result<(), ReadError> {
        let size = self.reader.checkpoint()?.size;
        while self.step(size)? {
            caller.waits()?;
        }
        Ok(())
    }

    /// How many entries of the log aren't in it yet.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn behind(&self) -> Result<u64, ReadError> {
        let size = self.reader.checkpoint()?.size;
        Ok(size.saturating_sub(self.end.load(Ordering::Relaxed)))
    }

    /// The entries at these places of one citizen, who may have several references: newest first, at most
    /// so many.
    ///
    /// # Errors
    /// [`ReadError`], also while it is far behind the log: what isn't in it must not be left out unsaid.
    pub fn of_subject(
        &self,
        references: &[String],
        places: Range<u64>,
        limit: usize,
        caller: &Caller,
    ) -> Result<Vec<Found>, ReadError> {
        let mut all = Vec::new();
        if limit > 0 {
            self.each_of_subject(references, places, caller, &mut |found| {
                all.push(found);
                match all.len() < limit {
                    true => ControlFlow::Continue(()),
                    false => ControlFlow::Break(()),
                }
            })?;
        }
        Ok(all)
    }

    /// Gives `each` those entries, newest first, until it breaks. Each run is looked through once.
    ///
    /// # Errors
    /// As of [`of_subject`](Self::of_subject).
    pub fn each_of_subject(
        &self,
        references: &[String],
        places: Range<u64>,
        caller: &Caller,
        each: &mut dyn FnMut(Found) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let behind = self.behind()?;
        if behind > LENGTH {
            let why =
                format!("the index of the audit log is still being built: {behind} entries to go");
            return Err(ReadError::Io(io::Error::other(why)));
        }
        self.catch_up(caller)?;
        let wanted: Vec<Prefix> = references
            .iter()
            .filter_map(|reference| prefix(reference.as_bytes()))
            .collect();
        let (runs, tail) = {
            let state = self.state();
            let first = state.number * LENGTH;
            let tail = state
                .tail
                .iter()
                .filter(|(prefix, _)| wanted.contains(prefix));
            let tail: Vec<u64> = tail.map(|(_, at)| first + u64::from(*at)).collect();
            (state.runs.clone(), tail)
        };
        let mut taking = Taking {
            reader: &*self.reader,
            references,
            // Those before it were deleted at the end of their term.
            places: places.start.max(self.reader.first()?)..places.end,
            each,
        };
        let mut flow = taking.take(&tail, caller)?;
        for run in runs.iter().rev() {
            let (first, places) = (run.first(), &taking.places);
            if flow.is_break() || first + LENGTH <= places.start {
                break;
            }
            if first >= places.end {
                continue;
            }
            let mut candidates = self.find(run, &wanted, caller)?;
            candidates.sort_unstable();
            flow = taking.take(&candidates, caller)?;
        }
        Ok(())
    }

    /// Where a run says that entries may be.
    fn find(&self, run: &Run, wanted: &[Prefix], caller: &Caller) -> Result<Vec<u64>, ReadError> {
        let among = |run: &Run| -> io::Result<Vec<u64>> {
            let places = wanted
                .iter()
                .map(|prefix| run.find(&self.directory, &self.key, *prefix));
            Ok(places.collect::<io::Result<Vec<_>>>()?.concat())
        };
        match among(run) {
            Ok(places) => Ok(places),
            Err(error) => {
                self.state().told.disbelieve(run.number(), &error);
                Ok(among(&*self.rebuilt(run, caller)?)?)
            }
        }
    }

    /// The run of the same entries, built from the log; or as another has built it meanwhile.
    fn rebuilt(&self, run: &Run, caller: &Caller) -> Result<Arc<Run>, ReadError> {
        let _turn = self
            .rebuilding
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let number = run.number();
        let current = |state: &State| {
            let at = state.runs.iter().position(|run| run.number() == number);
            at.map(|at| (at, Arc::clone(&state.runs[at])))
        };
        if let Some((_, other)) = current(&self.state())
            && !std::ptr::eq(&*other, run)
        {
            return Ok(other);
        }
        let from = run.first().max(self.reader.first()?);
        let mut pairs = Vec::new();
        let end = run.first() + LENGTH;
        let mut next = from;
        while next < end {
            caller.waits()?;
            let to = end.min(next + STEP);
            self.read(next..to, &mut pairs, &mut next)?;
        }
        let built = Run::new(Of::now(number, from, &*self.reader)?, pairs);
        let built = Arc::new(built.written(&self.directory, &self.key).unwrap_or(built));
        let mut state = self.state();
        let has_room = !built.is_here() || state.unwritten() < UNWRITTEN;
        if let Some((at, _)) = current(&state).filter(|_| has_room) {
            state.runs[at] = Arc::clone(&built);
        }
        Ok(built)
    }

    /// Takes in a step's worth of entries at most; whether there is more.
    fn step(&self, size: u64) -> Result<bool, ReadError> {
        let mut state = self.state();
        let stepped = self.step_in(&mut state, size);
        self.end.store(state.end, Ordering::Relaxed);
        stepped
    }

    fn step_in(&self, state: &mut State, size: u64) -> Result<bool, ReadError> {
        state.skip_to(self.reader.first()?);
        let next = (state.number + 1) * LENGTH;
        if next <= size && state.end == state.from {
            // What is there already, and is of this log.
            let of = Of::now(state.number, state.from, &*self.reader)?;
            match Run::open(&self.directory, &self.key, &of) {
                Ok(run) => {
                    state.told.unbelievable = false;
                    state.push(run);
                    return Ok(true);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => state.told.disbelieve(state.number, &error),
            }
        }
        let end = next.min(size).min(state.end + STEP);
        let State { tail, end: at, .. } = state;
        self.read(*at..end, tail, at)?;
        if state.end == next {
            if state.unwritten() >= UNWRITTEN
                && let Err(error) = self.write(state)
                && state.unwritten() >= UNWRITTEN
            {
                return Err(error.into());
            }
            let of = Of::now(state.number, state.from, &*self.reader)?;
            let pairs = std::mem::take(&mut state.tail);
            state.push(Run::new(of, pairs));
            // It is in memory, and that it couldn't be written is told.
            let _ = self.write(state);
        }
        Ok(state.end < size)
    }

    /// Takes in entries, and moves `end` behind each.
    fn read(
        &self,
        places: Range<u64>,
        pairs: &mut Vec<Pair>,
        end: &mut u64,
    ) -> Result<(), ReadError> {
        self.reader.leaves(places, &mut |place, leaf| {
            if let Some(prefix) = subject_of(leaf).and_then(prefix) {
                // Within a run.
                pairs.push((prefix, (place % LENGTH) as u16));
            }
            *end = place + 1;
            ControlFlow::Continue(())
        })
    }

    /// Writes the runs that are in memory only.
    fn write(&self, state: &mut State) -> io::Result<()> {
        let mut failed = None;
        // All of them: what is in one's way needn't be in another's.
        for run in state.runs.iter_mut().filter(|run| run.is_here()) {
            match run.written(&self.directory, &self.key) {
                Ok(written) => *run = Arc::new(written),
                Err(error) => failed = Some(error),
            }
        }
        let Some(error) = failed else {
            state.told.written();
            return Ok(());
        };
        state.told.unwritten(&self.directory, &error);
        let why = format!("the index of the audit log can't be written: {error}");
        Err(io::Error::other(why))
    }

    /// Removes runs of which no entry is left.
    ///
    /// # Errors
    /// When a file can't be removed.
    pub fn forget(&self) -> io::Result<()> {
        let number = self.first()? / LENGTH;
        let mut state = self.state();
        if number > state.forgotten {
            run::remove_before(&self.directory, number)?;
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
        *state = State::at(self.first()?);
        self.end.store(state.end, Ordering::Relaxed);
        Ok(())
    }

    /// How many runs are in files.
    #[must_use]
    pub fn runs(&self) -> usize {
        let state = self.state();
        state.runs.len() - state.unwritten()
    }

    fn first(&self) -> io::Result<u64> {
        self.reader.first().map_err(io::Error::other)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What a step changes before it can panic is only taken in twice.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn at(first: u64) -> Self {
        Self {
            number: first / LENGTH,
            from: first,
            end: first,
            ..Self::default()
        }
    }

    /// Leaves out what was deleted before it was taken in.
    fn skip_to(&mut self, first: u64) {
        if self.end >= first {
            return;
        }
        if first / LENGTH > self.number {
            self.tail.clear();
        }
        (self.number, self.from, self.end) = (first / LENGTH, first, first);
    }

    fn push(&mut self, run: Run) {
        self.number = run.number() + 1;
        self.end = self.number * LENGTH;
        self.from = self.end;
        self.runs.push(Arc::new(run));
        self.tail.clear();
    }

    fn unwritten(&self) -> usize {
        self.runs.iter().filter(|run| run.is_here()).count()
    }
}

impl Told {
    fn disbelieve(&mut self, run: u64, error: &io::Error) {
        if !std::mem::replace(&mut self.unbelievable, true) {
            tracing::warn!(
                loket.run = run,
                loket.cause = %error,
                "a run of the audit log's index isn't believed, and is built again from the log"
            );
        }
    }

    fn unwritten(&mut self, directory: &std::path::Path, error: &io::Error) {
        if !std::mem::replace(&mut self.unwritten, true) {
            tracing::warn!(
                loket.path = %directory.display(),
                loket.cause = %error,
                "the audit log's index can't be written, and is kept in memory as far as there is room"
            );
        }
    }

    fn written(&mut self) {
        if std::mem::replace(&mut self.unwritten, false) {
            tracing::info!("the audit log's index is written again");
        }
    }
}

/// Entries that are collected.
struct Taking<'a> {
    reader: &'a dyn Reader,
    references: &'a [String],
    places: Range<u64>,
    each: &'a mut dyn FnMut(Found) -> ControlFlow<()>,
}

impl Taking<'_> {
    /// Compares candidates, which are in order, with their entries.
    fn take(&mut self, candidates: &[u64], caller: &Caller) -> Result<ControlFlow<()>, ReadError> {
        let places = candidates.iter().rev();
        for &place in places.filter(|place| self.places.contains(place)) {
            caller.waits()?;
            let (references, mut found) = (self.references, None);
            let read = self.reader.leaves(place..place + 1, &mut |place, leaf| {
                let subject = subject_of(leaf);
                if references
                    .iter()
                    .any(|reference| subject == Some(reference.as_bytes()))
                {
                    found = Some((place, leaf.to_vec()));
                }
                ControlFlow::Continue(())
            });
            match read {
                // Its term ended just now.
                Err(ReadError::Pruned) => {}
                read => read?,
            }
            if let Some(found) = found
                && (self.each)(found).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
