//! A REST service of raw hyper that does what the first segment of the path says, and a client that
//! streams.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::request::Parts;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use loket_gateway::directory::{Backend, GrantState, Parts as Directory, Protocol};
use loket_gateway::directory::{Service, ServiceGrant};
use loket_tests::Town;
use loket_tests::town::MALL;
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// What the service saw.
#[derive(Clone, Default)]
pub(super) struct Seen {
    heads: Arc<Mutex<Vec<Parts>>>,
    /// `whole` or `cut` for each body that was read to its end.
    pub(super) ends: Arc<Mutex<Vec<&'static str>>>,
    /// Bytes handed to the connection by `/pour`.
    pub(super) poured: Arc<AtomicU64>,
    /// What `/unlog-...` takes away before it goes on as `/...`.
    log: PathBuf,
}

impl Seen {
    pub(super) fn count(&self) -> usize {
        self.heads.lock().unwrap().len()
    }

    pub(super) fn last(&self) -> (String, HeaderMap) {
        let heads = self.heads.lock().unwrap();
        let head = heads.last().expect("a call came");
        let path = head.uri.path_and_query().unwrap().as_str().to_owned();
        (path, head.headers.clone())
    }
}

/// A town with one service of `dukcapil` that grants the mall what tests ask for.
pub(super) async fn town(http: Protocol) -> (Town, Seen) {
    with(http, |_, _| {}).await
}

pub(super) async fn with(
    http: Protocol,
    change: impl FnOnce(&mut Service, &mut ServiceGrant),
) -> (Town, Seen) {
    of(http, |parts| {
        change(&mut parts.services[0], &mut parts.service_grants[0]);
    })
    .await
}

/// The same with any directory.
pub(super) async fn of(http: Protocol, change: impl FnOnce(&mut Directory)) -> (Town, Seen) {
    let mut town = Town::builder().agencies(&["dukcapil"]).start().await;
    let seen = Seen {
        log: town.audit_dir(),
        ..Seen::default()
    };
    let address = serve(&town, seen.clone()).await;
    let service = Service {
        agency: "dukcapil".parse().unwrap(),
        service: "population".parse().unwrap(),
        system: "siak".parse().unwrap(),
        backend: Backend {
            endpoints: vec![
                format!("https://localhost:{}/base", address.port())
                    .parse()
                    .unwrap(),
            ],
            protocol: http,
            ..Backend::default()
        },
        first_byte_timeout: Duration::from_secs(20),
        stall_timeout: Duration::from_secs(20),
    };
    let grant = ServiceGrant {
        id: "call-1".into(),
        agreement: "PKS-CONTOH-003".into(),
        consumer: MALL.parse().unwrap(),
        agency: "dukcapil".parse().unwrap(),
        service: "population".parse().unwrap(),
        methods: ["GET", "HEAD", "POST"].map(|it| it.parse().unwrap()).into(),
        paths: ["/people/*/status", "/do/**"]
            .map(|it| it.parse().unwrap())
            .into(),
        daily_quota: None,
        valid_from: "2020-01-01".parse().unwrap(),
        valid_to: "2099-12-31".parse().unwrap(),
        state: GrantState::Active,
        dpia_ref: None,
        signature: None,
        narrowed: None,
    };
    let mut parts = town.parts();
    parts.services = vec![service];
    parts.service_grants = vec![grant];
    change(&mut parts);
    town.settle(parts);
    (town, seen)
}

async fn serve(town: &Town, seen: Seen) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let leaf = town.ca().system("dukcapil", "siak");
    let acceptor = TlsAcceptor::from(Arc::new(leaf.mutual_tls().server().unwrap()));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), seen.clone());
            tokio::spawn(async move {
                let tls = acceptor.accept(stream).await.unwrap();
                let service = service_fn(move |request| answer(seen.clone(), request));
                // The gateway closes its connections as it likes.
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(tls), service)
                    .await;
            });
        }
    });
    address
}

async fn answer(seen: Seen, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let what = path.strip_prefix("/base/do/").unwrap_or("whole");
    let what = match what.strip_prefix("unlog-") {
        Some(rest) => {
            std::fs::remove_dir_all(&seen.log).unwrap();
            rest
        }
        None => what,
    };
    let length = head.headers.get("content-length").cloned();
    seen.heads.lock().unwrap().push(head);
    let mut response = Response::new(empty());
    match what {
        "echo" => {
            let seen = seen.clone();
            match length {
                Some(length) => response.headers_mut().insert("content-length", length),
                None => response
                    .headers_mut()
                    .insert("trailer", "x-sum".parse().unwrap()),
            };
            *response.body_mut() = watched(body, seen);
        }
        "early" => *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE,
        "hang" => std::future::pending().await,
        "cut" => *response.body_mut() = broken(1 << 20),
        "cut-declared" | "cut-small" => {
            let size = if what == "cut-small" { 1000 } else { 4 << 20 };
            response.headers_mut().insert("content-length", size.into());
            *response.body_mut() = broken(size / 2);
        }
        "stall" => {
            let first = stream::iter([data(1 << 17)]).chain(stream::pending());
            *response.body_mut() = BodyExt::boxed_unsync(StreamBody::new(first));
        }
        "pour" => {
            let poured = seen.poured.clone();
            let chunks = stream::repeat_with(move || {
                poured.fetch_add(1 << 16, Ordering::Relaxed);
                data(1 << 16)
            });
            *response.body_mut() = BodyExt::boxed_unsync(StreamBody::new(chunks));
        }
        "nothing" => *response.status_mut() = StatusCode::NO_CONTENT,
        "same" => {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
                .headers_mut()
                .insert("etag", "\"1\"".parse().unwrap());
        }
        "length" => {
            response.headers_mut().insert("content-length", 5.into());
            *response.body_mut() = full("12345");
        }
        _ => {
            let end = body.collect().await;
            let word = if end.is_ok() { "whole" } else { "cut" };
            seen.ends.lock().unwrap().push(word);
            let bytes = end.map(|end| end.to_bytes()).unwrap_or_default();
            *response.body_mut() = full(bytes);
        }
    }
    Ok(response)
}

/// Echoes, and notes how the body ended.
fn watched(body: Incoming, seen: Seen) -> Body {
    let frames = stream::unfold(Some(body), move |body| {
        let seen = seen.clone();
        async move {
            let mut body = body?;
            match body.frame().await {
                Some(Ok(frame)) if frame.is_trailers() => {
                    seen.ends.lock().unwrap().push("whole");
                    Some((Ok(frame), None))
                }
                Some(Ok(frame)) => Some((Ok(frame), Some(body))),
                Some(Err(error)) => {
                    seen.ends.lock().unwrap().push("cut");
                    Some((Err(std::io::Error::other(error)), None))
                }
                None => {
                    seen.ends.lock().unwrap().push("whole");
                    None
                }
            }
        }
    });
    BodyExt::boxed_unsync(StreamBody::new(Box::pin(frames)))
}

fn data(size: usize) -> Result<Frame<Bytes>, std::io::Error> {
    Ok(Frame::data(Bytes::from(vec![7; size])))
}

/// So many bytes, and then the connection breaks.
pub(super) fn broken(size: usize) -> Body {
    let first = stream::iter([data(size)]);
    // Not at once: what was written would be thrown away with the rest.
    let rest = stream::once(async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(std::io::Error::other("cut"))
    });
    BodyExt::boxed_unsync(StreamBody::new(Box::pin(first.chain(rest))))
}

pub(super) fn empty() -> Body {
    BodyExt::boxed_unsync(Empty::new().map_err(|never| match never {}))
}

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    BodyExt::boxed_unsync(Full::new(bytes.into()).map_err(|never| match never {}))
}

/// What a test writes into, frame by frame.
pub(super) fn channel() -> (tokio::sync::mpsc::Sender<Frame<Bytes>>, Body) {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Frame<Bytes>>(1);
    let frames = stream::unfold(receiver, async |mut receiver| {
        Some((Ok(receiver.recv().await?), receiver))
    });
    (
        sender,
        BodyExt::boxed_unsync(StreamBody::new(Box::pin(frames))),
    )
}

/// Calls the service as the mall.
pub(super) async fn call(
    town: &Town,
    http2: bool,
    request: http::request::Builder,
    path: &str,
    body: Body,
) -> Result<Response<Incoming>, hyper::Error> {
    let mut tls = town.leaf().mutual_tls().client().unwrap();
    tls.alpn_protocols = vec![if http2 {
        b"h2".to_vec()
    } else {
        b"http/1.1".to_vec()
    }];
    let tcp = TcpStream::connect(town.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let io = TlsConnector::from(Arc::new(tls))
        .connect(name, tcp)
        .await
        .unwrap();
    let io = TokioIo::new(io);
    let path = format!("/v1/services/dukcapil/population{path}");
    if http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(async { drop(connection.await) });
        let request = request
            .uri(format!("https://localhost{path}"))
            .body(body)
            .unwrap();
        return sender.send_request(request).await;
    }
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    tokio::spawn(async { drop(connection.await) });
    let request = request
        .uri(path)
        .header("host", "localhost")
        .body(body)
        .unwrap();
    sender.send_request(request).await
}
