//! The open loop: every lookup is sent when it is due, whatever became of those before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use loket_sdk::message::REQUEST_ID_HEADER;
use loket_sdk::problem::Problem;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::connections::Connections;
use crate::slots::{self, Slots};
use crate::stub::{AGENCIES, NIK};

/// A lookup that took so long has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// More lookups under way aren't begun: memory has an end even when the gateway has stalled.
const MOST_UNDER_WAY: usize = 20_000;

/// What became of the lookups of one run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// From when each answered lookup was due to the end of its answer.
    pub(crate) total: Vec<Duration>,
    /// The same without the time that its slowest source held it.
    pub(crate) added: Vec<Duration>,
    /// How late each was sent; what of the above is this program's own doing.
    pub(crate) late: Vec<Duration>,
    /// Failures by kind.
    pub(crate) errors: BTreeMap<String, u64>,
    /// From the first that was due to the last that ended.
    pub(crate) took: Duration,
}

struct Sample {
    late: Duration,
    total: Result<Duration, String>,
    number: usize,
}

/// Sends the lookups of a schedule, numbered from `first`.
pub(crate) async fn drive(
    connections: Arc<Connections>,
    schedule: Vec<Duration>,
    first: usize,
    slots: &Slots,
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
            let connections = connections.clone();
            runtime.spawn(async move {
                let answer = tokio::time::timeout(PATIENCE, ask(&connections, number)).await;
                let total = match answer {
                    Ok(Ok(())) => Ok(due.elapsed()),
                    Ok(Err(error)) => Err(kind(&error)),
                    Err(_) => Err("timeout".to_owned()),
                };
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
        outcome.late.push(sample.late);
        match sample.total {
            Ok(total) => {
                let held = slots.longest(sample.number);
                outcome.total.push(total);
                outcome.added.push(total.saturating_sub(held));
            }
            Err(kind) => *outcome.errors.entry(kind).or_default() += 1,
        }
    }
    outcome.took = started.elapsed();
    // It has dropped its end of the channel, so it has ended.
    let _ = dispatcher.join();
    outcome
}

/// Why a lookup isn't counted as answered.
#[derive(Debug)]
struct Refused(String);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

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

async fn ask(connections: &Connections, number: usize) -> anyhow::Result<()> {
    connections.send(number, request(number)?, read).await
}

async fn read(response: Response<Incoming>) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Brief<'a> {
        overall: &'a str,
    }
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    if status != http::StatusCode::OK {
        let code = serde_json::from_slice::<Problem>(&body).map(|problem| problem.code.as_str());
        let code = code.unwrap_or("no_problem");
        return Err(Refused(format!("{}_{code}", status.as_u16())).into());
    }
    match serde_json::from_slice::<Brief<'_>>(&body) {
        Ok(Brief {
            overall: "complete",
        }) => Ok(()),
        Ok(Brief { overall }) => Err(Refused(format!("overall_{overall}")).into()),
        Err(_) => Err(Refused("not_an_answer".to_owned()).into()),
    }
}

fn request(number: usize) -> anyhow::Result<Request<Full<Bytes>>> {
    let id = slots::request_id(number);
    let records = AGENCIES.map(|agency| format!(r#"{{"record":"{}"}}"#, agency.record));
    let body = format!(
        r#"{{"request_id":"{id}","case_id":"MPP-3510-20261124-{:06}","purpose":"business_licence","legal_basis":{{"kind":"legal_obligation","reference":"PP 28/2025"}},"clerk":"clk-7f3a","counter":"B07","subject":{{"scheme":"nik","value":"{NIK}"}},"records":[{}],"deadline_ms":5000}}"#,
        number % 1_000_000,
        records.join(","),
    );
    Ok(Request::post("https://localhost/v1/lookups")
        .header(header::HOST, "localhost")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .header(REQUEST_ID_HEADER, id.to_string())
        .body(Full::new(body.into()))?)
}
