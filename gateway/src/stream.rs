//! Stream: a fan-out in, server-sent events out (WHATWG HTML, section 9.2).
//!
//! `accepted` says what is asked; each `result` is recorded before it leaves; `finding`s and `done`
//! close it. A client that leaves drops the body, which ends the task and cancels what runs.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::StreamBody;
use loket_sdk::client::event::{self, Accepted, IndexedResult};
use loket_sdk::message::{Answer, SourceResult};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::answer::{self, Keeping, Lookup};
use crate::fanout::FanOut;
use crate::refusal::Refusal;
use crate::reply::{self, Body};
use crate::trail::Trail;

/// A comment this often tells both ends that the other is there.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Events that wait for a slow reader.
const BUFFERED: usize = 16;

/// Sends events until the lookup is done, the client has left, or it reads so slowly that
/// `patience` is over.
#[must_use]
pub fn body(
    lookup: Lookup,
    fan_out: FanOut,
    keeping: Keeping,
    trail: Trail,
    patience: Duration,
) -> Body {
    let trace_id = trail.trace_id().to_owned();
    send_all(trace_id, patience, |events| {
        run(lookup, fan_out, keeping, trail, events)
    })
}

/// The same of an answer that was given before, and whose repetition is recorded.
#[must_use]
pub fn repeat(lookup: Lookup, answer: Answer, trail: Trail, patience: Duration) -> Body {
    let trace_id = trail.trace_id().to_owned();
    send_all(trace_id, patience, |events| {
        run_again(lookup, answer, trail, events)
    })
}

fn send_all<F>(
    trace_id: String,
    patience: Duration,
    run: impl FnOnce(mpsc::Sender<Bytes>) -> F,
) -> Body
where
    F: Future<Output = ()> + Send + 'static,
{
    let (events, receiver) = mpsc::channel::<Bytes>(BUFFERED);
    let left = events.clone();
    let run = run(events);
    tokio::spawn(async move {
        tokio::select! {
            () = run => {}
            // Dropping the run drops the fan-out and the trail: what runs is cancelled and
            // recorded as abandoned.
            () = left.closed() => {}
            () = tokio::time::sleep(patience) => {
                tracing::warn!(trace_id, "a stream was cut: its client reads too slowly");
            }
        }
    });
    let frames = stream::unfold(receiver, async |mut receiver| {
        let bytes = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), receiver))
    });
    reply::sound(StreamBody::new(frames))
}

async fn run(
    lookup: Lookup,
    mut fan_out: FanOut,
    keeping: Keeping,
    mut trail: Trail,
    events: mpsc::Sender<Bytes>,
) {
    if accept(&lookup, &trail, &events).await.is_err() {
        return;
    }
    match results(&lookup, &mut fan_out, &mut trail, &events).await {
        Ok(Some(results)) => {
            let answer = answer::finish(&lookup, results, &mut trail).await;
            match answer {
                Ok(answer) => {
                    keeping.keep(&answer, &trail).await;
                    close(answer, &mut trail, &events).await;
                }
                Err(refusal) => fail(&refusal, &mut trail, &events).await,
            }
        }
        Ok(None) => {}
        Err(refusal) => fail(&refusal, &mut trail, &events).await,
    }
}

async fn run_again(lookup: Lookup, answer: Answer, mut trail: Trail, events: mpsc::Sender<Bytes>) {
    if accept(&lookup, &trail, &events).await.is_err() {
        return;
    }
    for (index, result) in answer.results.iter().cloned().enumerate() {
        let result = IndexedResult { index, result };
        if send(&events, event::RESULT, &result).await.is_err() {
            return;
        }
    }
    close(answer, &mut trail, &events).await;
}

async fn accept(lookup: &Lookup, trail: &Trail, events: &mpsc::Sender<Bytes>) -> Result<(), Left> {
    let accepted = Accepted {
        request_id: lookup.request_id(),
        trace_id: trail.trace_id().to_owned(),
        records: lookup.asked().to_vec(),
    };
    send(events, event::ACCEPTED, &accepted).await
}

/// Passes results on as they come; none when the client has left.
async fn results(
    lookup: &Lookup,
    fan_out: &mut FanOut,
    trail: &mut Trail,
    events: &mpsc::Sender<Bytes>,
) -> Result<Option<Vec<SourceResult>>, Refusal> {
    let mut results: Vec<Option<SourceResult>> = Vec::new();
    results.resize_with(lookup.legs(), || None);
    loop {
        let part = match tokio::time::timeout(KEEP_ALIVE, fan_out.next()).await {
            Ok(Some(part)) => part,
            Ok(None) => break,
            Err(_) => {
                if events
                    .send(Bytes::from_static(b": keep-alive\n\n"))
                    .await
                    .is_err()
                {
                    return Ok(None);
                }
                continue;
            }
        };
        trail.answered(part.leg, part.entry.clone());
        trail.disclose(part.entry).await?;
        if part.asked {
            lookup.first_result(trail);
        }
        let mut shown = part.result.clone();
        shown
            .claims
            .iter_mut()
            .for_each(|claim| claim.name_match = None);
        let result = IndexedResult {
            index: part.leg,
            result: shown,
        };
        if send(events, event::RESULT, &result).await.is_err() {
            return Ok(None);
        }
        results[part.leg] = Some(part.result);
    }
    Ok(Some(results.into_iter().flatten().collect()))
}

async fn close(mut answer: Answer, trail: &mut Trail, events: &mpsc::Sender<Bytes>) {
    trail.responded(200, Some(answer.overall.as_str()));
    for finding in &answer.findings {
        if send(events, event::FINDING, finding).await.is_err() {
            return;
        }
    }
    // The data has been sent; the whole is sent without it.
    for result in &mut answer.results {
        result.data = None;
        result.claims.clear();
    }
    // A client that has left by now has its entry in the log.
    let _ = send(events, event::DONE, &answer).await;
}

async fn fail(refusal: &Refusal, trail: &mut Trail, events: &mpsc::Sender<Bytes>) {
    // What can't be recorded is why it fails, so this can't be either.
    let _ = trail.refuse(refusal).await;
    let problem = reply::problem_of(refusal, trail.trace_id());
    let _ = send(events, event::PROBLEM, &problem).await;
    trail.responded(reply::status_of(refusal), None);
}

/// The client has left.
struct Left;

async fn send(events: &mpsc::Sender<Bytes>, name: &str, data: &impl Serialize) -> Result<(), Left> {
    // What is sent serialises: maps have string keys.
    let data = serde_json::to_string(data).unwrap_or_default();
    let event = Bytes::from(format!("event: {name}\ndata: {data}\n\n"));
    events.send(event).await.map_err(|_| Left)
}
