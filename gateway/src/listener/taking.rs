//! Taking: an answer's body in, the same body and a note of when its peer last took some of it out.
//!
//! A peer that doesn't read is `patience`'s; here is one of HTTP/2 that reads everything and grants
//! an answer no window, while the answer holds a place, and a source's slot.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::life::UnderWay;

/// The answers of one connection that haven't left.
#[derive(Debug)]
pub(super) struct Answers {
    born: Instant,
    all: Mutex<Vec<Weak<Answer>>>,
}

/// An answer, under way until its last byte has left or nobody wants it any more.
#[derive(Debug)]
struct Answer {
    born: Instant,
    /// Whether it is the peer that is waited for, and not who writes the answer.
    waits: AtomicBool,
    /// Milliseconds after `born`.
    moved: AtomicU64,
    _under_way: UnderWay,
}

/// The body of an answer.
pub(super) struct Leaving<B> {
    body: B,
    answer: Arc<Answer>,
}

/// Bytes of an answer that belong to it until they are written.
pub(super) struct Held {
    bytes: Bytes,
    answer: Arc<Answer>,
}

impl Answers {
    pub(super) fn new(born: Instant) -> Self {
        Self {
            born,
            all: Mutex::default(),
        }
    }

    pub(super) fn leave<B>(&self, body: B, under_way: UnderWay) -> Leaving<B> {
        let answer = Arc::new(Answer {
            born: self.born,
            waits: AtomicBool::new(true),
            moved: AtomicU64::new(0),
            _under_way: under_way,
        });
        answer.moved();
        let mut all = self.all();
        all.retain(|answer| answer.strong_count() > 0);
        all.push(Arc::downgrade(&answer));
        Leaving { body, answer }
    }

    /// Since when the peer has taken nothing of the answer that waits longest for it.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        let all = self.all();
        let waiting = all.iter().filter_map(Weak::upgrade);
        let waiting = waiting.filter(|answer| answer.waits.load(Ordering::Relaxed));
        let moved = waiting.map(|answer| answer.moved.load(Ordering::Relaxed));
        Some(self.born + Duration::from_millis(moved.min()?))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Weak<Answer>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    fn moved(&self) {
        let age = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.moved.store(age, Ordering::Relaxed);
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Leaving<B> {
    type Data = Held;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Held>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        // There is room for more, as nobody asks for it otherwise.
        self.answer.waits.store(frame.is_ready(), Ordering::Relaxed);
        self.answer.moved();
        let hold = |bytes| Held {
            bytes,
            answer: self.answer.clone(),
        };
        frame.map(|frame| frame.map(|frame| frame.map(|frame| frame.map_data(hold))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Buf for Held {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.answer.moved();
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        self.answer.moved();
        self.bytes.copy_to_bytes(length)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt as _, Full, StreamBody};

    use super::super::life::Life;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn passed(life: &Life) -> Option<Duration> {
        Some(life.answers().waiting_since()? - life.answers().born)
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_for_its_peer_until_its_last_byte_is_taken() {
        let life = Arc::new(Life::new());
        assert_eq!(passed(&life), None);
        tokio::time::advance(SECOND).await;
        let mut body = life.clone().leave(Full::new(Bytes::from_static(b"body")));
        assert_eq!(passed(&life), Some(SECOND), "no window at all");
        tokio::time::advance(SECOND).await;
        let frame = body.frame().await.unwrap().unwrap();
        drop(body);
        let mut held = frame.into_data().ok().unwrap();
        assert_eq!(passed(&life), Some(2 * SECOND));
        tokio::time::advance(SECOND).await;
        held.advance(1);
        assert_eq!(passed(&life), Some(3 * SECOND), "a byte of window");
        drop(held);
        assert_eq!(passed(&life), None);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_isnt_written_yet_waits_for_nobody() {
        let life = Arc::new(Life::new());
        let never = futures_util::stream::pending::<Result<Frame<Bytes>, ()>>();
        let mut body = life.clone().leave(StreamBody::new(never));
        let waiting = tokio::time::timeout(SECOND, body.frame()).await;
        assert!(waiting.is_err());
        assert_eq!(passed(&life), None);
    }
}
