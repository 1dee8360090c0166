//! Bytes of a connection into the HTTP stack of the listener, over a pipe in memory.
//!
//! The first byte says in how small pieces the rest arrives. Time is paused: a wait for a peer that
//! says no more ends at once, and a connection that never ends is found.

use std::convert::Infallible;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use libfuzzer_sys::Corpus;
use loket_gateway::config::{Limits, Listener};
use loket_gateway::listener;
use loket_gateway::refusal::Refusal;
use loket_gateway::reply::{self, Body};
use loket_gateway::request::{Operation, Unread, Wanted, head};
use loket_gateway::validate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No connection that says nothing more may live so long.
const LONGEST: Duration = Duration::from_secs(3_600);

/// HTTP/1.1.
pub(crate) fn one(data: &[u8]) -> Corpus {
    let said = connection(data, &[], false);
    assert!(said.is_empty() || said.starts_with(b"HTTP/1."));
    Corpus::Keep
}

/// HTTP/2; with an odd first byte the client preface is set before the bytes.
pub(crate) fn two(data: &[u8]) -> Corpus {
    let odd = data.first().is_some_and(|first| first % 2 == 1);
    connection(data, if odd { PREFACE } else { &[] }, true);
    Corpus::Keep
}

fn connection(data: &[u8], before: &[u8], http2: bool) -> Vec<u8> {
    let Some((piece, data)) = data.split_first() else {
        return Vec::new();
    };
    let piece = if *piece < 0x80 {
        usize::MAX
    } else {
        usize::from(piece & 0x7f) + 1
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    runtime.block_on(async move {
        let (mut reading, mut writing) = tokio::io::split(ours);
        let client = async move {
            let pieces = data.chunks(piece.min(data.len().max(1)));
            for bytes in [before].into_iter().chain(pieces) {
                if writing.write_all(bytes).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let _ = writing.shutdown().await;
        };
        let hearing = async move {
            let mut said = Vec::new();
            let _ = reading.read_to_end(&mut said).await;
            said
        };
        let all = async { tokio::join!(serve(theirs, http2), client, hearing).2 };
        let said = tokio::time::timeout(LONGEST, all).await;
        said.expect("the connection ends")
    })
}

/// As the listener does, its strict reading of HTTP/1 included.
async fn serve(stream: tokio::io::DuplexStream, http2: bool) {
    let settings = Listener::at(([127, 0, 0, 1], 0).into());
    // How it ended is the peer's affair.
    let _ = listener::converse(stream, http2, service_fn(reply), &settings).await;
}

async fn reply(request: Request<Incoming>) -> Result<::http::Response<Body>, Infallible> {
    let (parts, body) = request.into_parts();
    let mut body = Unread {
        body: Some(body),
        limits: limits(),
    };
    let outcome = walk(&parts, &mut body).await;
    Ok(match outcome {
        Ok(()) => reply::document(&serde_json::json!({}), ""),
        Err(refusal) => {
            crate::lookup::refused(&refusal);
            body.drain().await;
            reply::refusal(&refusal, "")
        }
    })
}

async fn walk(parts: &::http::request::Parts, body: &mut Unread) -> Result<(), Refusal> {
    head::clear(parts)?;
    match Operation::of(parts)? {
        Operation::Lookup => {
            Wanted::of(&parts.headers)?;
            let bytes = body.read(&parts.headers).await?;
            validate::lookup(&bytes).map(drop)
        }
        _ => Ok(()),
    }
}

fn limits() -> Limits {
    Limits {
        body_timeout: Duration::from_secs(10),
        ..Limits::default()
    }
}
