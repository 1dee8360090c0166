//! Routed calls: one agency's REST service called by another's system, streamed, as granted.

mod backend;
mod catalogue;
mod counted;
mod quota;
mod unrecorded;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use backend::{Body, broken, call, channel, empty, full, town, with};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use loket_gateway::directory::Protocol::{Http1, Http2};
use loket_sdk::problem::Problem;
use loket_tests::logs;
use loket_tests::town::eventually;
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

/// Both ways at once, with trailers, over each pair of protocols.
#[tokio::test]
async fn bodies_and_trailers_stream_both_ways() {
    for (ours, theirs) in [(false, Http1), (true, Http1), (false, Http2), (true, Http2)] {
        let (town, seen) = town(theirs).await;
        let (sender, body) = channel();
        let request = post().header("te", "trailers").header("trailer", "x-sum");
        let request = if ours {
            request
        } else {
            request.header("connection", "te")
        };
        let response = call(&town, ours, request, "/do/echo", body).await.unwrap();
        assert_eq!(response.status(), 200);
        let mut answer = response.into_body();
        let mut sent = Vec::new();
        // Each comes back before the next leaves.
        for n in 0..4_u8 {
            let chunk = vec![n; 40_000];
            sent.extend_from_slice(&chunk);
            sender.send(Frame::data(chunk.into())).await.unwrap();
            let mut back = 0;
            while back < 40_000 {
                let frame = answer.frame().await.unwrap().unwrap();
                back += frame.into_data().unwrap().len();
            }
        }
        let trailers = HeaderMap::from_iter([("x-sum".parse().unwrap(), "12".parse().unwrap())]);
        sender.send(Frame::trailers(trailers)).await.unwrap();
        drop(sender);
        let rest = answer.collect().await.unwrap();
        let back = rest.trailers().and_then(|all| all.get("x-sum"));
        assert_eq!(back.unwrap(), "12", "{ours} {theirs:?}");
        assert_eq!(*seen.ends.lock().unwrap(), ["whole"]);
        let entry = &town.audit_entries_of("call", 1).await[0]["call"];
        for way in ["request", "response"] {
            assert_eq!(entry[way]["bytes"], 160_000);
            assert_eq!(
                entry[way]["sha256"],
                sha256(&sent),
                "{way} {ours} {theirs:?}"
            );
        }
        let opened = &town.audit_entries_of("call_opened", 1).await[0];
        assert_eq!(opened["call"]["outcome"], "open");
        town.stop().await;
    }
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
async fn what_a_source_cuts_short_is_never_whole() {
    for http2 in [false, true] {
        for theirs in [Http1, Http2] {
            let (town, _) = town(theirs).await;
            for path in ["/do/cut", "/do/cut-declared"] {
                let response = call(&town, http2, get(), path, empty()).await.unwrap();
                assert_eq!(response.status(), 200);
                whole(response).await.unwrap_err();
            }
            let entries = town.audit_entries_of("abandoned", 2).await;
            assert_eq!(entries[0]["call"]["outcome"], "cut_short");
            assert_eq!(entries[0]["call"]["response"].get("sha256"), None);
            let response = call(&town, http2, get(), "/do/cut-small", empty())
                .await
                .unwrap();
            assert_eq!(problem(response).await.code.as_str(), "source_unavailable");
            town.stop().await;
        }
    }
}

#[tokio::test]
async fn what_a_caller_cuts_short_is_never_whole() {
    for http2 in [false, true] {
        for theirs in [Http1, Http2] {
            let (town, seen) = town(theirs).await;
            // Whether an answer comes or the connection ends is as the race goes.
            let _ = call(&town, http2, post(), "/do/whole", broken(100_000)).await;
            let declared = post().header("content-length", "200000");
            let _ = call(&town, http2, declared, "/do/whole", broken(100_000)).await;
            eventually("two cut bodies", async || {
                (seen.ends.lock().unwrap().len() == 2).then_some(())
            })
            .await;
            assert_eq!(
                *seen.ends.lock().unwrap(),
                ["cut", "cut"],
                "{http2} {theirs:?}"
            );
            assert!(
                town.audit_entries()
                    .iter()
                    .all(|entry| entry["kind"] != "call")
            );
            town.stop().await;
        }
    }
}

#[tokio::test]
async fn a_caller_who_leaves_is_on_record() {
    let (town, _) = town(Http1).await;
    let response = call(&town, true, get(), "/do/stall", empty())
        .await
        .unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let entry = &town.audit_entries_of("abandoned", 1).await[0];
    assert_eq!(entry["call"]["outcome"], "cut_short");
    assert_eq!(entry["call"]["status"], 200);
    town.stop().await;
}

#[tokio::test]
async fn a_source_that_is_slow_stands_still_or_is_gone_is_told_apart() {
    let short = Duration::from_millis(300);
    let (town, _) = with(Http1, |service, _| {
        service.first_byte_timeout = Duration::from_secs(2);
        service.stall_timeout = short;
    })
    .await;
    let response = call(&town, false, get(), "/do/hang", empty())
        .await
        .unwrap();
    assert_eq!(response.status(), 504);
    let told = problem(response).await;
    assert_eq!(told.code.as_str(), "source_timeout");
    assert_eq!(serde_json::to_value(told.fault).unwrap(), "source");
    let response = call(&town, false, get(), "/do/stall", empty())
        .await
        .unwrap();
    whole(response).await.unwrap_err();
    // A caller who stands still is told that it is his.
    let (sender, body) = channel();
    sender
        .send(Frame::data(Bytes::from_static(b"begun")))
        .await
        .unwrap();
    let response = call(&town, true, post(), "/do/whole", body).await.unwrap();
    let code = problem(response).await.code;
    assert_eq!(code.as_str(), "request_timeout");
    drop(sender);
    town.stop().await;

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nobody.local_addr().unwrap().port();
    drop(nobody);
    let (town, _) = with(Http1, |service, grant| {
        service.backend.endpoints = vec![format!("https://localhost:{port}").parse().unwrap()];
        grant.daily_quota = Some(1);
    })
    .await;
    for _ in 0..2 {
        // What reached nobody isn't counted.
        let response = call(&town, false, get(), "/do/x", empty()).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(problem(response).await.code.as_str(), "source_unavailable");
    }
    let entry = &town.audit_entries_of("refusal", 2).await[0];
    assert_eq!(entry["call"]["outcome"], "unavailable");
    town.stop().await;
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

#[tokio::test]
async fn a_caller_that_reads_slowly_slows_the_source_down() {
    for http2 in [false, true] {
        let (town, seen) = town(Http1).await;
        let response = call(&town, http2, get(), "/do/pour", empty())
            .await
            .unwrap();
        let last = AtomicU64::new(0);
        eventually("the source stands still", async || {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let now = seen.poured.load(Ordering::Relaxed);
            (last.swap(now, Ordering::Relaxed) == now && now > 0).then_some(())
        })
        .await;
        let last = last.into_inner();
        assert!(last < 32 << 20, "{last} bytes are on their way");
        drop(response);
        town.stop().await;
    }
}

/// Through a gateway in this process, beside its caller and its source: what grows is of all three.
async fn pass(mebibytes: usize) -> u64 {
    let (town, _) = town(Http1).await;
    let (sender, body) = channel();
    let response = call(&town, false, post(), "/do/echo", body).await.unwrap();
    let chunk = Bytes::from(vec![1; 1 << 16]);
    let writing = tokio::spawn(async move {
        for _ in 0..mebibytes << 4 {
            sender.send(Frame::data(chunk.clone())).await.unwrap();
        }
    });
    let before = resident();
    let (mut answer, mut got, mut most) = (response.into_body(), 0, 0);
    while let Some(frame) = answer.frame().await {
        got += frame.unwrap().into_data().map_or(0, |data| data.len());
        if got % (1 << 20) < 1 << 14 {
            most = most.max(resident().saturating_sub(before));
        }
    }
    writing.await.unwrap();
    assert_eq!(got, mebibytes << 20);
    town.stop().await;
    most
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        << 10
}

#[tokio::test]
async fn a_body_passes_without_being_kept() {
    let _: Body = empty();
    pass(32).await;
}

#[tokio::test]
#[ignore = "takes minutes; run it alone: cargo test -p loket-tests -- --ignored a_gibibyte"]
async fn a_gibibyte_passes_at_constant_memory() {
    let grown = pass(1024).await;
    assert!(grown < 32 << 20, "{grown} bytes more");
}
