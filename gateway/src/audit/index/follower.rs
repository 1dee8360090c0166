//! The thread that keeps an index up with its log.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use aws_lc_rs::hmac::Key;

use super::Index;
use crate::audit::store::{ReadError, Reader};

/// How often the thread looks for new entries. A report takes in what came since by itself.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long it waits when the log can't be read.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may take to end. A disk that hangs must not hang the process.
const STOPPED_WITHIN: Duration = Duration::from_millis(if cfg!(test) { 20 } else { 2000 });

/// An index and the thread that keeps it up with its log. Dropping it ends the thread.
#[derive(Debug)]
pub struct Follower {
    index: Arc<Index>,
    stop: Option<mpsc::Sender<()>>,
    /// Disconnected once the thread has ended.
    ended: Mutex<mpsc::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Begins to follow a log, with runs in this directory.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(directory: PathBuf, reader: Arc<dyn Reader>, subjects: &Key) -> io::Result<Self> {
        let index = Arc::new(Index::new(directory, reader, subjects));
        let (stop, stopped) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("audit-index".to_owned())
            .spawn({
                let index = index.clone();
                move || {
                    let _end = end;
                    follow(&index, &stopped);
                }
            })?;
        Ok(Self {
            index,
            stop: Some(stop),
            ended: Mutex::new(ended),
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
        let ended = self.ended.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(STOPPED_WITHIN) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the audit log's index is left while it reads: the disk doesn't answer");
            return;
        }
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
        match &done {
            Err(error) if !failing => {
                tracing::error!(
                    loket.cause = %cause(error),
                    "the audit log's index can't keep up; citizens' reports may be refused"
                );
            }
            Ok(()) if failing => tracing::info!("the audit log's index keeps up again"),
            _ => {}
        }
        failing = done.is_err();
        let pause = if failing { PATIENCE } else { INTERVAL };
        if stopped.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
    }
}

/// As [`Index::catch_up`], but ends between two steps when told to.
fn follow_once(index: &Index, stopped: &mpsc::Receiver<()>) -> Result<(), ReadError> {
    // Reports go on without, so that nobody need hear of it here.
    let _ = index.write(&mut index.state());
    // What is left of a term that is over goes the next time.
    let _ = index.forget();
    let size = index.reader.checkpoint()?.size;
    while index.step(size)? {
        if stopped.try_recv() == Err(TryRecvError::Disconnected) {
            break;
        }
    }
    Ok(())
}

/// An error and what it comes from.
fn cause(error: &ReadError) -> String {
    match error {
        ReadError::Io(source) => format!("{error}: {source}"),
        other => other.to_string(),
    }
}
