//! Calls that break off, stand still or find nobody, on either side.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Frame;
use loket_gateway::directory::Protocol::{Http1, Http2};
use loket_tests::town::eventually;

use super::backend::{broken, call, channel, empty, town, with};
use super::{get, post, problem, whole};

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
            let entries = eventually("both calls on record", async || {
                Some(town.audit_entries()).filter(|entries| entries.len() >= 2)
            })
            .await;
            assert!(entries.iter().all(|entry| entry["kind"] != "call"));
            town.stop().await;
            // A request that is taken back at once may never come before the service.
            let ends = seen.ends.lock().unwrap();
            let cut = ends.iter().all(|end| *end == "cut");
            assert!(cut && ends.len() <= 2, "{http2} {theirs:?}: {ends:?}");
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
