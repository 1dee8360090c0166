//! Callers that ask all the time, and what each of them saw.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use loket_sdk::message::{Answer, Overall, Reason, SourceResult};
use loket_sdk::testing::{Connection, FakeCounter};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::is_long;
use crate::Ask;

/// Nobody waits longer; a gateway that makes them is stuck.
const PATIENCE: Duration = Duration::from_secs(20);

/// What one caller saw of one question.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it was asked.
    pub started: Instant,
    /// How long it took.
    pub took: Duration,
    /// What came.
    pub saw: Saw,
}

/// What came.
#[derive(Debug, Clone)]
pub enum Saw {
    /// An answer.
    Answer(Arc<Answer>),
    /// A refusal: status and code.
    Problem(u16, String),
    /// No connection, or one that broke.
    Nothing(String),
    /// Neither answer nor end within twenty seconds.
    Hung,
}

impl Seen {
    /// The answer, if there was one.
    #[must_use]
    pub fn answer(&self) -> Option<&Answer> {
        match &self.saw {
            Saw::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    /// What was answered of a record.
    #[must_use]
    pub fn result(&self, record: &str) -> Option<&SourceResult> {
        let mut results = self.answer()?.results.iter();
        results.find(|result| result.record.to_string() == record)
    }

    /// Why, of a record.
    #[must_use]
    pub fn reason(&self, record: &str) -> Option<Reason> {
        self.result(record).map(|result| result.reason)
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.saw {
            Saw::Answer(answer) => {
                let words = answer.results.iter().map(|result| {
                    let took = result.elapsed_ms;
                    format!("{}={} {took} ms", result.record, result.reason)
                });
                write!(f, "{}", words.collect::<Vec<_>>().join(", "))
            }
            Saw::Problem(status, code) => write!(f, "{status} {code}"),
            Saw::Nothing(error) => write!(f, "nothing: {error}"),
            Saw::Hung => write!(f, "hung"),
        }
    }
}

/// Callers that ask until they are told to stop.
pub struct Load {
    seen: watch::Sender<Vec<Seen>>,
    stop: watch::Sender<bool>,
    callers: JoinSet<()>,
}

impl Load {
    pub(super) fn start(counter: &FakeCounter, ask: &Ask, callers: usize, pause: Duration) -> Self {
        let mut load = Self {
            seen: watch::Sender::new(Vec::new()),
            stop: watch::Sender::new(false),
            callers: JoinSet::new(),
        };
        for n in 0..callers {
            let counter = counter.clone();
            let caller = Caller {
                counter: if n % 2 == 0 { counter.http2() } else { counter },
                ask: ask.clone(),
                seen: load.seen.clone(),
                stop: load.stop.subscribe(),
            };
            load.callers.spawn(caller.ask_on(pause));
        }
        load
    }

    /// What is seen of questions asked from now on, once it is enough.
    ///
    /// # Panics
    /// When it isn't within a minute, or five in the long form.
    pub async fn until(&self, what: &str, enough: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let from = Instant::now();
        let since = |seen: &Vec<Seen>| since(seen, from);
        let mut seeing = self.seen.subscribe();
        let waiting = seeing.wait_for(|seen| enough(&since(seen)));
        let patience = Duration::from_secs(if is_long() { 300 } else { 60 });
        match tokio::time::timeout(patience, waiting).await {
            Ok(seen) => since(&seen.expect("the load goes on")),
            Err(_) => {
                let seen = since(&self.seen.borrow());
                let last = seen.iter().rev().take(5).map(ToString::to_string);
                let last: Vec<_> = last.collect();
                panic!("never: {what}; {} seen, the last {last:#?}", seen.len())
            }
        }
    }

    /// What was seen so far of questions asked from then on.
    #[must_use]
    pub fn since(&self, from: Instant) -> Vec<Seen> {
        since(&self.seen.borrow(), from)
    }

    /// What callers see while nothing is wrong, once every connection is warm and the machine keeps
    /// up.
    pub async fn before(&self) -> Vec<Seen> {
        let is_complete = |seen: &Seen| {
            let answer = seen.answer();
            answer.is_some_and(|answer| answer.overall == Overall::Complete)
        };
        let warm = |seen: &[Seen]| {
            let last = seen.iter().rev().take(60);
            seen.len() >= 80 && last.filter(|seen| is_complete(seen)).count() == 60
        };
        let mut seen = self.until("all is well at first", warm).await;
        seen.split_off(seen.len() - 60)
    }

    /// So many questions; ten times as many in the long form.
    pub async fn some(&self, count: usize) -> Vec<Seen> {
        let count = if is_long() { count * 10 } else { count };
        self.until("enough is seen", |seen| seen.len() >= count)
            .await
    }

    /// Stops when every caller has its last answer; all that was seen.
    ///
    /// # Panics
    /// When a caller did.
    pub async fn end(mut self) -> Vec<Seen> {
        self.stop.send_replace(true);
        while let Some(ended) = self.callers.join_next().await {
            ended.expect("a caller ends well");
        }
        let seen = self.seen.borrow().clone();
        let hung = seen.iter().filter(|seen| matches!(seen.saw, Saw::Hung));
        assert_eq!(hung.count(), 0, "nobody waits without end");
        seen
    }
}

fn since(seen: &[Seen], from: Instant) -> Vec<Seen> {
    let since = seen.iter().filter(|seen| seen.started >= from);
    since.cloned().collect()
}

struct Caller {
    counter: FakeCounter,
    ask: Ask,
    seen: watch::Sender<Vec<Seen>>,
    stop: watch::Receiver<bool>,
}

impl Caller {
    async fn ask_on(mut self, pause: Duration) {
        let mut connection = None;
        while !*self.stop.borrow() {
            let started = Instant::now();
            let saw = tokio::time::timeout(PATIENCE, self.ask_once(&mut connection));
            let saw = saw.await.unwrap_or(Saw::Hung);
            if matches!(saw, Saw::Nothing(_) | Saw::Hung) {
                connection = None;
            }
            let seen = Seen {
                started,
                took: started.elapsed(),
                saw,
            };
            self.seen.send_modify(|all| all.push(seen));
            // Whoever asks at once all the same would find a gateway that is gone again and again.
            let pause = pause.max(Duration::from_millis(u64::from(connection.is_none()) * 10));
            if !pause.is_zero() {
                let _ = tokio::time::timeout(pause, self.stop.wait_for(|stop| *stop)).await;
            }
        }
    }

    async fn ask_once(&self, connection: &mut Option<Connection>) -> Saw {
        let connection = match connection {
            Some(connection) => connection,
            None => match self.counter.connect().await {
                Ok(new) => connection.insert(new),
                Err(error) => return Saw::Nothing(error.to_string()),
            },
        };
        let ask = self.ask.clone().with("/request_id", json!(Uuid::now_v7()));
        let headers = [("content-type", "application/json")];
        let answer = connection.send("POST", "/v1/lookups", &headers, ask.text());
        match answer.await {
            Ok(answer) if answer.status == 200 => Saw::Answer(Arc::new(answer.json())),
            Ok(answer) => {
                let problem: serde_json::Value = answer.json();
                let code = problem["code"].as_str().unwrap_or_default();
                Saw::Problem(answer.status.as_u16(), code.to_owned())
            }
            Err(error) => Saw::Nothing(error.to_string()),
        }
    }
}
