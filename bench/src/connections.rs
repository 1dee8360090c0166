//! Connections: mutual TLS to one address, HTTP/1.1 or HTTP/2, opened before they are needed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use loket_sdk::tls::MutualTls;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::plan::Protocol;

type Body = Full<Bytes>;

/// Connections to one address.
pub(crate) struct Connections {
    target: Target,
    kind: Kind,
}

struct Target {
    address: SocketAddr,
    tls: TlsConnector,
}

enum Kind {
    /// Shared, each lookup on the one after the last lookup's.
    H2(Vec<http2::SendRequest<Body>>),
    /// Taken and given back; who finds none waits, and the wait counts.
    H1 {
        idle: Mutex<Vec<http1::SendRequest<Body>>>,
        places: Semaphore,
    },
}

impl Connections {
    /// Opens all of them.
    ///
    /// # Errors
    /// When one can't be opened.
    pub(crate) async fn open(
        address: SocketAddr,
        tls: &MutualTls,
        protocol: Protocol,
        count: usize,
    ) -> anyhow::Result<Self> {
        let mut config = tls.client()?;
        config.alpn_protocols = vec![match protocol {
            Protocol::H1 => b"http/1.1".to_vec(),
            Protocol::H2 => b"h2".to_vec(),
        }];
        let target = Target::new(address, config);
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

    /// Sends the lookup of this number and calls `read` with the answer's head, while the connection
    /// is its own.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn send<T>(
        &self,
        number: usize,
        request: Request<Body>,
        read: impl AsyncFnOnce(Response<Incoming>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        match &self.kind {
            Kind::H2(all) => {
                let mut sender = all[number % all.len()].clone();
                read(sender.send_request(request).await?).await
            }
            Kind::H1 { idle, places } => {
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
        }
    }
}

impl Target {
    fn new(address: SocketAddr, config: ClientConfig) -> Self {
        let tls = TlsConnector::from(Arc::new(config));
        Self { address, tls }
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

    async fn http1(&self) -> anyhow::Result<http1::SendRequest<Body>> {
        let (sender, connection) = http1::handshake(self.stream().await?).await?;
        // Its end shows where a request is sent.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn http2(&self) -> anyhow::Result<http2::SendRequest<Body>> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .handshake(self.stream().await?)
            .await?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
