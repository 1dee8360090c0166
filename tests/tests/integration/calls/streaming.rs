//! Bodies stream both ways and nothing keeps them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::BodyExt;
use hyper::body::Frame;
use loket_gateway::directory::Protocol::{Http1, Http2};
use loket_tests::town::eventually;

use super::backend::{call, channel, empty, town};
use super::{get, post, sha256};

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
    pass(32).await;
}

#[tokio::test]
#[ignore = "takes minutes; run it alone: cargo test -p loket-tests -- --ignored a_gibibyte"]
async fn a_gibibyte_passes_at_constant_memory() {
    let grown = pass(1024).await;
    assert!(grown < 32 << 20, "{grown} bytes more");
}
