//! Worker: futures in, what they come to out, for callers that block, also those within a runtime.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A thread with a runtime, on which connections live.
#[derive(Debug)]
pub(super) struct Worker {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("audit-db".to_owned());
        let thread = thread.spawn(move || {
            // Stopped, or the worker is gone.
            let _ = runtime.block_on(stopped);
            // A name that is being resolved mustn't hold up a stop.
            runtime.shutdown_background();
        })?;
        Ok(Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Waits for a future, which has to have a time-out of its own.
    pub(super) fn wait<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        let (to, outcome) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            // Who asked waits.
            let _ = to.send(future.await);
        });
        let gone = |_| io::Error::other("the thread of the audit log's database has ended");
        outcome.recv().map_err(gone)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the audit log's database panicked");
        }
    }
}
