//! Routed calls in the metrics: who called what, what became of it, how much went by.

use bytes::Bytes;
use http_body_util::BodyExt;
use loket_gateway::directory::Protocol::Http1;
use loket_tests::Town;
use loket_tests::town::eventually;

use super::backend::{call, empty, full, with};
use super::{get, post, whole};

const LINE: &str = r#"loket_member="mpp-kota""#;

async fn ended(town: &Town, outcome: &str) -> f64 {
    let outcome = format!("loket_outcome=\"{outcome}\"");
    let service = r#"loket_service="population",service_peer_name="dukcapil""#;
    town.metric("loket_calls_total", &[LINE, &outcome, service])
        .await
}

async fn bytes(town: &Town, direction: &str) -> f64 {
    let direction = format!("direction=\"{direction}\"");
    town.metric("loket_calls_body_bytes_total", &[LINE, &direction])
        .await
}

#[tokio::test]
async fn every_call_is_counted_once_by_its_outcome() {
    let (town, seen) = with(Http1, |_, grant| grant.daily_quota = Some(4)).await;
    let ask = async |path: &str, body: &'static str| {
        let request = if body.is_empty() { get() } else { post() };
        let body = full(Bytes::from_static(body.as_bytes()));
        call(&town, false, request, path, body).await.unwrap()
    };
    for _ in 0..2 {
        whole(ask("/do/whole", "body").await).await.unwrap();
    }
    assert_eq!(ended(&town, "answered").await, 2.0);
    assert_eq!(bytes(&town, "request").await, 8.0);
    assert_eq!(bytes(&town, "response").await, 8.0);
    whole(ask("/do/cut", "").await).await.unwrap_err();
    town.audit_entries_of("abandoned", 1).await;
    assert_eq!(ended(&town, "cut_short").await, 1.0);
    assert_eq!(bytes(&town, "response").await, f64::from((1 << 20) + 8));
    // The caller leaves before there is an answer.
    let asked = async || (seen.count() == 4).then_some(());
    tokio::select! {
        _ = call(&town, true, get(), "/do/hang", empty()) => panic!("it hangs"),
        () = eventually("the service was asked", asked) => (),
    }
    eventually("another that was cut short", async || {
        (ended(&town, "cut_short").await == 2.0).then_some(())
    })
    .await;
    assert_eq!(ask("/do/whole", "").await.status(), 429);
    assert_eq!(ended(&town, "denied").await, 1.0);
    assert_eq!(ask("/people/1", "").await.status(), 403);

    let decided = async |decision: &str| {
        let label = format!("decision=\"{decision}\"");
        town.metric("loket_policy_decisions_total", &[&label]).await
    };
    assert_eq!(
        (decided("allowed").await, decided("denied").await),
        (5.0, 1.0)
    );
    let drawn = ["scope=\"agency\"", "decision=\"denied\""];
    assert_eq!(
        town.metric("loket_ratelimit_decisions_total", &drawn).await,
        1.0
    );
    assert_eq!(town.metric("loket_calls_total", &[]).await, 5.0);
    town.stop().await;
}

#[tokio::test]
async fn a_service_that_is_gone_is_counted() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let (town, _) = with(Http1, |service, _| {
        service.backend.endpoints = vec![format!("https://localhost:{port}").parse().unwrap()];
    })
    .await;
    let response = call(&town, false, get(), "/do/x", empty()).await.unwrap();
    assert_eq!(response.status(), 503);
    response.into_body().collect().await.unwrap();
    assert_eq!(ended(&town, "unavailable").await, 1.0);
    assert_eq!(bytes(&town, "request").await, 0.0);
    town.stop().await;
}
