//! Bytes that are no HTTP as agreed, or no TLS.

use loket_sdk::testing::FakeCounter;
use loket_tests::Ask;

use super::{SECRET, is_well, town};

const HEAD: &str =
    "POST /v1/lookups HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";

/// Raw bytes over HTTP/1.1: the first line of what comes back, if anything does.
async fn raw(counter: &FakeCounter, bytes: &[u8]) -> String {
    match counter.send_bytes(bytes).await {
        Ok(answer) => {
            let text = String::from_utf8_lossy(&answer);
            text.lines().next().unwrap_or_default().to_owned()
        }
        Err(_) => String::new(),
    }
}

#[tokio::test]
async fn what_isnt_http() {
    let town = town().start().await;
    let body = Ask::identity().text();
    let length = body.len();
    let cases: Vec<(String, &[&str])> = vec![
        (format!("{SECRET}\r\n\r\n"), &["400"]),
        (format!("GET /{SECRET}"), &["408", ""]),
        (
            format!("{HEAD}content-length: 10, 20\r\n\r\n{SECRET}"),
            &["400"],
        ),
        (
            format!("{HEAD}content-length: -1\r\n\r\n{SECRET}"),
            &["400"],
        ),
        (
            format!("{HEAD}content-length: 5\r\ncontent-length: 6\r\n\r\n{SECRET}"),
            &["400"],
        ),
        (
            format!("{HEAD}transfer-encoding: gzip\r\n\r\n{SECRET}"),
            &["400"],
        ),
        (
            format!("{HEAD}transfer-encoding: chunked\r\n\r\nzz\r\n{SECRET}\r\n"),
            &["400"],
        ),
        (
            format!("{HEAD} folded: {SECRET}\r\ncontent-length: 0\r\n\r\n"),
            &["400"],
        ),
        (
            format!("{HEAD}{SECRET} : x\r\ncontent-length: 0\r\n\r\n"),
            &["400"],
        ),
        (
            format!("{HEAD}x\0y: z\r\ncontent-length: 0\r\n\r\n"),
            &["400"],
        ),
        (
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            &["", "400", "505"],
        ),
        (
            format!("GET /v1/catalogue HTTP/1.1\r\n\r\n{SECRET}"),
            &["200", "400"],
        ),
        // The body never comes, or never ends: 408, or cut.
        (format!("{HEAD}content-length: {length}\r\n\r\n"), &["408"]),
        (
            format!(
                "{HEAD}content-length: {length}\r\n\r\n{}",
                &body[..length - 1]
            ),
            &["408"],
        ),
        (
            format!("{HEAD}transfer-encoding: chunked\r\n\r\n5\r\n{{\"a\":\r\n"),
            &["408"],
        ),
        (
            format!("{HEAD}expect: 100-continue\r\ncontent-length: {length}\r\n\r\n"),
            &["100", "408"],
        ),
    ];
    for (bytes, expected) in cases {
        let line = raw(&town.counter(), bytes.as_bytes()).await;
        let status = line.split(' ').nth(1).unwrap_or_default();
        assert!(expected.contains(&status), "{bytes:?}: {line}");
    }
    is_well(&town).await;
    town.stop().await;
}

/// What the parser would mend and another recipient read differently: 400, and nothing behind it is
/// read as a request.
#[tokio::test]
async fn what_two_would_read_differently() {
    let town = town().start().await;
    let get = "GET /v1/catalogue HTTP/1.1\r\nhost: localhost\r\n";
    let body = "0\r\n\r\n";
    let cases = [
        format!("{HEAD}transfer-encoding: chunked, chunked\r\n\r\n{body}"),
        format!("{HEAD}transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n{body}"),
        format!("{HEAD}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{body}"),
        format!("{HEAD}content-length: 0\r\ncontent-length: 0\r\n\r\n"),
        "GET /v1/catalogue HTTP/1.1\nhost: localhost\n\n".to_owned(),
        format!("{get}x: y\n\r\n"),
        format!("{get} folded\r\n\r\n"),
        format!("{get}x : y\r\n\r\n"),
        format!("{get}host: localhost\r\n\r\n"),
        format!("{get}upgrade: websocket\r\nconnection: upgrade\r\n\r\n"),
        "GET /v1/catalogue HTTP/1.1\r\n\r\n".to_owned(),
        "GET /v1/catalogue HTTP/1.1\r\nhost: lo cal\r\n\r\n".to_owned(),
        "GET /v1/catalogue HTTP/1.1\r\nhost: me@localhost\r\n\r\n".to_owned(),
        "GET https://other/v1/catalogue HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "GET http://localhost/v1/catalogue HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "GET /v1/%00 HTTP/1.1\r\nhost: localhost\r\n\r\n".to_owned(),
        "CONNECT localhost:443 HTTP/1.1\r\nhost: localhost:443\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ];
    for case in cases {
        // `send_bytes` comes back when the connection is closed.
        let bytes = format!("{get}\r\n{case}{get}\r\n");
        let answer = town.counter().send_bytes(bytes.as_bytes()).await.unwrap();
        let text = String::from_utf8_lossy(&answer).into_owned();
        let statuses: Vec<&str> = text
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|part| &part[..3])
            .collect();
        assert_eq!(statuses, ["200", "400"], "{case:?}: {text}");
    }
    is_well(&town).await;
    town.stop().await;
}

/// A body whose chunks go on and on ends at the limit, not at the timeout.
#[tokio::test]
async fn chunks_without_end() {
    let town = town().start().await;
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let bytes = format!(
        "{HEAD}connection: close\r\ntransfer-encoding: chunked\r\n\r\n{}",
        chunk.repeat(40)
    );
    let line = raw(&town.counter(), bytes.as_bytes()).await;
    assert!(line.contains(" 413 ") || line.is_empty(), "{line}");
    is_well(&town).await;
    town.stop().await;
}

/// One good request, then garbage on the same connection: the first is answered.
#[tokio::test]
async fn garbage_after_a_good_request() {
    let town = town().start().await;
    let body = Ask::identity().text();
    let bytes = format!(
        "{HEAD}content-length: {}\r\n\r\n{body}{SECRET}\r\n\r\n",
        body.len()
    );
    let answer = town.counter().send_bytes(bytes.as_bytes()).await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert!(!text.contains(SECRET));
    is_well(&town).await;
    town.stop().await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let town = town().start().await;
    let get =
        |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n");
    let bytes = get("/openapi.json", "")
        + &get("/nothing", "")
        + &get("/v1/catalogue", "connection: close\r\n");
    let answer = town.counter().send_bytes(bytes.as_bytes()).await.unwrap();
    let text = String::from_utf8_lossy(&answer).into_owned();
    let statuses: Vec<&str> = text
        .split("HTTP/1.1 ")
        .skip(1)
        .map(|part| &part[..3])
        .collect();
    assert_eq!(statuses, ["200", "404", "200"]);
    town.stop().await;
}

#[tokio::test]
async fn an_old_client() {
    let town = town().start().await;
    let body = Ask::identity().text();
    let head = "POST /v1/lookups HTTP/1.0\r\ncontent-type: application/json\r\n";
    let bytes = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    let answer = town.counter().send_bytes(bytes.as_bytes()).await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.0 200"), "{text}");
    assert!(!text.to_lowercase().contains("transfer-encoding"), "{text}");
    town.stop().await;
}

/// Bytes that aren't TLS, or no bytes at all, cost a connection and nothing else.
#[tokio::test]
async fn what_isnt_tls() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let town = town().start().await;
    let silence = tokio::net::TcpStream::connect(town.address())
        .await
        .unwrap();
    for bytes in [
        format!("GET /{SECRET} HTTP/1.1\r\n\r\n").into_bytes(),
        vec![0x16, 3, 1, 0xff, 0xff],
        vec![0; 5000],
    ] {
        let mut stream = tokio::net::TcpStream::connect(town.address())
            .await
            .unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        // Closed, whether well or by a reset.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!String::from_utf8_lossy(&answer).contains("HTTP"));
    }
    let mut silence = silence;
    let mut nothing = Vec::new();
    let _ = silence.read_to_end(&mut nothing).await;
    is_well(&town).await;
    town.stop().await;
}
