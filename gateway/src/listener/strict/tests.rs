use std::convert::Infallible;
use std::sync::Mutex;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

/// What the parser made of a connection: each request's target and body, and what it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Heard {
    requests: Vec<(String, Option<Bytes>)>,
    statuses: Vec<String>,
}

/// Serves one end of a pipe, which gives so many bytes at a time.
async fn heard(bytes: &[u8], is_strict: bool, piece: usize) -> Heard {
    let (mut peer, ours) = tokio::io::duplex(piece);
    let serving = serve(ours, is_strict);
    let asking = async {
        let (mut reading, mut writing) = tokio::io::split(&mut peer);
        let write = async {
            // It may close before it has taken everything.
            let _ = writing.write_all(bytes).await;
            let _ = writing.shutdown().await;
        };
        let mut answer = Vec::new();
        let (_, read) = tokio::join!(write, reading.read_to_end(&mut answer));
        read.unwrap();
        answer
    };
    let (requests, answer) = tokio::join!(serving, asking);
    let statuses = String::from_utf8(answer).unwrap();
    let statuses = statuses.split("HTTP/1.").skip(1);
    Heard {
        requests,
        statuses: statuses.map(|text| text[2..5].to_owned()).collect(),
    }
}

async fn serve(ours: DuplexStream, is_strict: bool) -> Vec<(String, Option<Bytes>)> {
    let requests = Mutex::new(Vec::new());
    let service = service_fn(async |request: Request<Incoming>| {
        let target = request.uri().to_string();
        let body = request.into_body().collect().await;
        let body = body.ok().map(|body| body.to_bytes());
        let status = if body.is_some() { 200 } else { 400 };
        requests.lock().unwrap().push((target, body));
        let mut response = Response::new(Full::new(Bytes::new()));
        *response.status_mut() = status.try_into().unwrap();
        Ok::<_, Infallible>(response)
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .header_read_timeout(None)
        .max_buf_size(8192)
        .half_close(true);
    // Whether it ends well isn't the question.
    if is_strict {
        let timeout = Duration::from_secs(10);
        let ours = Strict::new(ours, 8192, timeout, Arc::new(Life::new()));
        let _ = builder.serve_connection(TokioIo::new(ours), service).await;
    } else {
        let _ = builder.serve_connection(TokioIo::new(ours), service).await;
    }
    requests.into_inner().unwrap()
}

#[track_caller]
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

#[track_caller]
fn check(bytes: &str, targets: &[&str], statuses: &[&str]) {
    for piece in [1, 7, 64, 8192] {
        let heard = block_on(heard(bytes.as_bytes(), true, piece));
        let heard_of: Vec<&str> = heard
            .requests
            .iter()
            .map(|(target, _)| &target[..])
            .collect();
        assert_eq!(heard_of, targets, "{bytes:?} by {piece}");
        assert_eq!(heard.statuses, statuses, "{bytes:?} by {piece}");
    }
}

const GET: &str = "GET /first HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn a_broken_head_is_answered_in_its_turn() {
    check(GET, &["/first"], &["200"]);
    for broken in [
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked, chunked\r\n\r\n",
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc",
        "POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc",
        "GET / HTTP/1.1\nhost: a\n\n",
        "GET / HTTP/1.1\r\nhost: a\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\n",
        "GET / HTTP/1.1\r\nhost: a\r\n folded\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\n",
        "\0",
    ] {
        let broken = format!("{broken}{GET}");
        check(&broken, &[], &["400"]);
        check(&format!("{GET}{broken}"), &["/first"], &["200", "400"]);
        let body = "3\r\nabc\r\n0\r\n\r\n";
        let post = "POST /first HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        check(
            &format!("{post}{body}{broken}"),
            &["/first"],
            &["200", "400"],
        );
    }
}

#[test]
fn a_broken_body_is_told_to_its_reader() {
    let post = "POST /first HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in [
        "3 \r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0;x\n",
        "3\r\nabc\r\n0;x\n\r\n",
        "3\r\nabc\r\n0;\x01\r\n\r\n",
        "3;x\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\nx: y\n\r\n",
        "3\r\nabc\r\n0\r\ncontent-length: 3\r\n\r\n",
        "3\r\nabc\r\n0\r\nhost : a\r\n\r\n",
    ] {
        check(&format!("{post}{body}{GET}"), &["/first"], &["400"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_ends_the_connection() {
    let life = Arc::new(Life::new());
    let (mut peer, ours) = tokio::io::duplex(64);
    let mut strict = Strict::new(ours, 8192, Duration::from_secs(10), life.clone());
    let mut buf = [0; 64];
    // Between requests it waits as long as it takes.
    let between = tokio::time::timeout(Duration::from_secs(1000), strict.read(&mut buf));
    between.await.unwrap_err();
    peer.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    strict.read_exact(&mut buf[..16]).await.unwrap();
    // Bytes that trickle in don't win time.
    for _ in 0..3 {
        let wait = tokio::time::timeout(Duration::from_secs(3), strict.read(&mut buf));
        wait.await.unwrap_err();
        peer.write_all(b"x").await.unwrap();
        strict.read_u8().await.unwrap();
    }
    let error = strict.read(&mut buf).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(life.ending(), Ending::SlowHead);
}

/// The end of one head and the beginning of the next come in one piece.
#[tokio::test(start_paused = true)]
async fn each_head_has_its_own_time() {
    let body = "content-length: 3\r\n\r\nabc";
    for end in ["\r\n", body, "\r\nGET /between HTTP/1.1\r\n\r\n"] {
        let (mut peer, ours) = tokio::io::duplex(8192);
        let life = Arc::new(Life::new());
        let mut strict = Strict::new(ours, 8192, Duration::from_secs(10), life.clone());
        let mut buf = [0; 256];
        let began = tokio::time::Instant::now();
        peer.write_all(b"POST / HTTP/1.1\r\n").await.unwrap();
        assert!(strict.read(&mut buf).await.unwrap() > 0);
        let wait = tokio::time::timeout(Duration::from_secs(8), strict.read(&mut buf));
        wait.await.unwrap_err();
        let next = format!("{end}GET /next HTTP/1.1\r\n");
        peer.write_all(next.as_bytes()).await.unwrap();
        assert_eq!(strict.read(&mut buf).await.unwrap(), next.len());
        let error = strict.read(&mut buf).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(life.ending(), Ending::SlowHead);
        assert_eq!(began.elapsed().as_secs(), 18, "{end:?}");
    }
}

/// Requests of pieces that are good, doubtful or wrong, so that many whole ones come about.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop::sample::select(vec![
        "GET /a HTTP/1.1\r\n",
        "POST /b HTTP/1.1\r\n",
        "POST /c HTTP/1.0\r\n",
        "host: a\r\n",
        "content-length: 4\r\n",
        "Content-Length:0\r\n",
        "transfer-encoding: chunked\r\n",
        "transfer-encoding: chunked, chunked\r\n",
        "connection: keep-alive\r\n",
        "expect: 100-continue\r\n",
        "x: y\r\n",
        " z",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        "4\r\n",
        "4;x=y\r\n",
        "0\r\n\r\n",
        "0\r\n",
        "abcd",
        "abcd\r\n",
        ":",
        "\0",
    ]);
    let message = prop::collection::vec(pieces, 1..16);
    message.prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What passes means to the parser what it meant before: not a request more, less or other.
    #[test]
    fn what_passes_is_framed_alike(bytes in requests()) {
        let mut grammar = Grammar::new(8192);
        let passes = grammar.check(&bytes).is_ok();
        block_on(async {
            let plain = heard(&bytes, false, 8192).await;
            let strict = heard(&bytes, true, 8192).await;
            if passes {
                assert_eq!(strict, plain);
            } else {
                // Refused at the latest where the parser does, and nothing new is heard.
                let whole = |heard: &Heard| {
                    let whole = heard.requests.iter().filter(|(_, body)| body.is_some());
                    whole.cloned().collect::<Vec<_>>()
                };
                assert!(whole(&plain).starts_with(&whole(&strict)), "{plain:?} {strict:?}");
            }
        });
    }

    /// Every request that the parser hears ends where the grammar says so.
    #[test]
    fn requests_end_where_the_grammar_says(bytes in requests()) {
        let mut grammar = Grammar::new(8192);
        let mut whole = 0;
        for byte in &bytes {
            let before = grammar.is_in_request();
            if grammar.check(&[*byte]).is_err() {
                break;
            }
            whole += usize::from(before && !grammar.is_in_request());
        }
        let strict = block_on(heard(&bytes, true, 8192));
        let complete = strict.requests.iter().filter(|(_, body)| body.is_some()).count();
        prop_assert!(complete <= whole, "{strict:?} {whole}");
    }
}
