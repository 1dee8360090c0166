use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::telemetry::TelemetryError;

fn sending_to(endpoint: &str) -> Result<Telemetry, TelemetryError> {
    let settings = Settings {
        otlp_endpoint: Some(endpoint.parse().unwrap()),
        ..settings(1.0)
    };
    Telemetry::new(&settings, "1.2.3")
}

#[tokio::test]
async fn shutdown_sends_what_is_queued() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let signal = |name: &'static str| {
        let arrived = arrived.clone();
        post(async move |headers: HeaderMap, body: Bytes| {
            arrived.send((name, headers, body)).unwrap();
            StatusCode::OK
        })
    };
    let routes = Router::new()
        .route("/v1/traces", signal("traces"))
        .route("/v1/metrics", signal("metrics"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, routes).into_future());

    let telemetry = sending_to(&endpoint).unwrap();
    lookup(&telemetry, None).finish(200, None);
    telemetry.shutdown().await;

    let mut seen = Vec::new();
    while let Ok((name, headers, body)) = arrivals.try_recv() {
        assert_eq!(headers["content-type"], "application/x-protobuf");
        for part in ["mall-gateway", "gateway-1", "1.2.3", "/v1/lookups"] {
            let found = body.windows(part.len()).any(|at| at == part.as_bytes());
            assert!(found, "{name} lacks {part}");
        }
        seen.push(name);
    }
    seen.sort_unstable();
    assert_eq!(seen, ["metrics", "traces"]);
}

/// More than the queue holds; on this single thread the exporter can't even run until the spans are ended.
#[tokio::test]
async fn a_collector_that_is_down_costs_only_the_spans() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);

    let telemetry = sending_to(&endpoint).unwrap();
    let started = Instant::now();
    for _ in 0..6_000 {
        lookup(&telemetry, None).finish(200, None);
    }
    assert!(started.elapsed() < Duration::from_secs(4));
    assert!(telemetry.prometheus_text().contains("_count{"));
    telemetry.shutdown().await;
}

/// Dropped without a shutdown, it must not block the only thread either.
#[tokio::test]
async fn a_collector_that_never_answers_holds_up_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());

    let telemetry = sending_to(&endpoint).unwrap();
    let started = Instant::now();
    lookup(&telemetry, None).finish(200, None);
    drop(telemetry);
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn an_endpoint_that_cannot_work_is_refused() {
    let cases = [
        "https://collector:4318",
        "http://user:secret@collector:4318",
        "/v1/traces",
    ];
    for endpoint in cases {
        let refused = sending_to(endpoint).unwrap_err();
        assert!(matches!(refused, TelemetryError::Endpoint), "{endpoint}");
        assert!(!refused.to_string().contains("secret"));
    }
    let refused = sending_to("http://collector:4318").unwrap_err();
    assert!(matches!(refused, TelemetryError::NoRuntime));
}
