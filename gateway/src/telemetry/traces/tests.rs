use std::time::Duration;

use http::{Method, Version};
use loket_sdk::trace::{TraceContext, TraceId};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::telemetry::{
    Called, ErrorType, LogFormat, Peer, PeerAddress, ServerSpan, Settings, Telemetry, subscriber,
};

fn settings(ratio: f64) -> Settings {
    Settings {
        service_instance_id: "gateway-1".to_owned(),
        environment: "test".to_owned(),
        otlp_endpoint: None,
        sampling_ratio: ratio,
        slow: Duration::from_secs(2),
        traces: 1 << 20,
        log_format: LogFormat::Json,
        log_level: "info".to_owned(),
    }
}

fn telemetry(ratio: f64) -> Telemetry {
    Telemetry::new(&settings(ratio), "test").unwrap()
}

fn request(telemetry: &Telemetry) -> ServerSpan {
    let (method, route) = (Method::POST, "/v1/lookups");
    let version = Version::HTTP_2;
    telemetry.server_span(&method, route, None, route, "https", version, None)
}

fn address(agency: &str) -> PeerAddress {
    PeerAddress::new(Peer::new(agency, "siak"), "agency.example", 8443)
}

const RECORD: Called<'_> = Called::Record("person-identity/1");

fn call(
    telemetry: &Telemetry,
    request: &ServerSpan,
    agency: &str,
    outcome: &'static str,
    error_type: Option<ErrorType>,
) {
    let mut call = telemetry.client_span(request.handle(), &address(agency), RECORD);
    let status = error_type.is_none().then_some(200);
    let error_type = error_type.map(ErrorType::as_str);
    call.finish(status, outcome, "complete", error_type, 0);
}

fn list(telemetry: &Telemetry, query: &str) -> Vec<Summary> {
    telemetry.traces().list(&Filter::of(query).unwrap())
}

fn kept(telemetry: &Telemetry) -> Vec<Why> {
    let all = list(telemetry, "limit=500");
    all.into_iter().rev().map(|trace| trace.why).collect()
}

#[tokio::test(start_paused = true)]
async fn what_failed_was_refused_slow_or_broke_the_glass_is_kept_unsampled() {
    let telemetry = telemetry(0.0);
    request(&telemetry).finish(200, None);
    assert_eq!(kept(&telemetry), []);

    request(&telemetry).finish(503, None);
    request(&telemetry).finish(403, None);
    let slow = request(&telemetry);
    tokio::time::advance(Duration::from_secs(2)).await;
    slow.finish(200, None);
    let mut glass = request(&telemetry);
    glass.knows(|known| known.broke_glass());
    glass.finish(200, None);
    let failing = request(&telemetry);
    call(
        &telemetry,
        &failing,
        "bpn",
        "timed_out",
        Some(ErrorType::Timeout),
    );
    failing.finish(200, None);
    // Its caller left.
    drop(request(&telemetry));
    let unsent = request(&telemetry);
    let words = ["unavailable", "breaker_open"];
    let peer = Peer::new("imigrasi", "siak");
    telemetry.unsent_call(
        unsent.handle(),
        &peer,
        RECORD,
        words,
        ErrorType::BreakerOpen,
    );
    unsent.finish(200, None);
    let mut shed = request(&telemetry);
    shed.knows(|known| known.code("overloaded"));
    shed.finish(503, None);
    // A service said to its caller that there is no such thing.
    let routed = request(&telemetry);
    let called = Called::Route {
        method: &Method::GET,
        template: "/people/{id}",
    };
    let mut call = telemetry.client_span(routed.handle(), &address("bpn"), called);
    call.finish(Some(404), "answered", "complete", None, 0);
    drop(call);
    routed.finish(200, None);
    use Why::{BreakGlass, Failed, Left, Refused, Slow};
    let expected = [
        Failed, Refused, Slow, BreakGlass, Failed, Left, Failed, Refused,
    ];
    assert_eq!(kept(&telemetry), expected);
}

#[tokio::test]
async fn a_trace_ends_with_the_last_that_works_on_it() {
    let telemetry = telemetry(1.0);
    let request = request(&telemetry);
    let late = telemetry.client_span(request.handle(), &address("bpn"), RECORD);
    request.finish(200, None);
    assert_eq!(kept(&telemetry), []);
    drop(late);
    let found = list(&telemetry, "");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].calls[0].outcome, "cancelled");
}

#[test]
fn a_flood_of_refusals_pushes_out_no_failure_and_memory_is_bounded() {
    let telemetry = telemetry(1.0);
    for _ in 0..50 {
        request(&telemetry).finish(500, None);
    }
    for _ in 0..20_000 {
        request(&telemetry).finish(403, None);
        request(&telemetry).finish(200, None);
    }
    let all = list(&telemetry, "why=failed&limit=500");
    assert_eq!(all.len(), 50);
    assert!(telemetry.traces().bytes() <= 1 << 20);
    for why in ["refused", "sampled"] {
        let found = list(&telemetry, &format!("why={why}&limit=500"));
        assert!(found.len() > 100, "{why}: {}", found.len());
        assert!(found.is_sorted_by(|a, b| a.number > b.number));
    }
}

#[test]
fn a_list_is_narrowed_by_what_is_known() {
    let telemetry = telemetry(1.0);
    let ids: Vec<String> = (1..=3)
        .map(|n| {
            let mut span = request(&telemetry);
            span.knows(|known| {
                known.member(["samsat", "oss", "samsat"][n - 1]);
                known.lookup("vehicle_tax", Uuid::from_u128(n as u128));
                known.entry(n as u64 + 100);
            });
            call(&telemetry, &span, "dukcapil", "found", None);
            if n > 1 {
                call(
                    &telemetry,
                    &span,
                    "bpn",
                    "timed_out",
                    Some(ErrorType::Timeout),
                );
            }
            let id = span.trace_id_hex();
            span.finish(if n == 3 { 403 } else { 200 }, None);
            id
        })
        .collect();
    let uuid = Uuid::from_u128(2);
    let cases = [
        ("", vec![3, 2, 1]),
        ("agency=", vec![3, 2, 1]),
        ("agency=bpn", vec![3, 2]),
        ("agency=dukcapil&outcome=timed_out", vec![]),
        ("agency=bpn&outcome=timed_out", vec![3, 2]),
        ("error.type=timeout", vec![3, 2]),
        ("member=samsat", vec![3, 1]),
        ("why=failed", vec![3, 2]),
        ("why=sampled", vec![1]),
        ("purpose=vehicle_tax&limit=1", vec![3]),
        ("before=3", vec![2, 1]),
        ("after=1&before=3", vec![2]),
        ("reference=102", vec![2]),
        ("min_ms=60000", vec![]),
    ];
    for (query, expected) in cases {
        let found = list(&telemetry, query);
        let found: Vec<u64> = found.iter().map(|trace| trace.number).collect();
        assert_eq!(found, expected, "{query}");
    }
    for reference in [&ids[1], &uuid.to_string()] {
        let found = list(&telemetry, &format!("reference={reference}"));
        assert_eq!(found.len(), 1, "{reference}");
        assert_eq!(found[0].trace_id, ids[1]);
    }
    for wrong in ["agencies=bpn", "min_ms=much", "why=because", "reference=x"] {
        assert!(Filter::of(wrong).is_err(), "{wrong}");
    }
}

/// The longest of what ran at once, and what came after it.
#[tokio::test(start_paused = true)]
async fn the_critical_path_is_what_the_end_waited_for() {
    let telemetry = telemetry(1.0);
    let request = request(&telemetry);
    let pass = |ms| tokio::time::advance(Duration::from_millis(ms));
    let room = telemetry.room_span(request.handle(), "validate");
    pass(5).await;
    drop(room);
    let mut long = telemetry.client_span(request.handle(), &address("bpn"), RECORD);
    let mut short = telemetry.client_span(request.handle(), &address("djp"), RECORD);
    pass(10).await;
    short.finish(Some(200), "found", "complete", None, 0);
    pass(10).await;
    long.finish(Some(200), "found", "complete", None, 0);
    drop((long, short));
    let room = telemetry.room_span(request.handle(), "audit");
    pass(1).await;
    drop(room);
    let id = request.handle().trace_context().trace_id;
    request.finish(200, None);
    let shown = telemetry.traces().show(id);
    let path: Vec<(&str, f64, f64)> = shown[0]
        .spans
        .iter()
        .filter(|span| span.critical)
        .map(|span| (span.name.as_str(), span.begins_ms, span.took_ms))
        .collect();
    let expected = [
        ("POST /v1/lookups", 0.0, 26.0),
        ("validate", 0.0, 5.0),
        ("POST", 5.0, 20.0),
        ("audit", 25.0, 1.0),
    ];
    assert_eq!(path, expected);
    assert_eq!(shown[0].spans.len(), 5);
}

#[test]
fn log_lines_go_with_their_trace_and_with_no_other() {
    let telemetry = telemetry(1.0);
    use tracing_subscriber::layer::SubscriberExt as _;
    let lines = subscriber(&settings(1.0), std::io::sink).unwrap();
    let subscriber = lines.with(telemetry.traces().lines());
    tracing::subscriber::with_default(subscriber, || {
        let (one, other) = (request(&telemetry), request(&telemetry));
        let id = one.handle().trace_context().trace_id;
        tracing::warn!(
            target: "loket_gateway::test",
            trace_id = one.trace_id_hex(),
            service.peer.name = "bpn",
            "an agency is \"slow\""
        );
        tracing::info!(target: "loket_gateway::test", "of nobody");
        for _ in 0..1000 {
            tracing::info!(target: "loket_gateway::test", trace_id = other.trace_id_hex(), "much");
        }
        let trace_id = one.trace_id_hex();
        one.finish(200, None);
        // Nobody waits for it any more.
        tracing::info!(target: "loket_gateway::test", trace_id, "late");
        let shown = telemetry.traces().show(id);
        let lines: Vec<Value> = shown[0]
            .lines
            .iter()
            .map(|line| serde_json::from_str(line.get()).unwrap())
            .collect();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["body"], r#"an agency is "slow""#);
        assert_eq!(lines[0]["attributes"]["service.peer.name"], "bpn");
        let id = other.handle().trace_context().trace_id;
        drop(other);
        assert_eq!(telemetry.traces().show(id)[0].lines.len(), 64);
    });
}

#[test]
fn an_export_is_what_jaeger_and_tempo_import() {
    let telemetry = telemetry(1.0);
    let parent = TraceContext::root(true);
    let (method, route) = (Method::POST, "/v1/lookups");
    let version = Version::HTTP_2;
    let request =
        telemetry.server_span(&method, route, Some(&parent), route, "https", version, None);
    call(
        &telemetry,
        &request,
        "bpn",
        "timed_out",
        Some(ErrorType::Timeout),
    );
    let span_id = request.handle().trace_context().span_id;
    request.finish(200, None);
    let document = telemetry.export_trace(parent.trace_id).unwrap();
    let resource = &document["resourceSpans"][0];
    let names = resource["resource"]["attributes"].as_array().unwrap();
    assert!(names.contains(&json!({
        "key": "service.name", "value": {"stringValue": "mall-gateway"}
    })));
    let spans = resource["scopeSpans"][0]["spans"].as_array().unwrap();
    let of = |kind: u8| spans.iter().find(|span| span["kind"] == kind).unwrap();
    let (server, client) = (of(2), of(3));
    for span in [server, client] {
        assert_eq!(span["traceId"], parent.trace_id.to_string());
        let time = |name: &str| span[name].as_str().unwrap().parse::<u128>().unwrap();
        assert!(time("startTimeUnixNano") <= time("endTimeUnixNano"));
    }
    assert_eq!(server["parentSpanId"], parent.span_id.to_string());
    assert_eq!(client["parentSpanId"], span_id.to_string());
    assert_eq!(client["status"], json!({"code": 2}));
    assert_eq!(server["status"], json!({}));
    let attributes = client["attributes"].as_array().unwrap();
    assert!(attributes.contains(&json!({
        "key": "server.port", "value": {"intValue": "8443"}
    })));
    assert!(telemetry.export_trace(TraceId::random()).is_none());
}
