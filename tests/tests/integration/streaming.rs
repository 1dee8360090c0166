//! A lookup as a stream: first event at once, results as they arrive, all of it recorded.

use std::time::Duration;

use loket_sdk::client::Event;
use loket_sdk::client::event::{Accepted, IndexedResult};
use loket_sdk::message::{Answer, Reason};
use loket_sdk::problem::{Code, Problem};
use loket_sdk::testing::{EventStream, FakeCounter, Fault};
use loket_tests::town::eventually;
use loket_tests::{Ask, Town, TownBuilder};

const PERSON: &str = "person-identity/1";
const JKN: &str = "health-insurance/1";
const SIM: &str = "driving-licence/1";

fn town() -> TownBuilder {
    Town::builder().agencies(&["dukcapil", "bpjs-kesehatan", "korlantas"])
}

/// Civil registry, health insurance, driving licence, in this order.
fn ask() -> Ask {
    Ask::new("driving_licence_renewal")
        .fields(PERSON, &["identity_status", "address"])
        .fields(JKN, &["membership_status"])
        .all(SIM)
}

async fn stream(counter: &FakeCounter, ask: &Ask) -> EventStream {
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let stream = counter
        .events("POST", "/v1/lookups", &headers, ask.text())
        .await
        .unwrap();
    assert_eq!(stream.status, 200);
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(stream.headers["cache-control"], "no-store");
    stream
}

async fn next(stream: &mut EventStream, name: &str) -> loket_sdk::testing::Event {
    let event = stream.next().await.unwrap().unwrap();
    assert_eq!(event.name, name, "{}", event.data);
    event
}

#[tokio::test]
async fn results_come_as_they_arrive() {
    let town = town().start().await;
    for counter in [town.counter(), town.counter().http2()] {
        let ask = ask().within_ms(2500);
        town.agency("dukcapil").set_fault(Fault::Hang);
        let mut events = stream(&counter, &ask).await;
        // Everything but the slow agency is here while the slow one still works.
        let accepted: Accepted = next(&mut events, "accepted").await.json();
        assert_eq!(accepted.request_id.to_string(), ask.request_id());
        assert_eq!(accepted.trace_id, events.headers["x-trace-id"]);
        let records: Vec<String> = accepted
            .records
            .iter()
            .map(|r| r.record.to_string())
            .collect();
        assert_eq!(records, [PERSON, JKN, SIM]);
        let mut seen = Vec::new();
        for _ in 0..2 {
            let result: IndexedResult = next(&mut events, "result").await.json();
            assert_eq!(result.result.reason, Reason::Complete);
            assert!(result.result.data.is_some());
            seen.push(result.index);
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
        assert_eq!(
            town.metric("loket_agency_in_flight", &["dukcapil"]).await,
            1.0
        );
        let last: IndexedResult = next(&mut events, "result").await.json();
        assert_eq!((last.index, last.result.reason), (0, Reason::NoAnswerYet));
        let rest = events.all().await.unwrap();
        let (done, findings) = rest.split_last().unwrap();
        assert_eq!(done.name, "done");
        assert!(findings.iter().all(|event| event.name == "finding"));
        let answer: Answer = done.json();
        assert_eq!(answer.trace_id, accepted.trace_id);
        assert_eq!(answer.findings.len(), findings.len());
    }
    town.stop().await;
}

/// The stream and the whole say the same; `done` doesn't repeat the data.
#[tokio::test]
async fn the_stream_is_the_whole_answer() {
    let town = town().start().await;
    let whole = town.answer(&ask()).await;
    let lookup = serde_json::from_value(ask().document().clone()).unwrap();
    let mut results = town.client().stream(&lookup).await.unwrap();
    let mut streamed = None;
    while let Some(event) = results.next().await {
        if let Event::Done(answer) = event.unwrap() {
            streamed = Some(answer);
        }
    }
    let streamed = streamed.unwrap();
    assert_eq!(streamed.overall, whole.overall);
    assert_eq!(streamed.obligations, whole.obligations);
    assert_eq!(streamed.findings, whole.findings);
    for (streamed, whole) in streamed.results.iter().zip(&whole.results) {
        assert_eq!(streamed.record, whole.record);
        assert_eq!(streamed.reason, whole.reason);
        assert_eq!(streamed.data, whole.data);
        assert_eq!(streamed.withheld, whole.withheld);
    }
    let raw = stream(&town.counter(), &ask()).await.all().await.unwrap();
    let done: Answer = raw.last().unwrap().json();
    assert!(
        done.results
            .iter()
            .all(|r| r.data.is_none() && r.claims.is_empty())
    );
    town.stop().await;
}

/// Before a result can be read its entry is on disk, and the last entry covers all.
#[tokio::test]
async fn each_result_is_recorded_before_it_leaves() {
    let town = town().start().await;
    town.agency("korlantas").set_fault(Fault::Hang);
    let mut events = stream(&town.counter(), &ask().within_ms(2500)).await;
    next(&mut events, "accepted").await;
    for count in 1..=3 {
        let result: IndexedResult = next(&mut events, "result").await.json();
        let entries = town.audit_entries();
        assert!(entries.len() >= count, "{entries:?}");
        let recorded = entries.iter().any(|entry| {
            let source = &entry["sources"][0];
            let same = source["record"] == result.result.record.to_string();
            entry["kind"] == "result" && same && source["reason"] == result.result.reason.as_str()
        });
        assert!(recorded, "{entries:?}");
    }
    let done: Answer = events.all().await.unwrap().last().unwrap().json();
    let entries = town.audit_entries();
    let last = entries.last().unwrap();
    assert_eq!(last["kind"], "lookup");
    assert_eq!(last["entry"], done.receipt.entry);
    assert_eq!(last["sources"].as_array().unwrap().len(), 3);
    // By their numbers, since another lookup may have the same trace.
    let parts = entries.iter().filter(|entry| entry["kind"] == "result");
    let parts: Vec<_> = parts.map(|entry| entry["entry"].clone()).collect();
    assert_eq!(last["parts"].as_array().unwrap(), &parts);
    town.stop().await;
}

#[tokio::test]
async fn a_client_that_leaves_cancels_what_runs() {
    let town = town().start().await;
    for counter in [town.counter(), town.counter().http2()] {
        town.agency("dukcapil").set_fault(Fault::Hang);
        let before = town.agency("dukcapil").requests().len();
        let left = town.audit_entries_of("abandoned", 0).await.len();
        let mut events = stream(&counter, &ask().within_ms(15_000)).await;
        next(&mut events, "accepted").await;
        next(&mut events, "result").await;
        town.agency("dukcapil").asked(before + 1).await;
        drop(events);
        let entries = town.audit_entries_of("abandoned", left + 1).await;
        let sources = entries[left]["sources"].as_array().unwrap();
        let reasons: Vec<&str> = sources
            .iter()
            .map(|s| s["reason"].as_str().unwrap())
            .collect();
        assert_eq!(reasons[0], "no_answer_yet", "it has the question");
        assert!(reasons[1..].contains(&"complete"), "{reasons:?}");
        let nothing_runs = async || {
            let agencies = town.metric("loket_agency_in_flight", &[]).await;
            let requests = town.metric("http_server_active_requests", &[]).await;
            (agencies + requests == 0.0).then_some(())
        };
        eventually("nothing running", nothing_runs).await;
    }
    town.stop().await;
}

/// A refusal before the first event is an ordinary problem.
#[tokio::test]
async fn a_refused_stream_is_a_problem() {
    let town = town().without_grants().start().await;
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let counter = town.counter();
    let answer = counter
        .send("POST", "/v1/lookups", &headers, ask().text())
        .await
        .unwrap();
    assert_eq!(answer.json::<Problem>().code, Code::NothingGranted);
    town.stop().await;
}

/// The log breaks in the middle: what came before has its entries, nothing follows but a problem.
#[tokio::test]
async fn a_log_that_breaks_ends_the_stream() {
    let town = town().start().await;
    town.agency("dukcapil").set_fault(Fault::Hang);
    let mut events = stream(&town.counter(), &ask().within_ms(2500)).await;
    next(&mut events, "accepted").await;
    next(&mut events, "result").await;
    next(&mut events, "result").await;
    std::fs::remove_dir_all(town.audit_dir()).unwrap();
    let problem: Problem = next(&mut events, "problem").await.json();
    assert_eq!(problem.code, Code::AuditUnavailable);
    assert!(events.next().await.unwrap().is_none());
    town.stop().await;
}

/// `Accept` decides; the first range that is served wins.
#[tokio::test]
async fn accept_decides() {
    let town = town().start().await;
    let cases = [
        ("application/json, text/event-stream", "application/json"),
        ("text/event-stream, application/json", "text/event-stream"),
        ("text/html, text/event-stream;q=0.5", "text/event-stream"),
        ("TEXT/EVENT-STREAM", "text/event-stream"),
        ("*/*", "application/json"),
        (
            "application/problem+json, application/*",
            "application/json",
        ),
    ];
    for (accept, expected) in cases {
        let headers = [("content-type", "application/json"), ("accept", accept)];
        let counter = town.counter();
        let answer = counter
            .send("POST", "/v1/lookups", &headers, ask().text())
            .await
            .unwrap();
        assert_eq!(answer.header("content-type"), expected, "{accept}");
    }
    town.stop().await;
}

/// A reader that doesn't read holds up nobody else.
#[tokio::test]
async fn a_slow_reader_costs_itself_only() {
    let town = town().start().await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        idle.push(stream(&town.counter(), &ask()).await);
    }
    let quick = tokio::time::timeout(Duration::from_secs(5), town.answer(&ask())).await;
    assert_eq!(quick.unwrap().overall.as_str(), "complete");
    for stream in idle {
        assert_eq!(stream.all().await.unwrap().last().unwrap().name, "done");
    }
    town.stop().await;
}
