use super::gateway::{Gateway, Reply, answer, lookup, person};
use crate::client::{Client, Error};
use crate::problem::Code;
use crate::testing::Ca;

fn good() -> Reply {
    Reply::json(&answer(vec![person()]))
}

/// Sends one lookup; gives how often the gateway was asked and the error's code.
#[track_caller]
fn outcome(gateway: &Gateway, result: Result<(), Error>) -> (usize, String) {
    let code = result.map_or_else(|error| error.code().to_owned(), |()| "answered".to_owned());
    (gateway.requests(), code)
}

async fn check(script: Vec<Reply>, requests: usize, code: &str) {
    let gateway = Gateway::with(script).await;
    let result = lookup(&gateway.client()).send().await.map(drop);
    assert_eq!(outcome(&gateway, result), (requests, code.to_owned()));
    let bodies: Vec<_> = gateway.seen().into_iter().map(|seen| seen.body).collect();
    assert!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "the same to the byte"
    );
}

#[tokio::test]
async fn what_may_be_sent_again_is_sent_again() {
    check(
        vec![Reply::problem(Code::Overloaded, None), good()],
        2,
        "answered",
    )
    .await;
    check(
        vec![Reply::problem(Code::RateLimited, Some("0")), good()],
        2,
        "answered",
    )
    .await;
    check(
        vec![Reply::problem(Code::RequestInProgress, Some("0")), good()],
        2,
        "answered",
    )
    .await;
    check(vec![Reply::Close, good()], 2, "answered").await;
}

#[tokio::test]
async fn at_most_twice() {
    let busy = || Reply::problem(Code::Draining, Some("0"));
    check(vec![busy(), busy(), busy()], 3, "draining").await;
    check(vec![Reply::Close, Reply::Close, Reply::Close], 3, "connect").await;
}

#[tokio::test]
async fn what_may_not_is_not() {
    check(vec![Reply::problem(Code::Internal, None)], 1, "internal").await;
    check(
        vec![Reply::problem(Code::SourceTimeout, None)],
        1,
        "source_timeout",
    )
    .await;
    check(
        vec![Reply::problem(Code::RequestIdReused, None)],
        1,
        "request_id_reused",
    )
    .await;
    // Longer than the client waits, than the deadline allows, or than it can tell.
    check(
        vec![Reply::problem(Code::RateLimited, Some("60"))],
        1,
        "rate_limited",
    )
    .await;
    check(
        vec![Reply::problem(Code::RateLimited, Some("5"))],
        1,
        "rate_limited",
    )
    .await;
    let date = "Tue, 24 Nov 2026 07:00:00 GMT";
    check(
        vec![Reply::problem(Code::RateLimited, Some(date))],
        1,
        "rate_limited",
    )
    .await;
    let cut = Reply::Cut("application/json", vec!["{".into()]);
    check(vec![cut], 1, "incomplete").await;
}

#[tokio::test]
async fn a_stream_is_asked_for_again_only_before_it_begins() {
    let stream = Reply::events("event: done\ndata: {}\n\n");
    let gateway = Gateway::http1([Reply::problem(Code::Overloaded, None), stream]).await;
    let error = lookup(&gateway.client())
        .stream()
        .await
        .unwrap()
        .finish()
        .await
        .unwrap_err();
    assert_eq!(error.code(), "protocol");
    assert_eq!(gateway.requests(), 2);
}

#[tokio::test]
async fn none_is_none() {
    let gateway = Gateway::with([Reply::problem(Code::Overloaded, None)]).await;
    let leaf = gateway.ca.system("mpp", "counter");
    let client = gateway.builder(&leaf).retries(0).build().unwrap();
    let result = lookup(&client).send().await.map(drop);
    assert_eq!(outcome(&gateway, result), (1, "overloaded".to_owned()));
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_a_connect_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let ca = Ca::new("loket.example");
    let client = Client::builder()
        .url(format!("https://127.0.0.1:{port}"))
        .mutual_tls(ca.system("mpp", "counter").mutual_tls())
        .build()
        .unwrap();
    let error = lookup(&client).send().await.unwrap_err();
    assert_eq!(error.code(), "connect");
    assert!(error.is_retryable());
    assert!(
        error.to_string().contains("the connection was refused"),
        "{error}"
    );
    assert_eq!(error.trace_id().len(), 32);
}

/// What is sent again has the same key, and no two lookups share one, unless somebody gave the secret.
#[tokio::test]
async fn a_lookup_has_a_replay_key_of_its_own() {
    let mut script = vec![Reply::problem(Code::Overloaded, Some("0"))];
    script.extend((0..4).map(|_| good()));
    let gateway = Gateway::with(script).await;
    let leaf = gateway.ca.system("mpp", "counter");
    let secret = || gateway.builder(&leaf).replay_secret(vec![7; 32]);
    let asked = lookup(&gateway.client()).build().unwrap();
    let mut keys = Vec::new();
    for client in [
        gateway.client(),
        gateway.client(),
        secret().build().unwrap(),
        secret().build().unwrap(),
    ] {
        let _ = client.send(&asked).await;
    }
    for seen in gateway.seen() {
        let key = &seen.headers[crate::message::REPLAY_KEY_HEADER];
        assert_eq!(key.len(), 44);
        keys.push(key.clone());
    }
    assert_eq!(keys.len(), 5);
    assert_eq!(keys[0], keys[1]);
    assert_ne!(keys[1], keys[2]);
    assert_eq!(keys[3], keys[4]);
    let _ = secret()
        .build()
        .unwrap()
        .send(&lookup(&gateway.client()).build().unwrap())
        .await;
    let other = gateway.seen().remove(0);
    assert_ne!(other.headers[crate::message::REPLAY_KEY_HEADER], keys[4]);
}

#[test]
fn a_short_replay_secret_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("replay.secret");
    std::fs::write(&file, format!(" {} \n", "x".repeat(31))).unwrap();
    let ca = Ca::new("loket.example");
    let builder = || {
        let tls = ca.system("mpp", "counter").mutual_tls();
        Client::builder().url("https://localhost").mutual_tls(tls)
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _within = runtime.enter();
    for (builder, words) in [
        (builder().replay_secret_file(&file), "less than 32 bytes"),
        (builder().replay_secret(vec![0; 31]), "less than 32 bytes"),
        (builder().replay_secret_file("/nowhere"), "can't be read"),
    ] {
        let error = builder.build().unwrap_err();
        assert_eq!(error.code(), "usage");
        assert!(error.to_string().contains(words), "{error}");
    }
    std::fs::write(&file, "x".repeat(32)).unwrap();
    builder().replay_secret_file(&file).build().unwrap();
}
