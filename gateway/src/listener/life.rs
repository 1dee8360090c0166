//! Life: what is known of one connection while it lives, and when it should end.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{Response, header};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::taking::{Answers, Leaving};
use crate::telemetry::Ending;

/// Requests under way on a connection, when it was last used, and why it ends.
#[derive(Debug)]
pub(super) struct Life {
    born: Instant,
    under_way: AtomicUsize,
    /// Milliseconds after `born`.
    used: AtomicU64,
    ending: OnceLock<Ending>,
    dismissed: Notify,
    answers: Answers,
}

/// A request is under way until this drops.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Life>);

impl Life {
    pub(super) fn new() -> Self {
        let born = Instant::now();
        Self {
            answers: Answers::new(born),
            born,
            under_way: AtomicUsize::new(0),
            used: AtomicU64::new(0),
            ending: OnceLock::new(),
            dismissed: Notify::new(),
        }
    }

    /// Works on a request; it is under way until its answer has left.
    pub(super) async fn with<B, E>(
        self: Arc<Self>,
        answer: impl Future<Output = Result<Response<B>, E>>,
    ) -> Result<Response<Leaving<B>>, E> {
        let under_way = self.clone().begin();
        let answer = answer.await?;
        // HTTP/1 could do this by itself; for HTTP/2 the header means nothing and hyper leaves it out.
        let last = answer.headers().get(header::CONNECTION);
        if last.is_some_and(|word| word == "close") {
            self.dismissed.notify_one();
        }
        Ok(answer.map(|body| self.answers.leave(body, under_way)))
    }

    #[cfg(test)]
    pub(super) fn leave<B>(self: Arc<Self>, body: B) -> Leaving<B> {
        let under_way = self.clone().begin();
        self.answers.leave(body, under_way)
    }

    #[cfg(test)]
    pub(super) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// Waits for an answer that is the connection's last.
    pub(super) async fn dismissed(&self) {
        self.dismissed.notified().await;
    }

    fn begin(self: Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::Relaxed);
        UnderWay(self)
    }

    fn is_busy(&self) -> bool {
        self.under_way.load(Ordering::Relaxed) > 0
    }

    /// Notes why it ends; the first reason stays.
    pub(super) fn ends(&self, why: Ending) {
        // One that stands already is the cause of this one.
        let _ = self.ending.set(why);
    }

    /// Why it ended; by the peer's will when nothing else is known.
    pub(super) fn ending(&self) -> Ending {
        self.ending.get().copied().unwrap_or(Ending::Peer)
    }

    /// When it was last used.
    fn last_used(&self) -> Instant {
        self.born + Duration::from_millis(self.used.load(Ordering::Relaxed))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let age = u64::try_from(self.0.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.used.store(age, Ordering::Relaxed);
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a connection may live, and how long unused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) idle: Duration,
    /// With the connection's own jitter, so that those that came together don't leave together.
    pub(super) age: Duration,
    /// How long one that was told to end may still be unused.
    pub(super) linger: Duration,
    /// How long its peer may take nothing of an answer.
    pub(super) write: Duration,
}

/// What to do with a connection now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Nothing before then.
    Later(Instant),
    /// Tell it to end after what is under way.
    Tell(Ending),
    /// Leave it.
    Leave(Ending),
}

impl Span {
    /// Looks what it is time for. One whose peer takes nothing of an answer is left at once. One that was told to end is left when it is unused for a while,
    /// or takes as long again as it may live.
    pub(super) fn due(self, life: &Life, told: Option<Instant>, now: Instant) -> Due {
        let waiting = life.answers.waiting_since();
        let tired = waiting.unwrap_or(now) + self.write;
        if now >= tired {
            return Due::Leave(Ending::SlowReader);
        }
        let last_used = match life.is_busy() {
            true => now,
            false => life.last_used(),
        };
        let (unused, old) = match told {
            None => (last_used + self.idle, life.born + self.age),
            Some(told) => (last_used.max(told) + self.linger, told + self.age),
        };
        let why = match (now >= old, now >= unused) {
            (true, _) => Ending::Aged,
            (false, true) => Ending::Idle,
            (false, false) => return Due::Later(unused.min(old).min(tired)),
        };
        match told {
            None => Due::Tell(why),
            Some(_) => Due::Leave(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span {
        idle: Duration::from_secs(60),
        age: Duration::from_secs(600),
        linger: Duration::from_secs(10),
        write: Duration::from_secs(30),
    };

    /// What is due at a second of its life, told to end at another.
    #[track_caller]
    fn check(life: &Life, told: Option<u64>, now: u64, expected: Result<u64, Due>) {
        let second = |n| life.born + Duration::from_secs(n);
        let due = SPAN.due(life, told.map(second), second(now));
        let expected = expected.map_or_else(|due| due, |n| Due::Later(second(n)));
        assert_eq!(due, expected, "told at {told:?}, at {now}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_connection_ends() {
        let life = Arc::new(Life::new());
        check(&life, None, 0, Ok(30));
        check(&life, None, 30, Ok(60));
        tokio::time::advance(Duration::from_secs(59)).await;
        drop(life.clone().begin());
        check(&life, None, 60, Ok(90));
        check(&life, None, 90, Ok(119));
        check(&life, None, 119, Err(Due::Tell(Ending::Idle)));
        check(&life, Some(119), 119, Ok(129));
        check(&life, Some(119), 129, Err(Due::Leave(Ending::Idle)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_busy_connection_only_ages() {
        let life = Arc::new(Life::new());
        let _request = life.clone().begin();
        check(&life, None, 500, Ok(530));
        check(&life, None, 599, Ok(600));
        check(&life, None, 600, Err(Due::Tell(Ending::Aged)));
        check(&life, Some(600), 700, Ok(710));
        check(&life, Some(600), 1199, Ok(1200));
        check(&life, Some(600), 1200, Err(Due::Leave(Ending::Aged)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_left() {
        let life = Arc::new(Life::new());
        tokio::time::advance(Duration::from_secs(5)).await;
        let _answer = life.clone().leave("body".to_owned());
        check(&life, None, 30, Ok(35));
        check(&life, None, 35, Err(Due::Leave(Ending::SlowReader)));
        check(&life, Some(34), 35, Err(Due::Leave(Ending::SlowReader)));
    }

    #[tokio::test]
    async fn a_request_is_under_way_until_its_answer_has_left() {
        let life = Arc::new(Life::new());
        let answer = std::future::ready(Ok::<_, ()>(Response::new("body".to_owned())));
        let answer = life.clone().with(answer).await.unwrap();
        assert!(life.is_busy());
        drop(answer);
        assert!(!life.is_busy());
    }

    #[test]
    fn the_first_reason_stays() {
        let life = Life::new();
        assert_eq!(life.ending(), Ending::Peer);
        life.ends(Ending::SlowHead);
        life.ends(Ending::Drained);
        assert_eq!(life.ending(), Ending::SlowHead);
    }
}
