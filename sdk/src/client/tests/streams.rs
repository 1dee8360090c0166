use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::gateway::{Gateway, Reply, answer, bare, lookup, person, taxpayer};
use crate::client::{Error, Event, Result};
use crate::problem::{Code, Problem};
use crate::records::PersonIdentity;

fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

fn accepted() -> String {
    event(
        "accepted",
        &json!({"request_id": "REQUEST_ID", "trace_id": "4".repeat(32), "records": [
            {"record": "person-identity/1", "source": {"agency": "dukcapil", "system": "siak"}},
            {"record": "taxpayer/1"},
        ]}),
    )
}

fn result(index: usize, result: &Value) -> String {
    event("result", &json!({"index": index, "result": result}))
}

fn finding() -> Value {
    json!({"rule": "C01", "code": "NAME_VARIANT", "severity": "warning",
        "records": ["person-identity/1", "taxpayer/1"], "fields": ["full_name"],
        "message": "Nama berbeda."})
}

fn whole() -> String {
    [
        accepted(),
        ": keep-alive\n\n".to_owned(),
        result(1, &taxpayer()),
        result(0, &person()),
        event("finding", &finding()),
        event("something-new", &json!({})),
        event("done", &answer(vec![bare(person()), bare(taxpayer())])),
    ]
    .concat()
}

async fn read(gateway: &Gateway) -> Vec<Result<Event>> {
    let stream = lookup(&gateway.client()).stream().await.unwrap();
    StreamExt::collect(stream).await
}

#[tokio::test]
async fn results_come_as_they_arrive_and_done_is_whole() {
    for gateway in [
        Gateway::with([Reply::events(&whole())]).await,
        Gateway::http1([Reply::events(&whole())]).await,
    ] {
        let events = read(&gateway).await;
        let events: Vec<Event> = events.into_iter().collect::<Result<_>>().unwrap();
        let [
            Event::Accepted(accepted),
            Event::Result(first),
            Event::Result(second),
            Event::Finding(finding),
            Event::Done(done),
        ] = events.as_slice()
        else {
            panic!("{events:?}");
        };
        assert_eq!(accepted.records.len(), 2);
        assert_eq!(first.record.name(), "taxpayer");
        assert!(second.data.is_some());
        assert_eq!(finding.rule, "C01");
        assert_eq!(done.results, [second.clone(), first.clone()]);
        assert!(done.record::<PersonIdentity>().unwrap().is_ok());
        assert_eq!(gateway.seen()[0].headers["accept"], "text/event-stream");
    }
}

#[tokio::test]
async fn odd_chunks_change_nothing() {
    // The whole is cut in the client's own reader; the request id must stay in one chunk.
    let text = whole();
    for size in [1, 2, 7, 64] {
        let id = "0192f0c4-7d1a-7e55-9b61-000000000009";
        let text = text.replace("REQUEST_ID", id);
        let chunks = text
            .as_bytes()
            .chunks(size)
            .map(Bytes::copy_from_slice)
            .collect();
        let gateway =
            Gateway::http1([Reply::Answer(200, "text/event-stream", vec![], chunks)]).await;
        let builder = lookup(&gateway.client()).request_id(id.parse().unwrap());
        let done = builder.stream().await.unwrap().finish().await.unwrap();
        assert_eq!(done.results.len(), 2);
        assert!(done.results[0].data.is_some());
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_done_is_an_error() {
    let start = accepted() + &result(1, &taxpayer());
    let chunks = || vec![Bytes::from(start.clone())];
    for gateway in [
        Gateway::with([Reply::events(&start)]).await,
        Gateway::http1([Reply::events(&start)]).await,
        Gateway::with([Reply::Cut("text/event-stream", chunks())]).await,
        Gateway::http1([Reply::Cut("text/event-stream", chunks())]).await,
    ] {
        let mut events = read(&gateway).await;
        let last = events.pop().unwrap().unwrap_err();
        assert!(
            matches!(
                last,
                Error::Incomplete {
                    request_id: Some(_),
                    ..
                }
            ),
            "{last:?}"
        );
        assert!(events.iter().all(Result::is_ok));
        assert_eq!(
            gateway.requests(),
            1,
            "a stream that has begun isn't asked for again"
        );
    }
}

#[tokio::test]
async fn a_failure_after_the_start_is_its_problem() {
    let problem = Problem::new(Code::AuditUnavailable, "Try later.", "7".repeat(32));
    let text = accepted() + &event("problem", &serde_json::to_value(problem).unwrap());
    let gateway = Gateway::with([Reply::events(&text)]).await;
    let error = lookup(&gateway.client())
        .stream()
        .await
        .unwrap()
        .finish()
        .await
        .unwrap_err();
    assert_eq!(error.code(), "audit_unavailable");
    assert_eq!(gateway.requests(), 1);
}

#[tokio::test]
async fn a_failure_before_the_start_is_stream_s_own() {
    let gateway = Gateway::with([Reply::problem(Code::NothingGranted, None)]).await;
    let error = lookup(&gateway.client()).stream().await.unwrap_err();
    assert_eq!(error.code(), "nothing_granted");
}

#[tokio::test]
async fn what_contradicts_itself_is_refused() {
    let mut other = person();
    other["outcome"] = json!("not_found");
    for text in [
        result(0, &person()) + &result(0, &person()),
        result(1_000_000, &person()),
        result(1, &person()) + &event("done", &answer(vec![bare(person())])),
        result(0, &person()) + &event("done", &answer(vec![bare(taxpayer())])),
        result(0, &person()) + &event("done", &answer(vec![bare(other)])),
        "event: result\ndata: {\n\n".to_owned(),
    ] {
        let gateway = Gateway::with([Reply::events(&text)]).await;
        let error = lookup(&gateway.client())
            .stream()
            .await
            .unwrap()
            .finish()
            .await
            .unwrap_err();
        assert_eq!(error.code(), "protocol", "{text}");
    }
    let gateway = Gateway::with([Reply::json(&answer(vec![person()]))]).await;
    let error = lookup(&gateway.client()).stream().await.unwrap_err();
    assert!(error.to_string().contains("text/event-stream"));
}

#[tokio::test]
async fn a_stream_is_bounded_by_the_deadline() {
    let open = Reply::Open("text/event-stream", vec![accepted().into()], None);
    let gateway = Gateway::with([open]).await;
    let builder = lookup(&gateway.client()).deadline(std::time::Duration::from_millis(200));
    let error = builder.stream().await.unwrap().finish().await.unwrap_err();
    assert_eq!(error.code(), "timeout");
}

#[tokio::test]
async fn the_gateway_notices_a_client_that_leaves() {
    for http1 in [false, true] {
        let (left, has_left) = oneshot::channel();
        let open = Reply::Open("text/event-stream", vec![accepted().into()], Some(left));
        let gateway = match http1 {
            true => Gateway::http1([open]).await,
            false => Gateway::with([open]).await,
        };
        let mut results = lookup(&gateway.client()).stream().await.unwrap();
        assert!(matches!(results.next().await, Some(Ok(Event::Accepted(_)))));
        drop(results);
        has_left.await.unwrap();
    }
}
