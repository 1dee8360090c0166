//! Connections: mutual TLS to one address, HTTP/1.1 or HTTP/2, opened before they are needed or
//! for each request.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::plan::Protocol;
use crate::tls::{HTTP1, HTTP2, Tls};

type Whole = Full<Bytes>;

/// Connections to one address.
pub(crate) struct Connections {
    target: Target,
    kind: Kind,
}

/// An address and who we are to it.
pub(crate) struct Target {
    address: SocketAddr,
    tls: TlsConnector,
}

enum Kind {
    /// Shared, each request on the one after the last request's.
    H2(Vec<http2::SendRequest<Whole>>),
    /// Taken and given back; who finds none waits, and the wait counts.
    H1 {
        idle: Mutex<Vec<http1::SendRequest<Whole>>>,
        places: Semaphore,
    },
    /// One for each request, HTTP/1.1.
    Fresh,
}

impl Connections {
    /// Opens all of them.
    ///
    /// # Errors
    /// When one can't be opened.
    pub(crate) async fn open(
        address: SocketAddr,
        tls: &Tls,
        protocol: Protocol,
        count: usize,
    ) -> anyhow::Result<Self> {
        let alpn = match protocol {
            Protocol::H1 => HTTP1,
            Protocol::H2 => HTTP2,
        };
        let target = Target::new(address, tls, alpn)?;
        let kind = match protocol {
            Protocol::H2 => {
                let mut all = Vec::with_capacity(count);
                for _ in 0..count {
                    all.push(target.http2().await?);
                }
                Kind::H2(all)
            }
            Protocol::H1 => {
                let mut all = Vec::with_capacity(count);
                for _ in 0..count {
                    all.push(target.http1().await?);
                }
                Kind::H1 {
                    idle: Mutex::new(all),
                    places: Semaphore::new(count),
                }
            }
        };
        Ok(Self { target, kind })
    }

    /// Opens one for each request.
    ///
    /// # Errors
    /// When the certificate can't be shown.
    pub(crate) fn fresh(address: SocketAddr, tls: &Tls) -> anyhow::Result<Self> {
        let (target, kind) = (Target::new(address, tls, HTTP1)?, Kind::Fresh);
        Ok(Self { target, kind })
    }

    /// Sends the request of this number and calls `read` with the answer's head, while the connection
    /// is its own.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn send<T>(
        &self,
        number: usize,
        mut request: Request<Whole>,
        read: impl AsyncFnOnce(Response<Incoming>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        match &self.kind {
            Kind::H2(all) => {
                let mut sender = all[number % all.len()].clone();
                read(sender.send_request(request).await?).await
            }
            Kind::H1 { idle, places } => {
                origin_form(&mut request);
                let _place = places.acquire().await?;
                let lock = || idle.lock().unwrap_or_else(PoisonError::into_inner);
                let taken = lock().pop();
                let mut sender = match taken {
                    Some(sender) if !sender.is_closed() => sender,
                    _ => self.target.http1().await?,
                };
                sender.ready().await?;
                let read = read(sender.send_request(request).await?).await?;
                lock().push(sender);
                Ok(read)
            }
            Kind::Fresh => {
                origin_form(&mut request);
                let mut sender = self.target.http1().await?;
                read(sender.send_request(request).await?).await
            }
        }
    }
}

/// Names the host in a header and the path alone, as HTTP/1.1 does; HTTP/2 names both in the URI.
pub(crate) fn origin_form<B>(request: &mut Request<B>) {
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    let host = request.headers_mut().entry(header::HOST);
    host.or_insert(HeaderValue::from_static("localhost"));
}

impl Target {
    /// Over a protocol, by its ALPN.
    ///
    /// # Errors
    /// When the certificate can't be shown.
    pub(crate) fn new(address: SocketAddr, tls: &Tls, alpn: &[u8]) -> anyhow::Result<Self> {
        let tls = TlsConnector::from(Arc::new(tls.client(alpn)?));
        Ok(Self { address, tls })
    }

    async fn stream(&self) -> anyhow::Result<TokioIo<TlsStream<TcpStream>>> {
        let tcp = TcpStream::connect(self.address)
            .await
            .with_context(|| format!("{} can't be connected to", self.address))?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from("localhost")?;
        let stream = self.tls.connect(name, tcp).await;
        Ok(TokioIo::new(stream.context("the handshake failed")?))
    }

    /// Opens one for HTTP/1.1.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) async fn http1<B>(&self) -> anyhow::Result<http1::SendRequest<B>>
    where
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let (sender, connection) = http1::handshake(self.stream().await?).await?;
        // Its end shows where a request is sent.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn http2(&self) -> anyhow::Result<http2::SendRequest<Whole>> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .handshake(self.stream().await?)
            .await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
