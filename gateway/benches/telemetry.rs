//! What telemetry costs a request: spans, metrics and the line that says how it ended.
//!
//! `unsampled` records nothing, as with a sampling ratio of 0 or without a collector; `sampled`
//! builds every attribute and throws the span away at its end, so export isn't in the figure.

#![expect(clippy::expect_used, reason = "a benchmark that can't run should stop")]

use std::io;
use std::time::Duration;

use divan::Bencher;
use http::{Method, Version};
use loket_gateway::telemetry::{
    self, Called, Decision, EndedCall, LogFormat, Metrics, Peer, PeerAddress, RateScope,
    ServerSpan, Settings, Telemetry,
};
use loket_sdk::trace::TraceContext;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const PURPOSE: &str = "vehicle_tax";
const ELAPSED: Duration = Duration::from_millis(23);

fn main() {
    divan::main();
}

#[divan::bench(args = ["unsampled", "sampled"])]
fn server_span(bencher: Bencher<'_, '_>, mode: &str) {
    let telemetry = spans(mode);
    bencher.bench(|| server(&telemetry, None).finish(200, None));
}

#[divan::bench(args = ["unsampled", "sampled"])]
fn server_span_with_a_parent(bencher: Bencher<'_, '_>, mode: &str) {
    let telemetry = spans(mode);
    let parent: TraceContext = PARENT.parse().expect("a trace context");
    bencher.bench(|| server(&telemetry, Some(&parent)).finish(200, None));
}

#[divan::bench(args = ["unsampled", "sampled"])]
fn client_span(bencher: Bencher<'_, '_>, mode: &str) {
    let telemetry = spans(mode);
    let parent = server(&telemetry, None);
    let address = PeerAddress::new(agency(), "dukcapil.example", 8443);
    bencher.bench(|| {
        let called = Called::Record("person-identity/1");
        let mut span = telemetry.client_span(parent.handle(), &address, called);
        let sent = span.trace_context();
        span.finish(Some(200), "found", "complete", None, 0);
        sent
    });
}

#[divan::bench(args = ["unsampled", "sampled"])]
fn room_span(bencher: Bencher<'_, '_>, mode: &str) {
    let telemetry = spans(mode);
    let parent = server(&telemetry, None);
    bencher.bench(|| drop(telemetry.room_span(parent.handle(), "audit")));
}

#[divan::bench]
fn trace_id_as_text(bencher: Bencher<'_, '_>) {
    let telemetry = spans("unsampled");
    let span = server(&telemetry, None);
    bencher.bench(|| span.trace_id_hex());
}

#[divan::bench]
fn lookup_finished(bencher: Bencher<'_, '_>) {
    metric(bencher, |metrics| {
        metrics.lookup_finished(PURPOSE, "complete", ELAPSED);
    });
}

#[divan::bench]
fn first_card(bencher: Bencher<'_, '_>) {
    metric(bencher, |metrics| metrics.first_card(PURPOSE, ELAPSED));
}

#[divan::bench]
fn agency_in_flight(bencher: Bencher<'_, '_>) {
    let agency = agency();
    metric(bencher, |metrics| drop(metrics.agency_in_flight(&agency)));
}

#[divan::bench]
fn rate_limited(bencher: Bencher<'_, '_>) {
    metric(bencher, |metrics| {
        metrics.rate_limited(RateScope::Counter, Decision::Allowed);
    });
}

#[divan::bench]
fn policy_decided(bencher: Bencher<'_, '_>) {
    metric(bencher, |metrics| {
        metrics.policy_decided(Decision::Allowed, Some(PURPOSE));
    });
}

#[divan::bench]
fn call_ended(bencher: Bencher<'_, '_>) {
    let call = EndedCall {
        consumer: "bapenda",
        agency: "dukcapil",
        service: "population",
        outcome: "answered",
        request: 4,
        response: 70_000,
    };
    metric(bencher, |metrics| metrics.call_ended(&call));
}

#[divan::bench]
fn audit_recorded(bencher: Bencher<'_, '_>) {
    metric(bencher, |metrics| metrics.audit_recorded("lookup"));
}

/// The line that `Trail::responded` writes, formatted and thrown away.
#[divan::bench]
fn answered_line(bencher: Bencher<'_, '_>) {
    let settings = settings(0.0);
    let subscriber = telemetry::subscriber(&settings, io::sink).expect("a level");
    tracing::subscriber::with_default(subscriber, || {
        bencher.bench_local(|| {
            tracing::info!(
                target: "loket_gateway::trail",
                trace_id = "0af7651916cd43dd8448eb211c80319c",
                http.route = "/v1/lookups",
                http.response.status_code = 200_u16,
                loket.member = "samsat",
                loket.system = "counter",
                loket.certificate = "",
                loket.code = "",
                loket.overall = "complete",
                loket.elapsed_ms = 23_u64,
                "answered"
            );
        });
    });
}

/// What scraping costs once a gateway has counted for a while.
#[divan::bench]
fn exposition(bencher: Bencher<'_, '_>) {
    let telemetry = spans("unsampled");
    server(&telemetry, None).finish(200, None);
    let metrics = telemetry.metrics();
    metrics.lookup_finished(PURPOSE, "complete", ELAPSED);
    metrics.agency_call(&agency(), "found", None, ELAPSED);
    bencher.bench(|| telemetry.prometheus_text());
}

fn agency() -> Peer {
    Peer::new("dukcapil", "siak")
}

fn metric(bencher: Bencher<'_, '_>, count: impl Fn(&Metrics) + Sync) {
    let telemetry = spans("unsampled");
    bencher.bench(|| count(telemetry.metrics()));
}

fn server(telemetry: &Telemetry, parent: Option<&TraceContext>) -> ServerSpan {
    let path = "/v1/lookups";
    let address = "192.0.2.7:40000".parse().ok();
    let (method, version) = (Method::POST, Version::HTTP_2);
    telemetry.server_span(&method, path, parent, path, "https", version, address)
}

fn spans(mode: &str) -> Telemetry {
    match mode {
        "sampled" => Telemetry::with_exporter(&settings(1.0), Nowhere),
        _ => Telemetry::new(&settings(0.0), "bench"),
    }
    .expect("telemetry without a collector")
}

#[derive(Debug)]
struct Nowhere;

impl SpanExporter for Nowhere {
    async fn export(&self, _batch: Vec<SpanData>) -> OTelSdkResult {
        Ok(())
    }
}

fn settings(sampling_ratio: f64) -> Settings {
    Settings {
        service_instance_id: "bench".to_owned(),
        environment: "test".to_owned(),
        otlp_endpoint: None,
        sampling_ratio,
        slow: telemetry::SLOW,
        traces: telemetry::TRACES,
        log_format: LogFormat::Json,
        log_level: "info".to_owned(),
    }
}
