//! Problems that come of the gateway's state, not of the request.

use loket_gateway::audit;
use loket_sdk::problem::Code;
use loket_sdk::testing::{CounterAnswer, Fault};
use loket_tests::{Ask, BAGAS};

use super::{dukcapil, is_problem};

/// The HTTP library answers before anything of ours runs: the status alone, on both protocols.
#[tokio::test]
async fn headers_that_are_too_large() {
    let town = dukcapil().start().await;
    let long = "x".repeat(40_000);
    let many: Vec<String> = (0..100).map(|n| format!("x-{n}")).collect();
    let long = vec![("x-long", long.as_str())];
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "y")).collect();
    let cases = [
        (town.counter(), &long),
        (town.counter(), &many),
        (town.counter().http2(), &long),
    ];
    for (counter, headers) in cases {
        let answer = counter
            .send("GET", "/v1/catalogue", headers, "")
            .await
            .unwrap();
        assert_eq!(answer.status, Code::HeadersTooLarge.status());
        assert!(
            answer.body.is_empty(),
            "then it can be held to be a problem"
        );
        town.answer(&Ask::identity()).await;
    }
    town.stop().await;
}

#[tokio::test]
async fn faster_than_agreed() {
    let town = dukcapil().rate(1, 3).start().await;
    for _ in 0..3 {
        town.answer(&Ask::identity()).await;
    }
    let answer = town.ask(&Ask::identity()).await;
    let problem = is_problem(&answer, Code::RateLimited);
    assert!(problem.retryable);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.header("ratelimit"), "\"member\";r=0;t=1");
    assert_eq!(answer.header("ratelimit-policy"), "\"member\";q=3;w=3");
    town.stop().await;
}

#[tokio::test]
async fn more_than_can_be_served() {
    let town = dukcapil()
        .limits(|limits| limits.max_requests = 1)
        .start()
        .await;
    town.agency("dukcapil").set_fault(Fault::Hang);
    let (counter, ask) = (town.counter(), Ask::identity().within_ms(15_000));
    let first = tokio::spawn(async move { counter.post("/v1/lookups", ask.document()).await });
    town.agency("dukcapil").asked(1).await;
    let answer = town.ask(&Ask::identity()).await;
    let problem = is_problem(&answer, Code::Overloaded);
    assert!(problem.retryable);
    assert_eq!(answer.header("retry-after"), "1");
    first.abort();
    town.audit_entries_of("abandoned", 1).await;
    town.agency("dukcapil").set_fault(Fault::None);
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

#[tokio::test]
async fn an_instance_that_stops() {
    let town = dukcapil().start().await;
    let draining = town.gateway().draining().clone();
    draining.store(true, std::sync::atomic::Ordering::Relaxed);
    let answer = town.ask(&Ask::identity()).await;
    let problem = is_problem(&answer, Code::Draining);
    assert!(problem.retryable);
    assert_eq!(answer.header("retry-after"), "1");
    town.stop().await;
}

#[tokio::test]
async fn an_audit_log_that_cant_be_written() {
    let town = dukcapil().start().await;
    town.answer(&Ask::identity()).await;
    std::fs::remove_dir_all(town.audit_dir()).unwrap();
    let good = Ask::identity();
    let broken = Ask::identity().without("purpose");
    for ask in [good, broken] {
        let answer = town.ask(&ask).await;
        let problem = is_problem(&answer, Code::AuditUnavailable);
        assert!(problem.retryable);
        assert_eq!(answer.header("retry-after"), "1");
    }
    town.stop().await;
}

/// No request makes a bug happen on demand, so the refusal is rendered as the pipeline does it.
#[tokio::test]
async fn a_bug_says_nothing() {
    use http_body_util::BodyExt as _;
    use loket_gateway::{refusal::Refusal, reply};
    let trace_id = audit::hex(&[5; 16]);
    let cause = format!("value {BAGAS} at /subject");
    let response = reply::refusal(&Refusal::Internal(cause), &trace_id);
    let (parts, body) = response.into_parts();
    let answer = CounterAnswer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes(),
    };
    let problem = is_problem(&answer, Code::Internal);
    assert!(problem.detail.is_empty() && problem.errors.is_empty());
}
