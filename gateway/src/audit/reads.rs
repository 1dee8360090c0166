//! Reads: how many read the log at once. A read blocks a thread, and one that has begun can't be called
//! off; so its slot is its own, not its caller's, and it is told when nobody waits for it any more.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use super::store::ReadError;
use crate::refusal::Refusal;

/// Reads of an entry, a checkpoint or a tile.
const SHORT: usize = 16;
/// Reads of all that is on record about a citizen.
const LONG: usize = 4;
/// How long one waits for a slot.
const PATIENCE: Duration = Duration::from_secs(4);

/// Whoever waits for what is read.
#[derive(Debug, Clone, Default)]
pub struct Caller(Arc<AtomicBool>);

impl Caller {
    /// Goes on only while somebody waits.
    ///
    /// # Errors
    /// [`ReadError::Io`] once nobody does.
    pub fn waits(&self) -> Result<(), ReadError> {
        match self.0.load(Ordering::Relaxed) {
            true => Err(ReadError::Io(io::ErrorKind::Interrupted.into())),
            false => Ok(()),
        }
    }

    pub(super) fn leave(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Tells a read that its caller has left.
struct Leaving(Caller);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Slots for reads.
#[derive(Debug, Clone)]
pub(super) struct Reads {
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

impl Reads {
    pub(super) fn new() -> Self {
        Self {
            short: Arc::new(Semaphore::new(SHORT)),
            long: Arc::new(Semaphore::new(LONG)),
        }
    }

    pub(super) async fn short<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Caller) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        run(&self.short, read).await
    }

    pub(super) async fn long<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Caller) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        run(&self.long, read).await
    }
}

async fn run<T: Send + 'static>(
    slots: &Arc<Semaphore>,
    read: impl FnOnce(&Caller) -> T + Send + 'static,
) -> Result<T, Refusal> {
    let slot = tokio::time::timeout(PATIENCE, slots.clone().acquire_owned()).await;
    // It is never closed.
    let Ok(Ok(slot)) = slot else {
        return Err(Refusal::Overloaded);
    };
    let caller = Caller::default();
    let leaving = Leaving(caller.clone());
    let done = tokio::task::spawn_blocking(move || {
        let _slot = slot;
        read(&caller)
    });
    let done = done.await;
    drop(leaving);
    done.map_err(|_| Refusal::Internal("a read of the audit log broke off".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc;

    use super::*;

    /// Reads whose callers have left hold their slots until they end.
    #[tokio::test(start_paused = true)]
    async fn no_more_read_at_once_than_there_are_slots() {
        let reads = Reads::new();
        let running = Arc::new(AtomicUsize::new(0));
        let (end, ends) = mpsc::channel::<()>();
        let ends = Arc::new(std::sync::Mutex::new(ends));
        let (began, mut begun) = tokio::sync::mpsc::unbounded_channel();
        let mut callers = Vec::new();
        for _ in 0..LONG {
            let (reads, running, ends) = (reads.clone(), running.clone(), ends.clone());
            let began = began.clone();
            callers.push(tokio::spawn(async move {
                let read = move |_: &Caller| {
                    running.fetch_add(1, Ordering::SeqCst);
                    began.send(()).unwrap();
                    let _ = ends.lock().unwrap().recv();
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                reads.long(read).await
            }));
        }
        for _ in 0..LONG {
            begun.recv().await.unwrap();
        }
        callers.iter().for_each(tokio::task::JoinHandle::abort);
        let refused = reads.long(|_| ());
        let (refused, ()) = tokio::join!(refused, tokio::time::advance(PATIENCE));
        assert!(matches!(refused, Err(Refusal::Overloaded)));
        assert_eq!(running.load(Ordering::SeqCst), LONG);
        // Others have slots of their own.
        reads.short(|_| ()).await.unwrap();
        drop(end);
        reads.long(|_| ()).await.unwrap();
    }

    #[tokio::test]
    async fn a_read_is_told_that_its_caller_left() {
        let reads = Reads::new();
        let (began, begun) = tokio::sync::oneshot::channel();
        let (told, tells) = tokio::sync::oneshot::channel();
        let read = reads.long(move |caller: &Caller| {
            began.send(()).unwrap();
            while caller.waits().is_ok() {
                std::thread::yield_now();
            }
            told.send(()).unwrap();
        });
        let mut read = Box::pin(read);
        tokio::select! {
            _ = &mut read => unreachable!("it ends only when it is told"),
            _ = begun => {}
        }
        drop(read);
        tells.await.unwrap();
    }
}
