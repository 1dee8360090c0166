//! Two ways to send: in an open loop each request is sent when it is due, whatever became of those
//! before; in a closed one the next follows the last, as many at once as there are senders.
//!
//! The open loop tells how long callers wait, the closed one what a request costs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// A request that took so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// More requests under way aren't begun: memory has an end even when who is asked has stalled.
const MOST_UNDER_WAY: usize = 20_000;

/// What is sent.
pub(crate) trait Ask: Send + Sync + 'static {
    /// Sends the request of this number and reads its answer.
    fn ask(&self, number: usize) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// What became of the requests of one run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Number and time of each that was answered, from when it was due to the end of its answer.
    pub(crate) answered: Vec<(usize, Duration)>,
    /// How late each was sent; what of the above is this program's own doing.
    pub(crate) late: Vec<Duration>,
    /// Failures by kind.
    pub(crate) errors: BTreeMap<String, u64>,
    /// From the first that was due to the last that ended.
    pub(crate) took: Duration,
}

impl Outcome {
    fn add(&mut self, sample: Sample) {
        self.late.push(sample.late);
        match sample.total {
            Ok(total) => self.answered.push((sample.number, total)),
            Err(kind) => *self.errors.entry(kind).or_default() += 1,
        }
    }
}

struct Sample {
    late: Duration,
    total: Result<Duration, String>,
    number: usize,
}

/// Sends the requests of a schedule, numbered from `first`.
pub(crate) async fn open_loop(
    ask: Arc<impl Ask>,
    schedule: Vec<Duration>,
    first: usize,
) -> Outcome {
    let (samples, mut ended) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Handle::current();
    let started = Instant::now();
    // A thread of its own: the runtime's timer is too coarse for the schedule.
    let dispatcher = std::thread::spawn(move || {
        let under_way = Arc::new(AtomicUsize::new(0));
        for (index, due) in schedule.into_iter().enumerate() {
            let due = started + due;
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait);
            }
            let number = first + index;
            let late = due.elapsed();
            let (samples, under_way) = (samples.clone(), under_way.clone());
            if under_way.fetch_add(1, Ordering::Relaxed) >= MOST_UNDER_WAY {
                under_way.fetch_sub(1, Ordering::Relaxed);
                let total = Err("not_sent".to_owned());
                let _ = samples.send(Sample {
                    late,
                    total,
                    number,
                });
                continue;
            }
            let ask = ask.clone();
            runtime.spawn(async move {
                let total = patiently(&*ask, number, due).await;
                under_way.fetch_sub(1, Ordering::Relaxed);
                let _ = samples.send(Sample {
                    late,
                    total,
                    number,
                });
            });
        }
    });
    let mut outcome = Outcome::default();
    while let Some(sample) = ended.recv().await {
        outcome.add(sample);
    }
    outcome.took = started.elapsed();
    // It has dropped its end of the channel, so it has ended.
    let _ = dispatcher.join();
    outcome
}

/// Sends one after the other for so long, `senders` at once, numbered from `first`.
pub(crate) async fn closed_loop(
    ask: Arc<impl Ask>,
    length: Duration,
    senders: usize,
    first: usize,
) -> Outcome {
    let started = Instant::now();
    let next = Arc::new(AtomicUsize::new(first));
    let senders: Vec<_> = (0..senders)
        .map(|_| {
            let (ask, next) = (ask.clone(), next.clone());
            tokio::spawn(async move {
                let mut samples = Vec::new();
                while started.elapsed() < length {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let total = patiently(&*ask, number, Instant::now()).await;
                    samples.push(Sample {
                        late: Duration::ZERO,
                        total,
                        number,
                    });
                }
                samples
            })
        })
        .collect();
    let mut outcome = Outcome::default();
    for sender in senders {
        for sample in sender.await.unwrap_or_default() {
            outcome.add(sample);
        }
    }
    outcome.took = started.elapsed();
    outcome
}

async fn patiently(ask: &impl Ask, number: usize, due: Instant) -> Result<Duration, String> {
    match tokio::time::timeout(PATIENCE, ask.ask(number)).await {
        Ok(Ok(())) => Ok(due.elapsed()),
        Ok(Err(error)) => Err(kind(&error)),
        Err(_) => Err("timeout".to_owned()),
    }
}

/// Why an answer doesn't count as one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub(crate) String);

fn kind(error: &anyhow::Error) -> String {
    if let Some(Refused(kind)) = error.downcast_ref() {
        return kind.clone();
    }
    match error.downcast_ref::<hyper::Error>() {
        Some(hyper) if hyper.is_canceled() || hyper.is_closed() => "connection_closed".to_owned(),
        Some(_) => "http".to_owned(),
        None => "connection".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Refuses every third.
    struct Third;

    impl Ask for Third {
        async fn ask(&self, number: usize) -> anyhow::Result<()> {
            tokio::task::yield_now().await;
            match number % 3 {
                0 => Err(Refused("third".to_owned()).into()),
                _ => Ok(()),
            }
        }
    }

    #[tokio::test]
    async fn both_loops_count_all_that_they_send() {
        let schedule = vec![Duration::ZERO; 30];
        let open = open_loop(Arc::new(Third), schedule, 3).await;
        assert_eq!((open.answered.len(), open.errors["third"]), (20, 10));
        assert!(
            open.answered
                .iter()
                .all(|(number, _)| (3..33).contains(number))
        );
        let closed = closed_loop(Arc::new(Third), Duration::from_millis(20), 4, 7).await;
        let numbers: std::collections::BTreeSet<_> =
            closed.answered.iter().map(|(number, _)| number).collect();
        assert_eq!(
            numbers.len(),
            closed.answered.len(),
            "a number was sent twice"
        );
        let sent = closed.late.len();
        assert!(sent >= 4);
        assert_eq!(
            sent,
            closed.answered.len() + closed.errors["third"] as usize
        );
    }
}
