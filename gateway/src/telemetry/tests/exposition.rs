use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::telemetry::{
    BreakerState, Called, Decision, EndedCall, ErrorType, Peer, PeerAddress, RateScope, Resend,
    in_batches,
};

/// Dashboards and alerts are written against these; a change here breaks them.
const GOLDEN: &str = "\
http_client_request_duration_seconds histogram
http_server_active_requests gauge
http_server_request_duration_seconds histogram
loket_agency_breaker_state gauge
loket_agency_call_duration_seconds histogram
loket_agency_connections gauge
loket_agency_ejected gauge
loket_agency_in_flight gauge
loket_agency_last_success_time_seconds gauge
loket_agency_limit gauge
loket_agency_queued gauge
loket_agency_resends_total counter
loket_agency_shared_total counter
loket_audit_index_behind gauge
loket_audit_last_checkpoint_time_seconds gauge
loket_audit_lost gauge
loket_audit_queue gauge
loket_audit_records_total counter
loket_audit_sealing_fails gauge
loket_audit_unsealed_bytes gauge
loket_audit_witness_failures_total counter
loket_audit_witnessed gauge
loket_audit_write_failures_total counter
loket_break_glass_overdue gauge
loket_break_glass_total counter
loket_build_info gauge
loket_calls_body_bytes_total counter
loket_calls_total counter
loket_grant_quota_used_ratio gauge
loket_log_dropped_total counter
loket_lookup_duration_seconds histogram
loket_lookup_first_card_duration_seconds histogram
loket_mismatch_total counter
loket_policy_decisions_total counter
loket_ratelimit_decisions_total counter
loket_schema_violations_total counter
loket_tls_cert_not_after_seconds gauge
loket_tls_crl_next_update_seconds gauge
loket_tls_handshakes_total counter
process_cpu_time_seconds_total counter
process_memory_usage_bytes gauge
process_memory_virtual_bytes gauge
process_thread_count gauge
process_unix_file_descriptor_count gauge
process_uptime_seconds gauge
target_info gauge";

#[test]
fn every_metric_has_its_name() {
    let text = exercised();
    let mut found: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .collect();
    found.sort_unstable();
    assert_eq!(found.join("\n"), GOLDEN);
}

#[test]
fn samples_have_the_contracts_labels() {
    let text = exercised();
    let samples = [
        r#"http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="200",http_route="/v1/lookups",network_protocol_version="2",url_scheme="https"} 1"#,
        r#"http_client_request_duration_seconds_count{error_type="timeout",http_request_method="POST",server_address="dukcapil.example",server_port="8443"} 1"#,
        r#"http_server_active_requests{http_request_method="POST",url_scheme="https"} 0"#,
        r#"loket_agency_breaker_state{loket_system="siak",service_peer_name="dukcapil",state="closed"} 0"#,
        r#"loket_agency_breaker_state{loket_system="siak",service_peer_name="dukcapil",state="half_open"} 0"#,
        r#"loket_agency_breaker_state{loket_system="siak",service_peer_name="dukcapil",state="open"} 1"#,
        r#"loket_agency_call_duration_seconds_count{error_type="breaker_open",loket_outcome="unavailable",loket_system="siak",service_peer_name="dukcapil"} 1"#,
        r#"loket_agency_in_flight{loket_system="siak",service_peer_name="dukcapil"} 1"#,
        r#"loket_agency_queued{loket_system="siak",service_peer_name="dukcapil"} 1"#,
        r#"loket_agency_resends_total{kind="hedge",loket_system="siak",service_peer_name="dukcapil"} 1"#,
        r#"loket_agency_limit{loket_system="siak",service_peer_name="dukcapil"} 20"#,
        r#"loket_audit_index_behind 5"#,
        r#"loket_audit_lost 4"#,
        r#"loket_audit_queue 3"#,
        r#"loket_audit_sealing_fails 1"#,
        r#"loket_audit_unsealed_bytes 5"#,
        r#"loket_audit_records_total{kind="lookup"} 1"#,
        r#"loket_audit_witnessed{loket_witness="auditor"} 7"#,
        r#"loket_audit_witness_failures_total{loket_witness="auditor"} 1"#,
        r#"loket_break_glass_overdue 2"#,
        r#"loket_break_glass_total{ground="disaster"} 1"#,
        r#"loket_build_info{version="test"} 1"#,
        r#"loket_calls_body_bytes_total{direction="request",loket_member="bapenda",loket_service="population",service_peer_name="dukcapil"} 4"#,
        r#"loket_calls_body_bytes_total{direction="response",loket_member="bapenda",loket_service="population",service_peer_name="dukcapil"} 70000"#,
        r#"loket_calls_total{loket_member="bapenda",loket_outcome="answered",loket_service="population",service_peer_name="dukcapil"} 1"#,
        r#"loket_calls_total{loket_member="bapenda",loket_outcome="denied",loket_service="population",service_peer_name="dukcapil"} 1"#,
        r#"loket_grant_quota_used_ratio{loket_grant="G-001"} 0.8"#,
        r#"loket_lookup_duration_seconds_count{loket_purpose="address-change",loket_result="complete"} 1"#,
        r#"loket_lookup_first_card_duration_seconds_count{loket_purpose="address-change"} 1"#,
        r#"loket_log_dropped_total 0"#,
        r#"loket_mismatch_total{field="birth_date",service_peer_name="dukcapil"} 1"#,
        r#"loket_policy_decisions_total{decision="narrowed",loket_purpose="address-change"} 1"#,
        r#"loket_policy_decisions_total{decision="denied"} 1"#,
        r#"loket_ratelimit_decisions_total{decision="denied",scope="mall"} 1"#,
        r#"loket_schema_violations_total{schema="person-identity/1",service_peer_name="dukcapil"} 1"#,
        r#"loket_tls_cert_not_after_seconds{role="server",subject="gateway"} 1800000000"#,
        r#"loket_tls_crl_next_update_seconds{role="client"} 0"#,
        r#"loket_tls_crl_next_update_seconds{role="server"} 1800000000"#,
        r#"loket_tls_handshakes_total{result="ok"} 1"#,
        r#"loket_tls_handshakes_total{result="tls_cert_expired"} 1"#,
    ];
    for sample in samples {
        assert!(text.lines().any(|line| line == sample), "{sample}\n{text}");
    }
    assert!(text.contains(r#"deployment_environment_name="test",service_instance_id="gateway-1",service_name="mall-gateway",service_namespace="loket",service_version="test""#));
    assert!(!text.contains("otel_scope"));
}

#[test]
fn buckets_are_seconds() {
    let text = exercised();
    let advised = "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 +Inf";
    let slow = "0.005 0.01 0.025 0.05 0.075 0.1 0.25 0.5 0.75 1 2.5 5 7.5 10 15 30 +Inf";
    let cases = [
        ("http_server_request_duration_seconds", advised),
        ("http_client_request_duration_seconds", slow),
        ("loket_agency_call_duration_seconds", slow),
        ("loket_lookup_duration_seconds", slow),
        ("loket_lookup_first_card_duration_seconds", slow),
    ];
    for (name, bounds) in cases {
        let mut found: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with(&format!("{name}_bucket{{")))
            .filter_map(|line| line.split_once("le=\"")?.1.split_once('"'))
            .map(|(bound, _)| bound)
            .collect();
        found.dedup();
        found.truncate(bounds.split(' ').count());
        assert_eq!(found.join(" "), bounds, "{name}");
    }
}

/// A point of a graph leads to a trace that is kept.
#[test]
fn openmetrics_has_exemplars_of_kept_traces() {
    let (telemetry, _) = telemetry(0.0);
    let request = |status: u16| {
        let mut server = lookup(&telemetry, None);
        server.knows(|known| {
            known.lookup("address-change", Uuid::from_u128(1));
            known.overall("partial");
        });
        let peer = Peer::new("dukcapil", "siak");
        let address = PeerAddress::new(peer, "dukcapil.example", 8443);
        let mut call = telemetry.client_span(server.handle(), &address, Called::Record("kk/1"));
        call.finish(Some(200), "found", "complete", None, 0);
        let id = server.trace_id_hex();
        let elapsed = server.finish(status, None);
        telemetry
            .metrics()
            .lookup_finished("address-change", "partial", elapsed);
        id
    };
    let failed = request(503);
    // Nobody keeps its trace.
    let well = request(200);
    let text = telemetry.openmetrics_text();
    assert!(!text.contains(&well), "{text}");
    let led = text.lines().filter(|line| line.contains(&failed));
    let led: Vec<&str> = led
        .map(|line| line.split(['_', '{']).next().unwrap())
        .collect();
    assert_eq!(led, ["http", "http", "loket", "loket"], "{text}");
    let line = text
        .lines()
        .find(|line| line.contains("loket_lookup_duration_seconds_bucket"))
        .unwrap();
    let expected = format!(
        "loket_lookup_duration_seconds_bucket{{loket_purpose=\"address-change\",loket_result=\"partial\",le=\"0.005\"}} 2 # {{trace_id=\"{failed}\"}} "
    );
    assert!(line.starts_with(&expected), "{line}");
    assert!(text.ends_with("# EOF\n"));
    assert!(text.contains("# TYPE loket_build_info gauge\n"));
    assert!(!exercised().contains("# EOF"));
}

#[test]
fn openmetrics_says_what_prometheus_text_says() {
    let (telemetry, _) = telemetry(0.0);
    telemetry.metrics().audit_recorded("lookup");
    telemetry
        .metrics()
        .lookup_finished("x", "complete", Duration::from_millis(3));
    let samples = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.starts_with("process_"));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let text = telemetry.openmetrics_text();
    assert_eq!(samples(&text), samples(&telemetry.prometheus_text()));
    assert!(
        text.contains("# TYPE loket_audit_records counter\n"),
        "{text}"
    );
}

#[test]
fn two_gateways_count_apart() {
    let (one, _) = telemetry(0.0);
    let (other, _) = telemetry(0.0);
    one.metrics().audit_write_failed();
    one.metrics().witnessed("auditor", 3, false);
    assert!(one.prometheus_text().contains("failures_total 1"));
    assert!(!other.prometheus_text().contains("failures_total"));
}

/// The text after every method was called.
fn exercised() -> String {
    let (telemetry, _) = telemetry(0.0);
    let server = lookup(&telemetry, None);
    let peer = &Peer::new("dukcapil", "siak");
    let call = || {
        let handle = server.handle();
        let address = PeerAddress::new(peer.clone(), "dukcapil.example", 8443);
        telemetry.client_span(handle, &address, Called::Record("kk/1"))
    };
    call().finish(Some(200), "found", "complete", None, 0);
    let timeout = Some(ErrorType::Timeout.as_str());
    call().finish(None, "timed_out", "no_answer_yet", timeout, 0);
    server.finish(200, None);

    let metrics = telemetry.metrics();
    let (purpose, agency) = ("address-change", "dukcapil");
    let elapsed = Duration::from_millis(120);
    let open = Some(ErrorType::BreakerOpen.as_str());
    metrics.lookup_finished(purpose, "complete", elapsed);
    metrics.first_card(purpose, elapsed);
    metrics.agency_call(peer, "unavailable", open, Duration::ZERO);
    drop(metrics.agency_in_flight(peer));
    let _under_way = metrics.agency_in_flight(peer);
    metrics.agency_limit(peer, 20);
    metrics.breaker_state(peer, BreakerState::HalfOpen);
    metrics.breaker_state(peer, BreakerState::Open);
    let _waiting = metrics.agency_queued(peer);
    let _open = metrics.agency_connected(peer);
    let _out = metrics.agency_ejected(peer);
    metrics.agency_resent(peer, Resend::Hedge);
    metrics.agency_shared(peer);
    metrics.rate_limited(RateScope::Mall, Decision::Denied);
    metrics.policy_decided(Decision::Narrowed, Some(purpose));
    metrics.policy_decided(Decision::Denied, None);
    let call = EndedCall {
        consumer: "bapenda",
        agency,
        service: "population",
        outcome: "answered",
        request: 4,
        response: 70_000,
    };
    metrics.call_ended(&call);
    let denied = EndedCall {
        outcome: "denied",
        request: 0,
        response: 0,
        ..call
    };
    metrics.call_ended(&denied);
    metrics.mismatch("birth_date", agency);
    metrics.schema_violated(agency, "person-identity/1");
    metrics.audit_recorded("lookup");
    metrics.set_audit_queue(3);
    metrics.set_audit_index_behind(5);
    metrics.set_audit_log(4, 5, true);
    metrics.set_audit_last_checkpoint(1_800_000_000);
    metrics.glass_broken(loket_sdk::message::Ground::Disaster);
    metrics.set_glass_overdue(2);
    metrics.quota_used("G-001", 0.8);
    metrics.audit_write_failed();
    metrics.witnessed("auditor", 7, true);
    metrics.witnessed("auditor", 8, false);
    metrics.tls_handshake(None);
    metrics.tls_handshake(Some(ErrorType::TlsCertExpired.as_str()));
    metrics.cert_not_after("gateway", "server", 1_800_000_000);
    metrics.crl_next_update("server", Some(1_800_000_000));
    metrics.crl_next_update("client", None);
    let (lines, _flush) = in_batches(std::io::sink()).unwrap();
    telemetry.count_lost_lines(&lines);
    telemetry.prometheus_text()
}
