use opentelemetry::trace::{SpanId, SpanKind, Status};
use uuid::Uuid;

use super::*;
use crate::telemetry::{Called, ErrorType, Peer, PeerAddress};

#[test]
fn a_server_span_says_what_the_contract_wants() {
    let (telemetry, kept) = telemetry(1.0);
    let mut span = lookup(&telemetry, None);
    let request_id = Uuid::from_u128(7);
    span.knows(|known| {
        known.lookup("population.address-change", request_id);
        known.member("bpn");
        known.overall("partial");
        known.entry(12);
    });
    let (trace_id, span_id, hex) = (span.trace_id(), span.span_id(), span.trace_id_hex());
    assert!(span.sampled());
    span.finish(200, None);

    let span = kept.only();
    assert_eq!(span.name, "POST /v1/lookups");
    assert_eq!(span.span_kind, SpanKind::Server);
    assert_eq!(span.status, Status::Unset);
    assert_eq!(span.parent_span_id, SpanId::INVALID);
    assert_eq!(span.span_context.trace_id().to_bytes(), trace_id);
    assert_eq!(span.span_context.span_id().to_bytes(), span_id);
    assert_eq!(span.span_context.trace_id().to_string(), hex);
    assert_eq!(
        attributes(&span),
        "client.address=192.0.2.7\n\
         http.request.method=POST\n\
         http.response.status_code=200\n\
         http.route=/v1/lookups\n\
         loket.audit.entry=12\n\
         loket.member=bpn\n\
         loket.overall=partial\n\
         loket.purpose=population.address-change\n\
         loket.request_id=00000000-0000-0000-0000-000000000007\n\
         network.peer.address=192.0.2.7\n\
         network.peer.port=40000\n\
         network.protocol.version=2\n\
         url.path=/v1/lookups\n\
         url.scheme=https"
    );
}

#[test]
fn only_a_5xx_is_an_error_of_ours() {
    let cases = [
        (200, None, Status::Unset, None),
        (404, None, Status::Unset, None),
        (
            429,
            Some("rate_limited"),
            Status::Unset,
            Some("rate_limited"),
        ),
        (500, None, Status::error(""), Some("500")),
        (503, Some("timeout"), Status::error(""), Some("timeout")),
    ];
    for (code, error_type, status, shown) in cases {
        let (telemetry, kept) = telemetry(1.0);
        lookup(&telemetry, None).finish(code, error_type);
        let span = kept.only();
        assert_eq!(span.status, status, "{code}");
        assert_eq!(error_of(&span).as_deref(), shown, "{code}");
    }
}

#[test]
fn a_caller_who_left_is_no_error() {
    let (telemetry, kept) = telemetry(1.0);
    drop(lookup(&telemetry, None));
    let span = kept.only();
    assert_eq!(span.status, Status::Unset);
    assert_eq!(error_of(&span), None);
    assert!(attributes(&span).contains("loket.abandoned=true"));
    let text = telemetry.prometheus_text();
    assert!(text.contains(
        "http_server_active_requests{http_request_method=\"POST\",url_scheme=\"https\"} 0"
    ));
}

#[test]
fn a_client_span_says_what_the_contract_wants() {
    let (telemetry, kept) = telemetry(1.0);
    let server = lookup(&telemetry, None);
    let mut client = call(&telemetry, &server);
    let sent = client.trace_context();
    assert_eq!(sent.trace_id.to_bytes(), server.trace_id());
    assert!(sent.sampled);
    client.finish(Some(200), "found", "complete", None, 1);
    let parent = server.span_id();
    drop((client, server));

    let span = kept.only_of(SpanKind::Client);
    assert_eq!(span.name, "POST");
    assert_eq!(span.status, Status::Unset);
    assert_eq!(span.parent_span_id.to_bytes(), parent);
    assert_eq!(
        span.span_context.span_id().to_bytes(),
        sent.span_id.to_bytes()
    );
    assert_eq!(
        attributes(&span),
        "http.request.method=POST\n\
         http.request.resend_count=1\n\
         http.response.status_code=200\n\
         loket.outcome=found\n\
         loket.reason=complete\n\
         loket.record=person-identity/1\n\
         loket.system=siak\n\
         peer.service=dukcapil\n\
         server.address=dukcapil.example\n\
         server.port=8443\n\
         service.peer.name=dukcapil\n\
         url.full=https://dukcapil.example:8443/v1/records/person-identity/1\n\
         url.template=/v1/records/{record}/{major}"
    );
}

#[test]
fn a_call_fails_by_its_error_or_its_status() {
    let timeout = Some(ErrorType::Timeout.as_str());
    let cases = [
        (Some(200), "not_found", None, Status::Unset, None),
        (Some(404), "invalid", None, Status::error(""), Some("404")),
        (
            Some(502),
            "unavailable",
            None,
            Status::error(""),
            Some("502"),
        ),
        (
            None,
            "timed_out",
            timeout,
            Status::error(""),
            Some("timeout"),
        ),
    ];
    for (code, outcome, error_type, status, shown) in cases {
        let (telemetry, kept) = telemetry(1.0);
        let server = lookup(&telemetry, None);
        call(&telemetry, &server).finish(code, outcome, "x", error_type, 0);
        drop(server);
        let span = kept.only_of(SpanKind::Client);
        assert_eq!(span.status, status, "{outcome}");
        assert_eq!(error_of(&span).as_deref(), shown, "{outcome}");
        let succeeded = telemetry
            .prometheus_text()
            .contains("last_success_time_seconds{");
        assert_eq!(succeeded, shown.is_none(), "{outcome}");
    }
}

#[test]
fn a_cancelled_call_is_no_error() {
    let (telemetry, kept) = telemetry(1.0);
    let server = lookup(&telemetry, None);
    drop(call(&telemetry, &server));
    server.finish(200, None);
    let span = kept.only_of(SpanKind::Client);
    assert_eq!(span.status, Status::Unset);
    assert_eq!(error_of(&span), None);
    assert!(attributes(&span).contains("loket.cancelled=true"));
    let text = telemetry.prometheus_text();
    assert!(text.contains("loket_outcome=\"cancelled\""));
    assert!(!text.contains("error_type"));
}

#[test]
fn a_room_ends_when_dropped() {
    let (telemetry, kept) = telemetry(1.0);
    let server = lookup(&telemetry, None);
    let handle = server.handle().clone();
    let room = telemetry.room_span(&handle, "fan-out");
    drop(room);
    let parent = server.span_id();
    drop((handle, server));
    let span = kept.only_of(SpanKind::Internal);
    assert_eq!(span.name, "fan-out");
    assert_eq!(span.parent_span_id.to_bytes(), parent);
}

#[test]
fn a_callers_flag_never_forces_sampling() {
    let cases = [
        (0.0, "-01", false),
        (1.0, "-01", true),
        (0.0, "-00", false),
        (1.0, "-00", false),
    ];
    for (ratio, flags, sampled) in cases {
        let (telemetry, kept) = telemetry(ratio);
        let parent = format!("{PARENT}{flags}").parse::<TraceContext>().unwrap();
        let span = lookup(&telemetry, Some(&parent));
        assert_eq!(span.sampled(), sampled, "{ratio} {flags}");
        assert_eq!(span.trace_id(), parent.trace_id.to_bytes());
        assert_ne!(span.span_id(), parent.span_id.to_bytes());
        call(&telemetry, &span).finish(Some(200), "found", "complete", None, 0);
        span.finish(200, None);
        assert_eq!(
            kept.take().len(),
            if sampled { 2 } else { 0 },
            "{ratio} {flags}"
        );
    }
}

#[tokio::test]
async fn unsampled_spans_have_ids_even_after_shutdown() {
    let (telemetry, kept) = telemetry(0.0);
    for _ in 0..2 {
        let server = lookup(&telemetry, None);
        let client = call(&telemetry, &server);
        assert!(!server.sampled());
        assert_ne!(server.trace_id(), [0; 16]);
        assert_ne!(server.span_id(), [0; 8]);
        assert_ne!(server.span_id(), client.handle().span_id());
        assert_eq!(client.handle().trace_id(), server.trace_id());
        assert!(client.trace_context().to_string().ends_with("-00"));
        server.finish(200, None);
        telemetry.shutdown().await;
    }
    assert!(kept.take().is_empty());
}

#[test]
fn what_a_caller_wrote_is_kept_short_and_without_numbers() {
    let long = format!("/{}", "é".repeat(400));
    let cases = [
        ("/v1/people/3174010101900001", "/v1/people/*"),
        ("/3174010101900001/x", "/*/x"),
        (
            "/v1/receipts/01932c07-5f00-7000-8000-123456789012",
            "/v1/receipts/01932c07-5f00-7000-8000-123456789012",
        ),
        ("", ""),
    ];
    for (path, shown) in cases {
        assert_eq!(path_shown(path), shown);
    }
    assert!(path_shown(&long).len() <= 258);
}

#[test]
fn an_unknown_method_is_no_label() {
    let (telemetry, kept) = telemetry(1.0);
    let method = Method::from_bytes(b"BREW").unwrap();
    telemetry
        .server_span(&method, "/", None, "/", "https", Version::HTTP_11, None)
        .finish(405, None);
    let span = kept.only();
    assert_eq!(span.name, "HTTP /");
    // Whoever writes a method could write a name.
    assert!(!attributes(&span).contains("BREW"));
    assert!(!telemetry.prometheus_text().contains("BREW"));
}

#[test]
fn a_reason_is_a_word_of_the_vocabulary() {
    let (telemetry, kept) = telemetry(1.0);
    let server = lookup(&telemetry, None);
    call(&telemetry, &server).finish(Some(200), "found", "Budi Santoso", None, 0);
    drop(server);
    let span = kept.only_of(SpanKind::Client);
    assert!(attributes(&span).contains("loket.reason=other"));
}

fn path_shown(path: &str) -> String {
    let (telemetry, kept) = telemetry(1.0);
    telemetry
        .server_span(
            &Method::GET,
            "/",
            None,
            path,
            "https",
            Version::HTTP_11,
            None,
        )
        .finish(404, None);
    let pairs = kept.only().attributes;
    let pair = pairs.iter().find(|pair| pair.key.as_str() == "url.path");
    pair.unwrap().value.as_str().into_owned()
}

fn call(telemetry: &Telemetry, server: &ServerSpan) -> crate::telemetry::ClientSpan {
    let handle = server.handle();
    let peer = Peer::new("dukcapil", "siak");
    let address = PeerAddress::new(peer, "dukcapil.example", 8443);
    telemetry.client_span(handle, &address, Called::Record("person-identity/1"))
}

fn error_of(span: &SpanData) -> Option<String> {
    let pair = span
        .attributes
        .iter()
        .find(|pair| pair.key.as_str() == "error.type")?;
    Some(pair.value.as_str().into_owned())
}

#[test]
fn handles_go_to_any_task() {
    fn anywhere<T: Clone + Send + Sync + 'static>() {}
    anywhere::<Telemetry>();
    anywhere::<crate::telemetry::Metrics>();
    anywhere::<crate::telemetry::SpanHandle>();
}
