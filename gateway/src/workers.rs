//! Workers: threads with a runtime each. Connections come in and are shared out among them.
//!
//! A connection lives on one worker to its end, with its requests and, as far as there are some, the
//! kept connections to agencies that were made there: what happens in a request then wakes no other
//! core. Without workers all runs where it was accepted, as in tests.

use std::cell::Cell;
use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, watch};

thread_local! {
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// Which worker this thread is, from 0; 0 as well where there are none.
pub(crate) fn here() -> usize {
    HERE.get()
}

/// How many workers a machine gets: one for each core that the process may use.
#[must_use]
pub fn usual() -> NonZero<usize> {
    // The system is asked once: it reads files to answer.
    static USUAL: OnceLock<NonZero<usize>> = OnceLock::new();
    *USUAL.get_or_init(|| thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN))
}

/// The threads that serve connections.
#[derive(Debug)]
pub struct Workers {
    all: Vec<Worker>,
    stop: watch::Sender<()>,
    /// Closed once every thread has ended.
    ended: mpsc::Receiver<()>,
}

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    connections: Arc<AtomicUsize>,
}

/// One of a worker's connections.
struct Connected(Arc<AtomicUsize>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// None: connections are served by the runtime that accepts them.
    #[must_use]
    pub fn none() -> Self {
        Self {
            all: Vec::new(),
            stop: watch::Sender::new(()),
            ended: mpsc::channel(1).1,
        }
    }

    /// Starts so many.
    ///
    /// # Errors
    /// When the system has no thread or descriptor left.
    pub fn start(count: NonZero<usize>) -> io::Result<Self> {
        let stop = watch::Sender::new(());
        let (ends, ended) = mpsc::channel::<()>(1);
        let all = (0..count.get()).map(|index| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let (mut stopping, ends) = (stop.subscribe(), ends.clone());
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    HERE.set(index);
                    // Nothing is ever sent: it ends when the other side is gone.
                    let _ = runtime.block_on(stopping.changed());
                    drop(runtime);
                    drop(ends);
                })?;
            Ok(Worker {
                runtime: handle,
                connections: Arc::default(),
            })
        });
        Ok(Self {
            all: all.collect::<io::Result<_>>()?,
            stop,
            ended,
        })
    }

    /// Serves a connection on the worker that has the fewest.
    pub(crate) fn serve<F>(
        &self,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let connections = |worker: &&Worker| worker.connections.load(Ordering::Relaxed);
        let Some(worker) = self.all.iter().min_by_key(connections) else {
            tokio::spawn(serve(stream));
            return;
        };
        worker.connections.fetch_add(1, Ordering::Relaxed);
        let connected = Connected(worker.connections.clone());
        let stream = stream.into_std();
        worker.runtime.spawn(async move {
            let _connected = connected;
            match stream.and_then(TcpStream::from_std) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::error!(%error, "a connection was lost between threads"),
            }
        });
    }

    /// Ends the threads and drops what still runs on them; waits for that, so long at most.
    pub async fn stop(self, within: Duration) {
        let Self {
            stop, mut ended, ..
        } = self;
        drop(stop);
        // In time or not, what follows is the same.
        let _ = tokio::time::timeout(within, ended.recv()).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn connections_are_shared_out_and_dropped_at_the_end() {
        let workers = Workers::start(NonZero::new(2).unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, mut told) = mpsc::channel(4);
        let mut peers = Vec::new();
        for _ in 0..4 {
            peers.push(TcpStream::connect(address).await.unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            let tell = tell.clone();
            workers.serve(stream, async move |stream| {
                tell.send(here()).await.unwrap();
                // Until the worker ends.
                let mut byte = [0];
                stream.readable().await.unwrap();
                let _ = stream.try_read(&mut byte);
            });
        }
        drop(tell);
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(told.recv().await.unwrap());
        }
        let count = |index| seen.iter().filter(|at| **at == index).count();
        assert_eq!((count(0), count(1)), (2, 2));
        workers.stop(Duration::from_secs(30)).await;
        assert_eq!(told.recv().await, None, "nothing is left running");
    }

    #[tokio::test]
    async fn without_workers_connections_stay_here() {
        let workers = Workers::none();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _peer = TcpStream::connect(address).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let (tell, mut told) = mpsc::channel(1);
        let thread = thread::current().id();
        workers.serve(stream, async move |_| {
            let _ = tell.send(thread::current().id()).await;
        });
        assert_eq!(told.recv().await, Some(thread));
        workers.stop(Duration::from_secs(30)).await;
    }
}
