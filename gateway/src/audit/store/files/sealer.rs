//! The thread that seals: leaves that are durable in, bundles, tiles and checkpoints in files out.
//!
//! A segment goes once all of it is sealed. Whatever fails here is tried again, and loses nothing: what
//! isn't sealed stays where it was written first. Only when that becomes too much does the store take
//! no more.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::bundle;
use super::disk::{self, Disk, Replacing};
use super::paths::{self, WIDTH};
use super::tail::Group;
use super::view::View;

/// When and how much is sealed.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// So many bundles are sealed at once.
    pub(crate) bundles: u64,
    /// What is fewer waits for so long, and so does what failed.
    pub(crate) pause: Duration,
    /// Bytes of leaves that may wait. They are in memory.
    pub(crate) most: usize,
    /// How long an append waits when there are more.
    pub(crate) patience: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            bundles: 64,
            pause: Duration::from_secs(1),
            most: 64 << 20,
            patience: Duration::from_secs(1),
        }
    }
}

/// The thread, as the one who writes sees it. Dropped, it seals what there is and ends.
pub(super) struct Sealer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    view: Arc<View>,
    pace: Pace,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closing: bool,
    /// Why the last attempt failed.
    failed: Option<String>,
}

impl Sealer {
    pub(super) fn start(
        view: Arc<View>,
        disk: Arc<dyn Disk>,
        dir: &Path,
        pace: Pace,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            view,
            pace,
            state: Mutex::default(),
            changed: Condvar::new(),
        });
        let work = Work {
            shared: Arc::clone(&shared),
            disk,
            dir: dir.to_owned(),
            checkpoints: None,
        };
        let thread = thread::Builder::new().name("audit-seal".to_owned());
        Ok(Self {
            shared,
            thread: Some(thread.spawn(move || work.run())?),
        })
    }

    /// Tells that there may be more to seal.
    pub(super) fn wake(&self) {
        drop(self.shared.state());
        self.shared.changed.notify_all();
    }

    /// Waits until there is room for more leaves, if only for a moment.
    pub(super) fn keeps_up(&self) -> io::Result<()> {
        let Shared { view, pace, .. } = &*self.shared;
        if view.tail().bytes() <= pace.most {
            return Ok(());
        }
        let behind = |_: &mut State| view.tail().bytes() > pace.most;
        let state = self.shared.state();
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, pace.patience, behind);
        let (state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if !waited.timed_out() {
            return Ok(());
        }
        let cause = state.failed.as_deref().unwrap_or("it is too slow");
        Err(io::Error::other(format!(
            "entries can't be moved into bundles: {cause}"
        )))
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.shared.state().closing = true;
        self.shared.changed.notify_all();
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("the thread that seals the audit log panicked");
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something to do; whether the log is closing.
    fn wait(&self, last: Option<Instant>) -> bool {
        let mut state = self.state();
        loop {
            if state.closing {
                return true;
            }
            let pending = self.view.tail().pending();
            let due = last.map_or(Duration::ZERO, |last| {
                self.pace.pause.saturating_sub(last.elapsed())
            });
            let failed = state.failed.is_some();
            if pending > 0 && due.is_zero() || pending >= self.pace.bundles && !failed {
                return false;
            }
            // With nothing to seal it sleeps until it is woken.
            let long = if pending > 0 {
                due
            } else {
                Duration::from_secs(3600)
            };
            let waited = self.changed.wait_timeout(state, long);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

struct Work {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// The file of checkpoints and how long it is known to be.
    checkpoints: Option<(File, u64)>,
}

impl Work {
    fn run(mut self) {
        let mut last = None;
        loop {
            let closing = self.shared.wait(last);
            let sealed = self.turn(closing);
            last = Some(Instant::now());
            let failed = sealed.is_err();
            self.tell(sealed.map_err(|error| error.to_string()).err());
            if closing && (failed || self.shared.view.tail().pending() == 0) {
                break;
            }
        }
    }

    /// Tells once of a failure, and once that it is over.
    fn tell(&self, failed: Option<String>) {
        let mut state = self.shared.state();
        match (&state.failed, &failed) {
            (None, Some(cause)) => tracing::error!(
                loket.cause = cause,
                "entries of the audit log can't be moved into bundles; they stay where they are"
            ),
            (Some(_), None) => {
                tracing::info!("entries of the audit log are moved into bundles again")
            }
            _ => {}
        }
        self.shared.view.sealing(failed.is_some());
        state.failed = failed;
        drop(state);
        self.shared.changed.notify_all();
    }

    fn turn(&mut self, closing: bool) -> io::Result<()> {
        let group = self.shared.view.tail().group(self.shared.pace.bundles);
        if let Some(group) = group {
            self.write(&group)?;
            self.sign(&group)?;
            self.shared.view.tail().seal(group.to);
            self.drop_segments(group.to)?;
        } else if !closing {
            return Ok(());
        }
        let checkpoint = self.shared.view.tail().checkpoint().clone();
        if checkpoint.size == 0 {
            return Ok(());
        }
        let mut files = Replacing::of(&self.dir, &*self.disk);
        files.write(self.dir.join(paths::CHECKPOINT), checkpoint.note.as_bytes())?;
        files.finish()
    }

    fn write(&self, group: &Group) -> io::Result<()> {
        let mut files = Replacing::of(&self.dir, &*self.disk);
        let mut chunks = group.chunks.as_slice();
        for n in group.from / WIDTH..group.to / WIDTH {
            let places = n * WIDTH..(n + 1) * WIDTH;
            while chunks
                .first()
                .is_some_and(|chunk| chunk.end() <= places.start)
            {
                chunks = &chunks[1..];
            }
            let leaves = chunks.iter().flat_map(|chunk| {
                let from = places.start.max(chunk.first);
                let to = places.end.min(chunk.end()).max(from);
                (from..to).filter_map(|place| chunk.leaf(place))
            });
            let leaves = leaves.take(usize::try_from(WIDTH).unwrap_or_default());
            files.write(paths::bundle(&self.dir, n), &bundle::encode(leaves)?)?;
        }
        for (level, n, hashes) in &group.tiles {
            files.write(paths::tile(&self.dir, *level, *n), hashes)?;
        }
        files.finish()
    }

    /// Adds to the checkpoints. From then on the bundles count.
    fn sign(&mut self, group: &Group) -> io::Result<()> {
        let (file, len) = match self.checkpoints.take() {
            Some(open) => open,
            None => self.open_checkpoints(group)?,
        };
        let notes: String = group.notes.iter().map(|note| &*note.note).collect();
        self.disk.write(&file, notes.as_bytes())?;
        self.disk.sync(&file)?;
        self.checkpoints = Some((file, len + notes.len() as u64));
        Ok(())
    }

    /// Opens the file of checkpoints, cut off after the last that is whole and not of this group: a
    /// failed attempt may have left some.
    fn open_checkpoints(&self, group: &Group) -> io::Result<(File, u64)> {
        let path = self.dir.join(paths::CHECKPOINTS);
        let file = disk::append_to(&path)?;
        let bytes = fs::read(&path)?;
        let mut rest = bytes.as_slice();
        while let Some((note, after)) = super::notes::next(rest) {
            let said = crate::checkpoint::unverified(note);
            if said.is_some_and(|said| said.size() / WIDTH * WIDTH > group.from) {
                break;
            }
            rest = after;
        }
        let len = (bytes.len() - rest.len()) as u64;
        if !rest.is_empty() {
            self.disk.truncate(&file, len)?;
        }
        disk::sync_dir(&self.dir)?;
        Ok((file, len))
    }

    /// Removes segments that others follow and that have nothing beyond `sealed`.
    fn drop_segments(&self, sealed: u64) -> io::Result<()> {
        let segments = paths::segments(&self.dir)?;
        for pair in segments.windows(2) {
            if let [(_, path), (next, _)] = pair
                && *next <= sealed
            {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}
