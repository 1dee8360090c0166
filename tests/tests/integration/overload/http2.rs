//! HTTP/2 that costs the sender little and the gateway much: it ends with that connection, and
//! others' are served all the while.

use std::time::Duration;

use loket_sdk::testing::Fault;
use loket_tests::{Ask, Town};

use super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, Heard, PING, PRIORITY,
    RST_STREAM, Raw, SETTINGS, WINDOW_UPDATE, field, frame, get, post,
};
use super::{OTHER, ended, metric, other, town};

const ENHANCE_YOUR_CALM: u32 = 11;
const REFUSED_STREAM: u32 = 7;
const INITIAL_WINDOW_SIZE: u16 = 4;

async fn two_members() -> Town {
    town().member(OTHER, "counter", Vec::new()).start().await
}

/// Sends frames until there were so many or nobody takes them any more; somebody else asks all the
/// while on a connection of their own.
async fn flood(town: &Town, count: u32, each: impl Fn(u32) -> Vec<u8>) -> (Raw, u32) {
    let mut raw = Raw::connect(town, &[]).await;
    let mut bystander = other(town).http2().connect().await.unwrap();
    let flooding = async {
        for first in (0..count).step_by(64) {
            let frames: Vec<u8> = (first..first + 64).flat_map(&each).collect();
            if !raw.send(&frames).await {
                return first;
            }
        }
        count
    };
    let asking = async {
        for _ in 0..20 {
            let asking = bystander.send("GET", "/v1/catalogue", &[], "");
            let answer = tokio::time::timeout(Duration::from_secs(10), asking).await;
            assert_eq!(answer.expect("in time").unwrap().status, 200);
        }
    };
    let (sent, ()) = tokio::join!(flooding, asking);
    (raw, sent)
}

fn stream(n: u32) -> u32 {
    2 * n + 1
}

fn lookup() -> Vec<u8> {
    let json = field("content-type", "application/json");
    [post("/v1/lookups"), json].concat()
}

fn is_over(heard: &Heard) -> bool {
    heard.closed
}

/// A connection that sends this is left with a word, and others are served.
async fn is_told_to_calm_down(each: impl Fn(u32) -> Vec<u8>) {
    let town = two_members().await;
    let (mut raw, _) = flood(&town, 20_000, each).await;
    let heard = raw.until("it is left", is_over).await;
    assert_eq!(heard.goaway, Some(ENHANCE_YOUR_CALM), "{heard:?}");
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

/// As of CVE-2023-44487.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_taken_back_at_once() {
    let block = get("/v1/catalogue");
    let each = |n: u32| {
        let headers = frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &block);
        let reset = frame(RST_STREAM, 0, stream(n), &[0, 0, 0, 8]);
        [headers, reset].concat()
    };
    is_told_to_calm_down(each).await;
}

/// Requests that make the gateway take them back, as of CVE-2025-8671: a window that is too large.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_the_gateway_has_to_reset() {
    let block = get("/v1/catalogue");
    let each = |n: u32| {
        let headers = frame(HEADERS, END_HEADERS, stream(n), &block);
        let window = frame(WINDOW_UPDATE, 0, stream(n), &[0x7f, 0xff, 0xff, 0xff]);
        [headers, window].concat()
    };
    is_told_to_calm_down(each).await;
}

/// Frames that ask for nothing: whether they are borne or not, nobody else waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_ask_for_nothing() {
    let town = two_members().await;
    let setting = [0, 4, 0, 1, 0, 0];
    let cases: [(&str, Vec<u8>); 5] = [
        ("pings", frame(PING, 0, 0, &[7; 8])),
        ("settings", frame(SETTINGS, 0, 0, &setting)),
        ("priorities", frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 1])),
        ("unknown", frame(0xfa, 0, 0, &[0; 64])),
        ("windows", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
    ];
    for (case, bytes) in cases {
        let (mut raw, sent) = flood(&town, 20_000, |_| bytes.clone()).await;
        assert!(sent > 0, "{case}");
        // Whoever is left is left with a word; who isn't, is served.
        let last = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/v1/catalogue"));
        raw.send(&last).await;
        raw.until(case, |heard| {
            heard.goaway.is_some() || heard.whole.contains(&1)
        })
        .await;
    }
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

/// A head that doesn't end, in frames that are each allowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_without_end() {
    let town = two_members().await;
    let block = get("/v1/catalogue");
    for part in [Vec::new(), field("x-more", &"x".repeat(1000))] {
        let each = |n: u32| match n {
            0 => frame(HEADERS, END_STREAM, 1, &block),
            _ => frame(CONTINUATION, 0, 1, &part),
        };
        let (mut raw, sent) = flood(&town, 50_000, each).await;
        raw.until("it is left", is_over).await;
        assert!(sent < 50_000, "{sent}");
    }
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

/// A head over the limit costs its own request, and the connection goes on.
#[tokio::test]
async fn a_head_over_the_limit() {
    let town = two_members().await;
    let mut raw = Raw::connect(&town, &[]).await;
    let large = [get("/v1/catalogue"), field("x", &"x".repeat(15_000))].concat();
    let more = field("y", &"y".repeat(2_000));
    raw.send(&frame(HEADERS, END_STREAM, 1, &large)).await;
    raw.send(&frame(CONTINUATION, END_HEADERS, 1, &more)).await;
    let block = get("/v1/catalogue");
    raw.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &block))
        .await;
    let heard = raw
        .until("the other is answered", |heard| heard.whole.contains(&3))
        .await;
    assert!(heard.whole.contains(&1) && heard.goaway.is_none());
    town.stop().await;
}

/// More requests at once than were agreed: those are refused, so that they may be asked again, and
/// the others are answered.
#[tokio::test]
async fn more_streams_than_agreed() {
    let town = town()
        .each_asked()
        .listener(|listener| listener.max_streams = 8)
        .start()
        .await;
    let mut raw = Raw::connect(&town, &[]).await;
    // Settings first, or the limit isn't known.
    raw.until("settings", |heard| heard.frames.contains_key(&SETTINGS))
        .await;
    let block = lookup();
    for n in 0..12 {
        raw.send(&frame(HEADERS, END_HEADERS, stream(n), &block))
            .await;
    }
    let heard = raw
        .until("four are refused", |heard| heard.resets.len() == 4)
        .await;
    for n in 8..12 {
        assert_eq!(heard.resets.get(&stream(n)), Some(&REFUSED_STREAM));
    }
    let ask = Ask::identity().text();
    for n in 0..8 {
        raw.send(&frame(DATA, END_STREAM, stream(n), ask.as_bytes()))
            .await;
    }
    raw.until("eight are answered", |heard| heard.whole.len() == 8)
        .await;
    town.stop().await;
}

/// A peer that goes away gets what it asked before, and then the connection ends.
#[tokio::test]
async fn a_peer_that_goes_away() {
    let town = two_members().await;
    town.agency("dukcapil").set_fault(Fault::Hang);
    let mut raw = Raw::connect(&town, &[]).await;
    raw.send(&frame(HEADERS, END_HEADERS, 1, &lookup())).await;
    let ask = Ask::identity().within_ms(900).text();
    raw.send(&frame(DATA, END_STREAM, 1, ask.as_bytes())).await;
    town.agency("dukcapil").asked(1).await;
    raw.send(&frame(GOAWAY, 0, 0, &[0; 8])).await;
    let heard = raw.until("it ends", is_over).await;
    assert!(heard.whole.contains(&1), "{heard:?}");
    metric(&town, "loket_connections_open", &[], 0.0).await;
    town.stop().await;
}

/// A peer that reads everything and grants its answers no window, or a byte of it, holds them no
/// longer than one that doesn't read.
#[tokio::test]
async fn a_peer_that_grants_no_window() {
    let town = town()
        .listener(|listener| listener.write_timeout = Duration::from_millis(300))
        .start()
        .await;
    for (window, left) in [(0, 1.0), (1, 2.0)] {
        let mut raw = Raw::connect(&town, &[(INITIAL_WINDOW_SIZE, window)]).await;
        let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/openapi.json"));
        raw.send(&request).await;
        let asked = |heard: &Heard| heard.frames.contains_key(&HEADERS);
        raw.until("a head", asked).await;
        ended(&town, "slow_reader", left).await;
        raw.until("it is left", is_over).await;
    }
    // One who takes a little now and then is served to the end.
    let mut raw = Raw::connect(&town, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get("/v1/catalogue"));
    raw.send(&request).await;
    raw.send(&frame(WINDOW_UPDATE, 0, 1, &[0, 1, 0, 0])).await;
    raw.until("an answer", |heard| heard.whole.contains(&1))
        .await;
    town.answer(&Ask::identity()).await;
    town.stop().await;
}
