//! The floor of a lookup: a fan-out that asks the same stubs over the same TLS and does nothing else.
//!
//! No identity beyond the handshake, no limits, grants, validation, minimisation, trace or audit:
//! the difference to the gateway is what governance costs. It is a process of its own, so that its
//! time and memory can be read like the gateway's.

use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use clap::Args as ClapArgs;
use futures_util::future::try_join_all;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use loket_sdk::message::REQUEST_ID_HEADER;
use tokio::net::TcpListener;

use crate::connections::Connections;
use crate::floor;
use crate::plan::Protocol;
use crate::stub::AGENCIES;
use crate::tls::Tls;
use crate::town::Files;

/// What the measuring process passes on.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[arg(long)]
    dir: PathBuf,
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Over HTTP/1.1 so many connections to each, over HTTP/2 one
    #[arg(long)]
    http1: Option<usize>,
    #[arg(long)]
    source: Vec<SocketAddr>,
}

/// Serves until it is killed; says where on the first line.
///
/// # Errors
/// When it can't start.
pub(crate) async fn run(args: Args, out: &mut dyn Write) -> anyhow::Result<()> {
    let tls = Files::new(args.dir.clone()).gateway_tls()?;
    let sources = Arc::new(connect(&args, &tls).await?);
    let listener = TcpListener::bind(args.listen).await?;
    writeln!(out, "listening {}", listener.local_addr()?)?;
    out.flush()?;
    let serve = move |request| respond(request, sources.clone());
    floor::serve(listener, tls.server()?, serve).await
}

async fn connect(args: &Args, tls: &Tls) -> anyhow::Result<Vec<Connections>> {
    let (protocol, count) = match args.http1 {
        Some(count) => (Protocol::H1, count),
        None => (Protocol::H2, 1),
    };
    let sources = args.source.iter();
    try_join_all(sources.map(|address| Connections::open(*address, tls, protocol, count))).await
}

async fn respond(
    request: Request<Incoming>,
    sources: Arc<Vec<Connections>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let answer = fan_out(request, &sources).await;
    Ok(answer.unwrap_or_else(|_| {
        let mut failed = Response::new(Full::default());
        *failed.status_mut() = StatusCode::BAD_GATEWAY;
        failed
    }))
}

async fn fan_out(
    request: Request<Incoming>,
    sources: &[Connections],
) -> anyhow::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let id = head.headers.get(REQUEST_ID_HEADER);
    let asked = sources.iter().zip(&AGENCIES).map(async |(source, agency)| {
        let mut request = Request::post(format!("https://localhost/v1/records/{}", agency.record))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.clone()))?;
        if let Some(id) = id {
            let headers = request.headers_mut();
            headers.insert(REQUEST_ID_HEADER, id.clone());
        }
        source
            .send(0, request, async |response| {
                Ok(response.into_body().collect().await?.to_bytes())
            })
            .await
    });
    let parts = try_join_all(asked).await?;
    let mut whole = BytesMut::new();
    whole.put_slice(br#"{"overall":"complete","results":["#);
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            whole.put_u8(b',');
        }
        whole.put(part);
    }
    whole.put_slice(b"]}");
    let mut response = Response::new(Full::new(whole.freeze()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}
