//! One trace from counter to agency, the contract's names, and a collector that may be down.

use std::collections::BTreeSet;
use std::time::Duration;

use loket_sdk::message::{Outcome, Reason};
use loket_sdk::testing::Fault;
use loket_tests::spans::attribute;
use loket_tests::{Ask, BAGAS, Town, TownBuilder};
use opentelemetry::trace::{SpanKind, Status};
use opentelemetry_sdk::trace::SpanData;

use serde_json::json;

use crate::bare_agency;
use crate::collector::Collector;

const PERSON: &str = "person-identity/1";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn town() -> TownBuilder {
    Town::builder().agencies(&["dukcapil", "bpjs-kesehatan"])
}

/// Sends a lookup with this `traceparent`; the answer's trace id.
async fn traced(town: &Town, traceparent: &str) -> String {
    let headers = [
        ("content-type", "application/json"),
        ("traceparent", traceparent),
    ];
    let counter = town.counter();
    let sent = counter
        .send("POST", "/v1/lookups", &headers, Ask::identity().text())
        .await;
    let answer = sent.unwrap();
    assert_eq!(answer.status, 200);
    answer.header("x-trace-id").to_owned()
}

#[tokio::test]
async fn a_trace_is_joined_or_begun() {
    let town = town().start().await;
    assert_eq!(traced(&town, PARENT).await, TRACE);
    let broken = [
        "",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "3510161405889901",
    ];
    let mut seen = BTreeSet::new();
    for traceparent in broken {
        let trace = traced(&town, traceparent).await;
        assert_ne!(trace, TRACE, "{traceparent}");
        assert!(seen.insert(trace), "each begins its own");
    }
    town.stop().await;
}

fn only<'a>(spans: &'a [SpanData], kind: &SpanKind) -> &'a SpanData {
    let mut of_kind = spans.iter().filter(|span| span.span_kind == *kind);
    let first = of_kind.next().unwrap();
    assert!(of_kind.next().is_none());
    first
}

#[tokio::test]
async fn a_lookup_is_one_server_span_with_a_client_span_per_source() {
    let town = town().start().await;
    traced(&town, PARENT).await;
    let spans = town.spans();
    assert!(
        spans
            .iter()
            .all(|span| span.span_context.trace_id().to_string() == TRACE)
    );
    let server = only(&spans, &SpanKind::Server);
    assert_eq!(server.parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(server.name, "POST /v1/lookups");
    let expected = [
        ("http.request.method", "POST"),
        ("http.route", "/v1/lookups"),
        ("url.path", "/v1/lookups"),
        ("url.scheme", "https"),
        ("network.protocol.version", "1.1"),
        ("http.response.status_code", "200"),
        ("client.address", "127.0.0.1"),
        ("loket.member", "mpp-kota"),
        ("loket.purpose", "identity_check"),
        ("loket.overall", "complete"),
        ("error.type", ""),
    ];
    for (key, value) in expected {
        assert_eq!(attribute(server, key), value, "{key}");
    }
    let client = only(&spans, &SpanKind::Client);
    assert_eq!(client.parent_span_id, server.span_context.span_id());
    let expected = [
        ("http.request.method", "POST"),
        ("server.address", "localhost"),
        ("http.response.status_code", "200"),
        ("service.peer.name", "dukcapil"),
        ("loket.record", PERSON),
        ("loket.outcome", "found"),
        ("loket.reason", "complete"),
        ("error.type", ""),
    ];
    for (key, value) in expected {
        assert_eq!(attribute(client, key), value, "{key}");
    }
    let url = format!("{}/v1/records/{PERSON}", town.agency("dukcapil").url());
    assert_eq!(attribute(client, "url.full"), url);
    let rooms = spans
        .iter()
        .filter(|span| span.span_kind == SpanKind::Internal);
    let rooms: BTreeSet<&str> = rooms.map(|span| span.name.as_ref()).collect();
    assert!(
        rooms.contains("audit") && rooms.contains("validate"),
        "{rooms:?}"
    );
    town.stop().await;
}

/// The words of the answer are the words of spans and metrics; what counts as an error is one.
#[tokio::test]
async fn outcomes_have_one_vocabulary() {
    let signature = json!({"jws": "e30.e30.e30", "salt": "A".repeat(22)});
    let forged = json!({"status": "not_found", "signature": signature});
    let forged = Fault::Instead(forged.to_string());
    let cases = [
        (Fault::None, Reason::Complete, ""),
        (Fault::SeveralRecords, Reason::SeveralRecords, ""),
        (Fault::Later, Reason::SourceWillAnswerLater, ""),
        (Fault::Hang, Reason::NoAnswerYet, "timeout"),
        (Fault::Down, Reason::Unreachable, "connection_reset"),
        (Fault::Status(500), Reason::SourceError, "500"),
        (Fault::Broken, Reason::BreaksSchema, "schema_invalid"),
        (Fault::NotJson, Reason::NotJson, "schema_invalid"),
        (Fault::WrongCitizen, Reason::OtherSubject, "schema_invalid"),
        (Fault::TooLarge, Reason::TooLarge, "protocol"),
        (forged, Reason::BadSignature, "signature_invalid"),
    ];
    for (fault, reason, error) in cases {
        let town = town()
            .sources(4, Duration::from_secs(9), 65_536)
            .start()
            .await;
        town.agency("dukcapil").set_fault(fault.clone());
        // Only silence is waited for; the others may take what a busy machine takes.
        let patience = if fault == Fault::Hang { 400 } else { 8_000 };
        let answer = town.answer(&Ask::identity().within_ms(patience)).await;
        assert_eq!(answer.results[0].reason, reason, "{fault:?}");
        let spans = town.spans();
        let client: Vec<_> = spans
            .iter()
            .filter(|s| s.span_kind == SpanKind::Client)
            .collect();
        let client = client.last().unwrap();
        assert_eq!(
            attribute(client, "loket.reason"),
            reason.as_str(),
            "{fault:?}"
        );
        assert_eq!(
            attribute(client, "loket.outcome"),
            reason.outcome().as_str()
        );
        assert_eq!(
            matches!(client.status, Status::Error { .. }),
            !error.is_empty(),
            "{fault:?}"
        );
        let told = attribute(client, "error.type");
        assert!(
            told == error || (fault == Fault::Down && !told.is_empty()),
            "{fault:?}: {told}"
        );
        let text = town.metrics_text().await;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((_, rest)) = line.split_once("loket_outcome=\"") else {
                continue;
            };
            let word = rest.split('"').next().unwrap();
            assert!(word.parse::<Outcome>().is_ok(), "{line}");
        }
        town.stop().await;
    }
}

#[tokio::test]
async fn the_agency_is_in_the_same_trace() {
    let town = town().start().await;
    let kept = bare_agency::replace_dukcapil(&town).await;
    assert_eq!(traced(&town, PARENT).await, TRACE);
    let (head, _) = kept.lock().unwrap().remove(0);
    let spans = town.spans();
    let client = only(&spans, &SpanKind::Client).span_context.span_id();
    assert_eq!(
        head.headers["traceparent"],
        format!("00-{TRACE}-{client}-01")
    );
    town.stop().await;
}

/// What goes to an agency: its path from names alone, the lookup's id, what time is left, and in
/// the body what was granted. Nothing personal in path or headers.
#[tokio::test]
async fn the_wire_to_the_agency() {
    let town = town().start().await;
    let kept = bare_agency::replace_dukcapil(&town).await;
    let ask = Ask::identity().within_ms(5000);
    assert_eq!(town.answer(&ask).await.results[0].reason, Reason::Complete);
    let (head, question) = kept.lock().unwrap().remove(0);
    assert_eq!(
        (head.method.as_str(), head.uri.path()),
        ("POST", "/base/v1/records/person-identity/1")
    );
    assert_eq!(head.headers["loket-request-id"], ask.request_id());
    let left: u64 = head.headers["loket-deadline-ms"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=5000).contains(&left), "{left}");
    assert!(!format!("{head:?}").contains(BAGAS));
    loket_sdk::schema::source_request()
        .check(&question)
        .unwrap();
    assert_eq!(
        question["subject"],
        json!({ "scheme": "nik", "value": BAGAS })
    );
    assert_eq!(
        question["fields"],
        json!(["identity_status", "card_status"])
    );
    let requester = json!({
        "organisation": "mpp-kota",
        "mall": "ID-35.10",
        "counter": "B07",
        "clerk": "clk-7f3a",
    });
    assert_eq!(question["requester"], requester);
    for member in ["case_id", "purpose", "legal_basis", "request_id"] {
        assert_eq!(question[member], ask.document()[member], "{member}");
    }
    town.stop().await;
}

/// Dashboards read these.
const METRICS: &[&str] = &[
    "http_server_request_duration_seconds",
    "http_server_active_requests",
    "http_client_request_duration_seconds",
    "loket_lookup_duration_seconds",
    "loket_lookup_first_card_duration_seconds",
    "loket_agency_call_duration_seconds",
    "loket_agency_in_flight",
    "loket_agency_limit",
    "loket_agency_breaker_state",
    "loket_agency_last_success_time_seconds",
    "loket_ratelimit_decisions_total",
    "loket_policy_decisions_total",
    "loket_mismatch_total",
    "loket_schema_violations_total",
    "loket_audit_records_total",
    "loket_audit_queue",
    "loket_audit_index_behind",
    "loket_tls_handshakes_total",
    "loket_build_info",
];

#[tokio::test]
async fn metrics_have_their_names() {
    let town = town().start().await;
    let sex = ("sex", "equals", json!("2"));
    town.answer(&Ask::new("identity_check").claims(PERSON, &[sex]))
        .await;
    town.agency("dukcapil").set_fault(Fault::Broken);
    town.answer(&Ask::identity()).await;
    let text = town.metrics_text().await;
    for name in METRICS {
        assert!(
            text.contains(&format!("# TYPE {name} ")),
            "{name} is missing:\n{text}"
        );
    }
    for label in ["clerk", "clk-7f3a", "trace_id", "MPP-3510"] {
        assert!(!text.contains(label), "{label} is no label");
    }
    assert_eq!(town.metric("loket_mismatch_total", &["sex"]).await, 1.0);
    assert_eq!(
        town.metric("loket_schema_violations_total", &["dukcapil"])
            .await,
        1.0
    );
    town.stop().await;
}

/// Paths that nobody serves make no series of their own.
#[tokio::test]
async fn strangers_make_no_series() {
    let town = town().start().await;
    let get = async |path: String| drop(town.counter().get(&path).await);
    get("/v1/x0".to_owned()).await;
    let before = town.metrics_text().await.lines().count();
    for n in 1..30 {
        get(format!("/v1/x{n}")).await;
        let stranger = town.ca().system(&format!("stranger-{n}"), "counter");
        drop(town.counter_as(&stranger).get("/v1/catalogue").await);
    }
    let after = town.metrics_text().await.lines().count();
    assert!(after < before + 40, "{before} and then {after}");
    town.stop().await;
}

#[tokio::test]
async fn spans_reach_a_collector() {
    let collector = Collector::start().await;
    let mut town = town().otlp(&collector.endpoint()).start().await;
    assert_eq!(traced(&town, PARENT).await, TRACE);
    town.stop_gateway().await;
    let spans = collector.spans();
    let names: BTreeSet<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert!(names.contains("POST /v1/lookups"), "{names:?}");
    let trace: Vec<u8> = (0..16)
        .map(|n| u8::from_str_radix(&TRACE[2 * n..2 * n + 2], 16).unwrap())
        .collect();
    assert!(spans.iter().all(|span| span.trace_id == trace));
    assert_eq!(
        collector.service_names(),
        BTreeSet::from(["mall-gateway".to_owned()])
    );
    assert!(collector.metric_names().contains("loket.lookup.duration"));
    town.stop().await;
}

#[tokio::test]
async fn a_collector_that_is_down_costs_nothing() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", free.local_addr().unwrap());
    drop(free);
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent_endpoint = format!("http://{}", silent.local_addr().unwrap());
    for endpoint in [endpoint, silent_endpoint] {
        let town = town().otlp(&endpoint).start().await;
        for _ in 0..20 {
            let answer = town.answer(&Ask::identity()).await;
            assert!(answer.results[0].elapsed_ms < 2_000);
        }
        assert_eq!(
            town.metric("loket_audit_records_total", &["lookup"]).await,
            20.0
        );
        // Five seconds are what the last telemetry may take.
        let stopped = tokio::time::timeout(Duration::from_secs(9), town.stop()).await;
        assert!(stopped.is_ok(), "{endpoint} holds up the stop");
    }
}
