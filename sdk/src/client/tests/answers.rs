use std::time::Duration;

use serde_json::{Value, json};

use super::gateway::{Gateway, Reply, answer, lookup, person, taxpayer};
use crate::claims::ClaimResult;
use crate::client::{Client, Error};
use crate::message::Overall;
use crate::problem::{Code, Fault};
use crate::records::{PersonIdentity, Taxpayer};
use crate::trace::TraceContext;

#[tokio::test]
async fn a_lookup_is_answered_over_either_http() {
    for (gateway, version) in [
        (Gateway::with(script()).await, http::Version::HTTP_2),
        (Gateway::http1(script()).await, http::Version::HTTP_11),
    ] {
        let answer = lookup(&gateway.client()).send().await.unwrap();
        assert_eq!(answer.overall, Overall::Complete);
        let person = answer.record::<PersonIdentity>().unwrap().unwrap();
        assert!(person.full_name.is_some());
        assert!(answer.record::<Taxpayer>().is_none());
        let record = "taxpayer/1".parse().unwrap();
        let claims: Vec<ClaimResult> = answer.claims(&record).map(|claim| claim.result).collect();
        assert_eq!(claims, [ClaimResult::Mismatch]);
        assert_eq!(answer.result(&record).unwrap().elapsed_ms, 751);
        assert_eq!(gateway.seen()[0].version, version);
    }
}

fn script() -> Vec<Reply> {
    vec![Reply::json(&answer(vec![person(), taxpayer()]))]
}

#[tokio::test]
async fn a_receipts_evidence_is_fetched_by_its_number() {
    let (_, text) = loket_schemas::envelope("receipt").unwrap().valid[0];
    let evidence: Value = serde_json::from_str(text).unwrap();
    let entry = evidence["entry"].as_u64().unwrap();
    let gateway = Gateway::with([Reply::json(&evidence), Reply::json(&evidence)]).await;
    let client = gateway.client();
    let fetched = client.receipt(entry).await.unwrap();
    assert_eq!(serde_json::to_value(fetched).unwrap(), evidence);
    assert_eq!(gateway.seen()[0].path, format!("/v1/receipts/{entry}"));
    let error = client.receipt(entry + 1).await.unwrap_err();
    assert_eq!(error.code(), "protocol");
}

#[tokio::test]
async fn the_request_is_the_wires() {
    let gateway = Gateway::with(script()).await;
    let trace = TraceContext::root(true);
    let builder = lookup(&gateway.client()).trace(trace.clone());
    builder.required("taxpayer/1").send().await.unwrap();
    let seen = gateway.seen().remove(0);
    assert_eq!(seen.path, "/v1/lookups");
    assert_eq!(seen.headers["accept"], "application/json");
    assert_eq!(seen.headers["content-type"], "application/json");
    assert_eq!(seen.headers["traceparent"], trace.to_string());
    let body: Value = serde_json::from_slice(&seen.body).unwrap();
    assert_eq!(body["subject"]["scheme"], "nik");
    assert_eq!(body["deadline_ms"], 3000);
    assert_eq!(
        body["records"],
        json!([
            {"record": "person-identity/1", "fields": ["full_name"]},
            {"record": "taxpayer/1", "required": true, "claims": [
                {"field": "registered_name", "op": "name_matches", "value": "BAGAS CONTOH PRATAMA"}
            ]},
        ])
    );
}

#[track_caller]
fn check_protocol(error: &Error, words: &str) {
    assert_eq!(error.code(), "protocol", "{error}");
    assert!(error.to_string().contains(words), "{error}");
    assert_eq!(error.trace_id().len(), 32);
    assert_eq!(error.fault(), Fault::Gateway);
    assert!(!error.to_string().contains("BAGAS"));
}

#[tokio::test]
async fn what_the_wire_does_not_say_is_a_protocol_error() {
    let html = |status| Reply::Answer(status, "text/html", vec![], vec!["<h1>BAGAS".into()]);
    let json = |text: &str| {
        Reply::Answer(
            200,
            "application/json",
            vec![],
            vec![text.to_owned().into()],
        )
    };
    for (reply, words) in [
        (html(200), "application/json"),
        (html(502), "status 502"),
        (json("{\"a\": \"BAGAS\""), "too early"),
        (json("{\"a\": 1, \"a\": \"BAGAS\"}"), "twice"),
        (json("{\"overall\": \"BAGAS\"}"), "shape of Answer"),
        (json(&"x".repeat(2000)), "1000 bytes"),
    ] {
        let gateway = Gateway::with([reply]).await;
        let leaf = gateway.ca.system("mpp", "counter");
        let client = gateway
            .builder(&leaf)
            .max_answer_bytes(1000)
            .build()
            .unwrap();
        let error = lookup(&client).send().await.unwrap_err();
        check_protocol(&error, words);
        assert_eq!(gateway.requests(), 1);
    }
}

#[tokio::test]
async fn another_lookups_answer_is_refused() {
    let mut other = answer(vec![person()]);
    other["request_id"] = json!("0192f0c4-7d1a-7e55-9b61-000000000001");
    let gateway = Gateway::with([Reply::json(&other)]).await;
    let error = lookup(&gateway.client()).send().await.unwrap_err();
    check_protocol(&error, "another request_id");
}

#[tokio::test]
async fn a_problem_keeps_what_the_gateway_said() {
    let gateway = Gateway::with([Reply::problem(Code::NothingGranted, None)]).await;
    let error = lookup(&gateway.client()).send().await.unwrap_err();
    assert_eq!(error.code(), "nothing_granted");
    assert_eq!(error.fault(), Fault::Caller);
    assert_eq!(error.trace_id(), "7".repeat(32));
    assert_eq!(error.problem().unwrap().status, 403);
    assert_eq!(
        error.to_string(),
        "No grant covers anything of this request (nothing_granted): Mend it."
    );
}

#[tokio::test]
async fn every_problem_is_mapped() {
    for code in Code::ALL {
        let gateway = Gateway::with([Reply::problem(*code, Some("9999"))]).await;
        let error = lookup(&gateway.client()).send().await.unwrap_err();
        assert_eq!(error.code(), code.as_str());
        assert_eq!(error.is_retryable(), code.retryable());
        assert_eq!(error.retry_after(), Some(Duration::from_secs(9999)));
    }
}

#[tokio::test]
async fn catalogue_and_schema_are_read() {
    let catalogue = json!({"member": "mpp-banyuwangi", "system": "counter-app", "records": []});
    let gateway = Gateway::with([
        Reply::json(&catalogue),
        Reply::json(&json!({"title": "taxpayer"})),
    ])
    .await;
    let client = gateway.client();
    assert_eq!(
        client.catalogue().await.unwrap().member.as_str(),
        "mpp-banyuwangi"
    );
    let schema = client.schema(&"taxpayer/1".parse().unwrap()).await.unwrap();
    assert_eq!(schema["title"], "taxpayer");
    let paths: Vec<String> = gateway.seen().into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/v1/catalogue", "/v1/schemas/taxpayer/1"]);
}

#[tokio::test]
async fn no_answer_in_time_is_a_timeout_and_asked_once() {
    let gateway = Gateway::with([Reply::Hang]).await;
    let builder = lookup(&gateway.client()).deadline(Duration::from_millis(200));
    let lookup = builder.build().unwrap();
    let error = gateway.client().send(&lookup).await.unwrap_err();
    let Error::Timeout { request_id, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(request_id, Some(lookup.request_id));
    assert_eq!(gateway.requests(), 1);
}

#[tokio::test]
async fn a_prefix_of_the_url_stays() {
    let gateway = Gateway::with([Reply::json(&json!({}))]).await;
    let leaf = gateway.ca.system("mpp", "counter");
    let client: Client = gateway
        .builder(&leaf)
        .url(format!("https://localhost:{}/loket/", gateway.port))
        .build()
        .unwrap();
    client.schema(&"taxpayer/1".parse().unwrap()).await.unwrap();
    assert_eq!(gateway.seen()[0].path, "/loket/v1/schemas/taxpayer/1");
}
