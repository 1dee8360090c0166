//! The floor: a fan-out that asks the same stubs over the same TLS and does nothing else.
//!
//! No identity beyond the handshake, no limits, grants, validation, minimisation, trace or audit:
//! the difference to the gateway is what governance costs. It is a process of its own, so that its
//! time and memory can be read like the gateway's.

use std::convert::Infallible;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use clap::Args as ClapArgs;
use futures_util::future::try_join_all;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use loket_sdk::message::REQUEST_ID_HEADER;
use loket_sdk::tls::MutualTls;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::connections::Connections;
use crate::plan::Protocol;
use crate::stub::AGENCIES;
use crate::town::Files;

/// What the measuring process passes on.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    #[arg(long)]
    dir: PathBuf,
    #[arg(long)]
    source: Vec<SocketAddr>,
}

/// Serves until it is killed; says where on the first line.
///
/// # Errors
/// When it can't start.
pub(crate) async fn run(args: Args, out: &mut dyn Write) -> anyhow::Result<()> {
    let tls = Files::new(args.dir).gateway_tls()?;
    let sources = Arc::new(connect(&args.source, &tls).await?);
    let acceptor = TlsAcceptor::from(Arc::new(tls.server()?));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(out, "listening {}", listener.local_addr()?)?;
    out.flush()?;
    loop {
        let (tcp, _) = listener.accept().await?;
        let (acceptor, sources) = (acceptor.clone(), sources.clone());
        tokio::spawn(async move {
            let _ = tcp.set_nodelay(true);
            let Ok(stream) = acceptor.accept(tcp).await else {
                return;
            };
            let service = service_fn(move |request| respond(request, sources.clone()));
            let mut server = auto::Builder::new(TokioExecutor::new());
            server.http2().max_concurrent_streams(4096);
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn connect(addresses: &[SocketAddr], tls: &MutualTls) -> anyhow::Result<Vec<Connections>> {
    try_join_all(
        addresses
            .iter()
            .map(|address| Connections::open(*address, tls, Protocol::H2, 1)),
    )
    .await
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
