//! A gateway of a few lines: real mutual TLS on loopback, scripted replies.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::claims::Op;
use crate::client::{Client, ClientBuilder, LookupBuilder};
use crate::ids::Nik;
use crate::message::{LegalBasisKind, Purpose};
use crate::problem::{Code, Problem};
use crate::testing::{Ca, Leaf};

type Body = UnsyncBoxBody<Bytes, io::Error>;

/// What the gateway does with one request.
pub(super) enum Reply {
    /// Status, content type, further headers, body chunks.
    Answer(u16, &'static str, Vec<(&'static str, String)>, Vec<Bytes>),
    /// As an answer of 200, but the connection breaks after the chunks.
    Cut(&'static str, Vec<Bytes>),
    /// Chunks, then nothing more; tells when the client has left.
    Open(&'static str, Vec<Bytes>, Option<oneshot::Sender<()>>),
    /// Closes the connection without a word.
    Close,
    /// Never answers.
    Hang,
}

impl Reply {
    pub(super) fn json(document: &Value) -> Self {
        Self::Answer(
            200,
            "application/json",
            vec![],
            vec![document.to_string().into()],
        )
    }

    pub(super) fn problem(code: Code, retry_after: Option<&str>) -> Self {
        let problem = Problem::new(code, "Mend it.", "7".repeat(32));
        let headers = retry_after.map(|value| ("retry-after", value.to_owned()));
        Self::Answer(
            code.status(),
            "application/problem+json; charset=utf-8",
            headers.into_iter().collect(),
            vec![serde_json::to_vec(&problem).unwrap().into()],
        )
    }

    pub(super) fn events(text: &str) -> Self {
        Self::Answer(
            200,
            "text/event-stream",
            vec![],
            vec![Bytes::from(text.to_owned())],
        )
    }
}

/// What the gateway saw of one request.
pub(super) struct Seen {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub version: http::Version,
}

#[derive(Clone)]
pub(super) struct Gateway {
    pub port: u16,
    pub ca: Ca,
    script: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Gateway {
    /// A gateway that accepts the certificates of its own authority, over HTTP/2.
    pub(super) async fn with(script: impl IntoIterator<Item = Reply>) -> Self {
        let ca = Ca::new("loket.example");
        let config = ca.system("gateway", "edge").mutual_tls().server().unwrap();
        Self::start(ca, config, script).await
    }

    /// The same over HTTP/1.1.
    pub(super) async fn http1(script: impl IntoIterator<Item = Reply>) -> Self {
        let ca = Ca::new("loket.example");
        let mut config = ca.system("gateway", "edge").mutual_tls().server().unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self::start(ca, config, script).await
    }

    pub(super) async fn start(
        ca: Ca,
        config: ServerConfig,
        script: impl IntoIterator<Item = Reply>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Self {
            port: listener.local_addr().unwrap().port(),
            ca,
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            seen: Arc::default(),
        };
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let serving = gateway.clone();
        tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let (acceptor, serving) = (acceptor.clone(), serving.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let service = service_fn(move |request| serving.clone().serve(request));
                    // How the connection ends is the client's affair.
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(tls), service)
                        .await;
                });
            }
        });
        gateway
    }

    async fn serve(self, request: Request<Incoming>) -> Result<Response<Body>, io::Error> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        self.seen.lock().unwrap().push(Seen {
            path: head.uri.path().to_owned(),
            headers: head.headers,
            body: body.clone(),
            version: head.version,
        });
        let reply = self
            .script
            .lock()
            .unwrap()
            .pop_front()
            .expect("the script has a reply");
        let request_id = serde_json::from_slice::<Value>(&body)
            .ok()
            .and_then(|body| body["request_id"].as_str().map(str::to_owned))
            .unwrap_or_default();
        let (status, kind, headers, chunks, end) = match reply {
            Reply::Answer(status, kind, headers, chunks) => {
                (status, kind, headers, chunks, End::Whole)
            }
            Reply::Cut(kind, chunks) => (200, kind, vec![], chunks, End::Broken),
            Reply::Open(kind, chunks, left) => {
                (200, kind, vec![], chunks, End::Never(left.map(OnDrop::new)))
            }
            Reply::Close => return Err(io::ErrorKind::ConnectionReset.into()),
            Reply::Hang => std::future::pending().await,
        };
        let mut response = Response::builder()
            .status(status)
            .header("content-type", kind);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        let chunks: Vec<Bytes> = fill(chunks, &request_id);
        Ok(response.body(end.body(chunks)).unwrap())
    }

    pub(super) fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    pub(super) fn builder(&self, leaf: &Leaf) -> ClientBuilder {
        Client::builder()
            .url(format!("https://localhost:{}", self.port))
            .mutual_tls(self.ca.mutual_tls(leaf, None))
    }

    pub(super) fn client(&self) -> Client {
        let leaf = self.ca.system("mpp-banyuwangi", "counter-app");
        self.builder(&leaf).build().unwrap()
    }
}

/// Scripts write `REQUEST_ID` where the request's own id belongs. One chunk, or it would be cut.
fn fill(chunks: Vec<Bytes>, request_id: &str) -> Vec<Bytes> {
    chunks
        .into_iter()
        .map(|chunk| match std::str::from_utf8(&chunk) {
            Ok(text) => text.replace("REQUEST_ID", request_id).into(),
            Err(_) => chunk,
        })
        .collect()
}

enum End {
    Whole,
    Broken,
    Never(Option<OnDrop>),
}

impl End {
    fn body(self, chunks: Vec<Bytes>) -> Body {
        let chunks = stream::iter(chunks.into_iter().map(|chunk| Ok(Frame::data(chunk))));
        match self {
            Self::Whole => StreamBody::new(chunks).boxed_unsync(),
            Self::Broken => {
                let broken = stream::once(async {
                    // Lets what was written before go out first.
                    tokio::task::yield_now().await;
                    Err(io::ErrorKind::ConnectionReset.into())
                });
                StreamBody::new(chunks.chain(broken)).boxed_unsync()
            }
            Self::Never(left) => {
                let open = stream::once(async move {
                    let _left = left;
                    std::future::pending::<Result<Frame<Bytes>, io::Error>>().await
                });
                StreamBody::new(chunks.chain(open)).boxed_unsync()
            }
        }
    }
}

struct OnDrop(Option<oneshot::Sender<()>>);

impl OnDrop {
    fn new(sender: oneshot::Sender<()>) -> Self {
        Self(Some(sender))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(());
        }
    }
}

pub(super) fn lookup(client: &Client) -> LookupBuilder {
    client
        .lookup(Nik::parse("3510161405889901").unwrap())
        .purpose(Purpose::BusinessLicence)
        .case("MPP-3510-000123")
        .by("clk-7f3a", "B07")
        .legal_basis(LegalBasisKind::LegalObligation, "PP 28/2025")
        .record_fields("person-identity/1", ["full_name"])
        .claim(
            "taxpayer/1",
            "registered_name",
            Op::NameMatches,
            "BAGAS CONTOH PRATAMA",
        )
}

pub(super) fn person() -> Value {
    json!({
        "record": "person-identity/1", "version": "1.0",
        "source": {"agency": "dukcapil", "system": "siak"},
        "outcome": "found", "reason": "complete", "as_of": "2026-08-03T00:00:00+07:00",
        "elapsed_ms": 412, "data": {"full_name": "BAGAS CONTOH PRATAMA"},
    })
}

pub(super) fn taxpayer() -> Value {
    json!({
        "record": "taxpayer/1", "version": "1.0",
        "source": {"agency": "djp", "system": "coretax"},
        "outcome": "found", "reason": "complete", "as_of": "2026-10-30T00:00:00+07:00",
        "elapsed_ms": 751,
        "claims": [{"field": "registered_name", "op": "name_matches", "result": "mismatch"}],
    })
}

pub(super) fn answer(results: Vec<Value>) -> Value {
    json!({
        "request_id": "REQUEST_ID", "trace_id": "4".repeat(32),
        "answered_at": "2026-11-24T09:15:04.120+07:00", "overall": "complete",
        "required_missing": [], "results": results, "findings": [],
        "obligations": ["do_not_store"],
        "receipt": {"entry": 1001, "at": "2026-11-24T02:15:04Z", "hash": "b".repeat(64)},
    })
}

/// Without data and claims, as `done` has what was already sent.
pub(super) fn bare(mut result: Value) -> Value {
    let members = result.as_object_mut().unwrap();
    members.remove("data");
    members.remove("claims");
    result
}
