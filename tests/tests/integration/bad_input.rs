//! Bad input at every door: a clear answer or a closed connection, nothing leaked, nothing lost,
//! still serving.

mod raw;

use std::time::Duration;

use loket_sdk::problem::Problem;
use loket_tests::town::eventually;
use loket_tests::{Ask, BAGAS, Town, TownBuilder, logs};
use serde_json::json;

/// What only bad requests of this file contain; it must not turn up anywhere.
const SECRET: &str = "RAHASIA-SEKALI-7731";

const JSON: (&str, &str) = ("content-type", "application/json");

fn town() -> TownBuilder {
    Town::builder()
        .agencies(&["dukcapil"])
        .limits(|limits| limits.body_timeout = Duration::from_millis(300))
        .listener(|listener| {
            listener.header_timeout = Duration::from_millis(300);
            listener.handshake_timeout = Duration::from_millis(300);
        })
}

/// Still serving, on both protocols, and silent about what came.
async fn is_well(town: &Town) {
    town.answer(&Ask::identity()).await;
    let ask = Ask::identity();
    let counter = town.counter().http2();
    let answer = counter.post("/v1/lookups", ask.document()).await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(!logs::text().contains(SECRET));
    assert!(!town.metrics_text().await.contains(SECRET));
    assert!(!format!("{:?}", town.spans()).contains(SECRET));
    for entry in town.audit_entries() {
        assert!(!entry.to_string().contains(SECRET));
    }
    let in_flight = async || {
        let active = town.metric("http_server_active_requests", &[]).await;
        (active == 0.0).then_some(())
    };
    eventually("no request left", in_flight).await;
}

/// The body is refused with this status on both protocols, each place told without its value.
async fn check(body: impl Into<Vec<u8>>, status: u16) {
    let (town, body) = (town().start().await, body.into());
    for counter in [town.counter(), town.counter().http2()] {
        let sent = counter
            .send("POST", "/v1/lookups", &[JSON], body.clone())
            .await;
        let answer = sent.unwrap();
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert_eq!(answer.status.as_u16(), status, "{text}");
        assert!(!text.contains(SECRET) && !text.contains(BAGAS), "{text}");
        assert!(!answer.json::<Problem>().detail.is_empty());
    }
    assert_eq!(town.audit_entries_of("refusal", 2).await.len(), 2);
    is_well(&town).await;
    town.stop().await;
}

#[tokio::test]
async fn not_json() {
    check(format!("<lookup>{SECRET}</lookup>"), 400).await;
    check(format!("{} {SECRET}", Ask::identity().text()), 400).await;
    check(format!("{{\"{SECRET}\":"), 400).await;
    check("NaN", 400).await;
}

#[tokio::test]
async fn not_utf8() {
    let mut body = Ask::identity()
        .with("/clerk", json!(SECRET))
        .text()
        .into_bytes();
    let at = body.len() - 3;
    body[at] = 0xff;
    check(body, 400).await;
    let utf16: Vec<u8> = SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check(utf16, 400).await;
    // A lone surrogate is no character.
    check(format!("{{\"a\":\"\\ud800{SECRET}\"}}"), 400).await;
    check(format!("\u{feff}{{\"a\":\"{SECRET}\"}}"), 400).await;
}

#[tokio::test]
async fn the_same_key_twice() {
    let text = Ask::identity().text();
    let twice = text.replacen("{\"", &format!("{{\"clerk\":\"{SECRET}\",\""), 1);
    check(twice, 400).await;
    // Deep inside, and spelled differently.
    let subject =
        format!("{{\"scheme\":\"nik\",\"value\":\"{BAGAS}\",\"\\u0076alue\":\"{SECRET}\"}}");
    let text = Ask::identity().with("/subject", json!("HERE")).text();
    check(text.replace("\"HERE\"", &subject), 400).await;
}

#[tokio::test]
async fn too_deep() {
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    check(deep, 400).await;
    let objects = format!("{{\"{SECRET}\":").repeat(2_000);
    check(objects, 400).await;
}

#[tokio::test]
async fn too_much() {
    check(format!("\"{}\"", SECRET.repeat(10_000)), 413).await;
    check(
        Ask::identity()
            .with("/case_id", json!(SECRET.repeat(100)))
            .text(),
        422,
    )
    .await;
    check(
        Ask::identity()
            .with("/subject/value", json!(SECRET.repeat(100)))
            .text(),
        422,
    )
    .await;
    let many: Vec<_> = (0..500)
        .map(|_| json!({"record": "person-identity/1"}))
        .collect();
    check(Ask::identity().with("/records", json!(many)).text(), 422).await;
}

#[tokio::test]
async fn not_a_lookup() {
    for document in [
        json!(null),
        json!([]),
        json!(SECRET),
        json!(1e300),
        json!({}),
    ] {
        check(document.to_string(), 422).await;
    }
    let values = [
        json!(null),
        json!(1),
        json!([SECRET]),
        json!({"a": SECRET}),
        json!(""),
        json!(SECRET),
    ];
    let members = [
        "/request_id",
        "/purpose",
        "/legal_basis",
        "/subject",
        "/records",
        "/deadline_ms",
    ];
    let town = town().start().await;
    for member in members {
        for value in &values {
            let answer = town.ask(&Ask::identity().with(member, value.clone())).await;
            assert_eq!(answer.status, 422, "{member} {value}");
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            assert!(!text.contains(SECRET), "{text}");
            let problem: Problem = answer.json();
            let told = problem
                .errors
                .iter()
                .any(|error| error.pointer.starts_with(member));
            assert!(told, "{member} {value}: {:?}", problem.errors);
        }
    }
    is_well(&town).await;
    town.stop().await;
}

/// Paths aren't words of ours: they are neither found nor repeated.
#[tokio::test]
async fn strange_paths() {
    let town = town().start().await;
    let paths = [
        "/v1/lookups/../catalogue",
        "/v1//catalogue",
        "/v1/catalogue/",
        "/V1/catalogue",
        "/v1/%63atalogue",
        "/v1/schemas/..%2f..%2fetc/1",
        "/v1/schemas/person-identity/+1",
        "/v1/schemas/person-identity/01",
        "/v1/schemas/person-identity/99999999999",
        "/v1/RAHASIA-SEKALI-7731",
        "/v1/lookups/3510161405889901",
        "*",
    ];
    for path in paths {
        let sent = town.counter().send("OPTIONS", path, &[], "").await;
        let answer = sent.unwrap();
        assert!(
            [404, 405].contains(&answer.status.as_u16()),
            "{path} {}",
            answer.status
        );
        assert!(!String::from_utf8_lossy(&answer.body).contains("RAHASIA"));
    }
    let spans = format!("{:?}", town.spans());
    assert!(!spans.contains(BAGAS), "a number in a path is no span's");
    let query = town
        .counter()
        .get(&format!("/v1/catalogue?nik={BAGAS}"))
        .await;
    assert_eq!(query.unwrap().status, 200);
    assert!(!format!("{:?}", town.spans()).contains(BAGAS));
    assert!(!logs::text().contains(BAGAS));
    town.stop().await;
}
