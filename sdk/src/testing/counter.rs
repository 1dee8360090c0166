//! A client that can send anything over mutual TLS. It shares nothing with the SDK's own client, so
//! that a mistake there doesn't hide itself.

mod events;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use events::{Event, EventStream};

use super::ca::{Ca, must};
use crate::tls::MutualTls;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum CounterError {
    /// No TCP connection.
    #[error("can't connect: {0}")]
    Connect(#[source] io::Error),
    /// No TLS session. In TLS 1.3 a server that refuses *our* certificate shows only as
    /// [`CounterError::Broken`] or [`CounterError::Http`].
    #[error("the handshake failed: {0}")]
    Handshake(#[source] io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[source] io::Error),
    /// HTTP went wrong, or the connection broke meanwhile.
    #[error("HTTP failed: {0}")]
    Http(#[from] hyper::Error),
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct CounterAnswer {
    /// HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl CounterAnswer {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it isn't, or of another type.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        must(serde_json::from_slice(&self.body))
    }

    /// A header as text; empty when it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

/// A client of one address. Every request has a connection of its own, unless it is sent over a
/// [`Connection`].
#[derive(Debug, Clone)]
pub struct FakeCounter {
    tls: Arc<ClientConfig>,
    address: SocketAddr,
    name: String,
    is_http2: bool,
}

impl FakeCounter {
    /// Speaks HTTP/1.1 to the address and expects the name `localhost`.
    ///
    /// # Panics
    /// When the TLS material can't be used.
    #[must_use]
    pub fn new(tls: &MutualTls, address: SocketAddr) -> Self {
        Self::with(must(tls.client()), address)
    }

    /// Shows no certificate.
    ///
    /// # Panics
    /// When the authority's certificate can't be used.
    #[must_use]
    pub fn anonymous(ca: &Ca, address: SocketAddr) -> Self {
        let anchor = must(CertificateDer::from_pem_slice(
            ca.certificate_pem().as_bytes(),
        ));
        let mut anchors = RootCertStore::empty();
        must(anchors.add(anchor));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = must(
            ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(rustls::ALL_VERSIONS),
        );
        let config = config.with_root_certificates(anchors).with_no_client_auth();
        Self::with(config, address)
    }

    /// With any TLS configuration; ALPN is set to fit.
    #[must_use]
    pub fn with(tls: ClientConfig, address: SocketAddr) -> Self {
        let counter = Self {
            tls: Arc::new(tls),
            address,
            name: "localhost".to_owned(),
            is_http2: false,
        };
        counter.alpn(false)
    }

    /// Speaks HTTP/2.
    #[must_use]
    pub fn http2(self) -> Self {
        self.alpn(true)
    }

    fn alpn(mut self, is_http2: bool) -> Self {
        let name: &[u8] = if is_http2 { b"h2" } else { b"http/1.1" };
        Arc::make_mut(&mut self.tls).alpn_protocols = vec![name.to_vec()];
        self.is_http2 = is_http2;
        self
    }

    /// Expects this name in the server's certificate.
    #[must_use]
    pub fn server_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// A connection for several requests.
    ///
    /// # Errors
    /// When there is no TCP connection, or no TLS session.
    pub async fn connect(&self) -> Result<Connection, CounterError> {
        let io = TokioIo::new(self.handshake().await?);
        let authority = format!("{}:{}", self.name, self.address.port());
        let (sender, task) = if self.is_http2 {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
            (
                Sender::Http2(sender),
                tokio::spawn(async { drop(connection.await) }),
            )
        } else {
            let (sender, connection) = http1::handshake(io).await?;
            (
                Sender::Http1(sender),
                tokio::spawn(async { drop(connection.await) }),
            )
        };
        Ok(Connection {
            sender,
            authority,
            task,
        })
    }

    async fn handshake(&self) -> Result<TlsStream<TcpStream>, CounterError> {
        let tcp = TcpStream::connect(self.address)
            .await
            .map_err(CounterError::Connect)?;
        tcp.set_nodelay(true).map_err(CounterError::Connect)?;
        let name = must(ServerName::try_from(self.name.clone()));
        TlsConnector::from(self.tls.clone())
            .connect(name, tcp)
            .await
            .map_err(CounterError::Handshake)
    }

    /// Sends a request and reads the whole answer. A `host` among the headers replaces ours.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<CounterAnswer, CounterError> {
        self.connect()
            .await?
            .send(method, path, headers, body)
            .await
    }

    /// `GET` without anything else.
    ///
    /// # Errors
    /// As [`FakeCounter::send`].
    pub async fn get(&self, path: &str) -> Result<CounterAnswer, CounterError> {
        self.send("GET", path, &[], Bytes::new()).await
    }

    /// `POST` of a JSON document.
    ///
    /// # Errors
    /// As [`FakeCounter::send`].
    pub async fn post(
        &self,
        path: &str,
        document: &impl Serialize,
    ) -> Result<CounterAnswer, CounterError> {
        let headers = [(CONTENT_TYPE.as_str(), "application/json")];
        let body = must(serde_json::to_vec(document));
        self.send("POST", path, &headers, body).await
    }

    /// Sends a request and reads the answer event by event. Dropping the stream closes the
    /// connection.
    ///
    /// # Errors
    /// When no answer begins.
    pub async fn events(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<EventStream, CounterError> {
        let mut connection = self.connect().await?;
        let response = connection.begin(method, path, headers, body.into()).await?;
        Ok(EventStream::new(response, connection))
    }

    /// Sends bytes that needn't be HTTP, and reads all that comes until the server closes.
    ///
    /// # Errors
    /// When the connection breaks before it is closed; a close without TLS's own is none.
    pub async fn send_bytes(&self, bytes: &[u8]) -> Result<Bytes, CounterError> {
        let mut stream = self.handshake().await?;
        stream
            .write_all(bytes)
            .await
            .map_err(CounterError::Broken)?;
        stream.flush().await.map_err(CounterError::Broken)?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer).await {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                Err(CounterError::Broken(error))
            }
            _ => Ok(answer.into()),
        }
    }
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// One connection; it closes when it is dropped.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    authority: String,
    task: JoinHandle<()>,
}

impl Connection {
    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// When no whole answer comes.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<CounterAnswer, CounterError> {
        let response = self.begin(method, path, headers, body.into()).await?;
        let (parts, body) = response.into_parts();
        Ok(CounterAnswer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await?.to_bytes(),
        })
    }

    async fn begin(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Response<Incoming>, CounterError> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let names_host = request
            .headers_ref()
            .is_some_and(|headers| headers.contains_key(HOST));
        let response = match &mut self.sender {
            Sender::Http1(sender) => {
                if !names_host {
                    request = request.header(HOST, &self.authority);
                }
                sender.ready().await?;
                let request = must(request.uri(path).body(Full::new(body)));
                sender.send_request(request).await?
            }
            Sender::Http2(sender) => {
                let uri = format!("https://{}{path}", self.authority);
                sender.ready().await?;
                let request = must(request.uri(uri).body(Full::new(body)));
                sender.send_request(request).await?
            }
        };
        Ok(response)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}
