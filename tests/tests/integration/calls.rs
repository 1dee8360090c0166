//! Routed calls: one agency's REST service called by another's system, streamed, as granted.

mod backend;
mod broken;
mod catalogue;
mod counted;
mod quota;
mod streaming;
mod unrecorded;

use backend::{call, channel, empty, full, town};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use loket_gateway::directory::Protocol::Http1;
use loket_sdk::problem::Problem;
use loket_tests::logs;
use serde_json::Value;

const CALLS: &str = "/v1/services/dukcapil/population";
const NIK: &str = "3510161405889901";

fn post() -> http::request::Builder {
    Request::post("/")
}

fn get() -> http::request::Builder {
    Request::get("/")
}

fn sha256(bytes: &[u8]) -> String {
    digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256
        .tls13()
        .unwrap()
        .common
        .hash_provider
        .hash(bytes)
        .as_ref()
        .to_vec()
}

async fn whole(response: Response<Incoming>) -> Result<(Bytes, Option<HeaderMap>), hyper::Error> {
    let collected = response.into_body().collect().await?;
    let trailers = collected.trailers().cloned();
    Ok((collected.to_bytes(), trailers))
}

async fn problem(response: Response<Incoming>) -> Problem {
    let (bytes, _) = whole(response).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn what_was_checked_is_forwarded_and_introduced_by_the_gateway() {
    let (town, seen) = town(Http1).await;
    let path = format!("/people/{NIK}/st%61tus?q={NIK}&x=%20");
    let request = post()
        .header("loket-member", "mpp-kota")
        .header("loket-system", "forged")
        .header("x-forwarded-for", "1.2.3.4")
        .header("authorization", "Bearer t")
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        );
    let response = call(&town, false, request, &path, full("body"))
        .await
        .unwrap();
    assert_eq!(
        response.headers()["x-trace-id"],
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(whole(response).await.unwrap().0, "body");
    let (at, headers) = seen.last();
    assert_eq!(at, format!("/base/people/{NIK}/status?q={NIK}&x=%20"));
    assert_eq!(headers["loket-member"], "mpp-kota");
    assert_eq!(headers["loket-system"], "counter");
    assert_eq!(headers["loket-deadline-ms"], "20000");
    assert_eq!(headers["authorization"], "Bearer t");
    assert!(!headers.contains_key("x-forwarded-for"));
    assert_eq!(headers.get_all("traceparent").iter().count(), 1);
    let parent = headers["traceparent"].to_str().unwrap();
    assert!(
        parent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"),
        "{parent}"
    );
    assert!(!parent.contains("b7ad6b7169203331"), "{parent}");

    // One entry, whole, and nothing of path or query anywhere.
    let entries = town.audit_entries();
    let [entry] = entries.as_slice() else {
        panic!("{entries:?}")
    };
    assert_eq!(entry["kind"], "call");
    assert_eq!(entry["operation"], "/v1/services/{agency}/{service}");
    assert_eq!(
        headers["loket-request-id"],
        entry["request_id"].as_str().unwrap()
    );
    let expected = serde_json::json!({
        "agency": "dukcapil", "service": "population", "method": "POST", "grant": "call-1",
        "path": "/people/*/status", "status": 200, "asked": true, "outcome": "answered",
        "request": {"bytes": 4, "sha256": sha256(b"body")},
        "response": {"bytes": 4, "sha256": sha256(b"body")},
    });
    assert_eq!(entry["call"], expected);
    let text = loket_schemas::envelope("audit-entry").unwrap().text;
    let schema: Value = serde_json::from_str(text).unwrap();
    for name in entry["call"].as_object().unwrap().keys() {
        let described = &schema["$defs"]["audit_call"]["properties"][name];
        assert!(described.is_object(), "{name}");
    }
    assert!(!logs::text().contains(&format!("people/{NIK}")));
    assert!(!format!("{:?}", town.spans()).contains(&format!("people/{NIK}")));
    assert!(!serde_json::to_string(&entries).unwrap().contains(NIK));
    assert!(!town.metrics_text().await.contains(NIK));
    town.stop().await;
}

#[tokio::test]
async fn what_no_grant_names_or_no_path_may_hold_reaches_nobody() {
    let (town, seen) = town(Http1).await;
    let counter = town.counter();
    for (method, path, code) in [
        ("DELETE", "/do/echo", "nothing_granted"),
        ("GET", "/people/1", "nothing_granted"),
        ("GET", "", "nothing_granted"),
        ("GET", "/do/%2e%2e/x", "malformed_request"),
        ("GET", "/do/..", "malformed_request"),
        ("GET", "/do//x", "malformed_request"),
        ("GET", "/do/a%2fb", "malformed_request"),
        ("GET", "/do/x?a=%0d%0a", "malformed_request"),
        ("TRACE", "/do/x", "method_not_allowed"),
        ("OPTIONS", "/do/x", "method_not_allowed"),
    ] {
        let at = format!("{CALLS}{path}");
        let answer = counter.send(method, &at, &[], "").await.unwrap();
        let problem: Problem = answer.json();
        assert_eq!(problem.code.as_str(), code, "{method} {path}");
    }
    let unknown = counter.get("/v1/services/dukcapil/other/x").await.unwrap();
    let known = counter.get(&format!("{CALLS}/people/1")).await.unwrap();
    let detail = |answer: loket_sdk::testing::CounterAnswer| answer.json::<Problem>().detail;
    assert_eq!(detail(unknown), detail(known));
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    let answer = counter
        .send("GET", &format!("{CALLS}/do/x"), &upgrade, "")
        .await
        .unwrap();
    assert_eq!(answer.status, 400);
    let connect =
        b"CONNECT dukcapil:443 HTTP/1.1\r\nhost: dukcapil:443\r\nconnection: close\r\n\r\n";
    let answer = counter.send_bytes(connect).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
    assert_eq!(seen.count(), 0);
    town.stop().await;
}

#[tokio::test]
async fn any_status_passes_and_so_does_an_answer_without_a_body() {
    for http2 in [false, true] {
        let (town, _) = town(Http1).await;
        let ask = async |method: &str, path: &str| {
            let request = Request::builder().method(method);
            let response = call(&town, http2, request, path, empty()).await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            (status, headers, whole(response).await.unwrap().0)
        };
        assert_eq!(ask("GET", "/do/nothing").await.0, 204);
        let (status, headers, _) = ask("GET", "/do/same").await;
        assert_eq!((status, &headers["etag"]), (304, &"\"1\"".parse().unwrap()));
        let (status, headers, body) = ask("HEAD", "/do/length").await;
        assert_eq!((status, body.len()), (200, 0));
        assert_eq!(headers["content-length"], "5");
        assert_eq!(ask("GET", "/do/length").await.2, "12345");
        // The source answers before the body's end.
        let (sender, body) = channel();
        sender
            .send(Frame::data(Bytes::from_static(b"begun")))
            .await
            .unwrap();
        let response = call(&town, http2, post(), "/do/early", body).await.unwrap();
        assert_eq!(response.status(), 413);
        town.stop().await;
    }
}

#[tokio::test]
async fn a_caller_that_waits_is_told_to_go_on_only_once_the_source_takes_it() {
    let (town, seen) = town(Http1).await;
    let counter = town.counter();
    let head = |path: &str| {
        format!(
            "POST {CALLS}{path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\
             expect: 100-continue\r\nconnection: close\r\n\r\n"
        )
    };
    let answer = counter
        .send_bytes(head("/no/grant").as_bytes())
        .await
        .unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 403"), "{answer:?}");
    let answer = counter
        .send_bytes(format!("{}body", head("/do/whole")).as_bytes())
        .await;
    let answer = answer.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 100"), "{answer:?}");
    assert!(answer.ends_with(b"body"), "{answer:?}");
    assert!(!seen.last().1.contains_key("expect"));
    town.stop().await;
}
