//! The connector: one gateway's host and port in, a mutually authenticated connection out.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::tls_fault::TlsFault;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub(super) struct NoConnection {
    pub reason: &'static str,
    source: io::Error,
}

/// The last TLS failure on a connection of this client.
///
/// The alert of a TLS 1.3 server comes after the handshake, and HTTP/2 drops its cause on the way
/// to the request that fails of it. So the connection itself notes it down.
#[derive(Debug, Clone, Default)]
pub(super) struct LastFault(Arc<Mutex<Option<(Instant, TlsFault)>>>);

impl LastFault {
    fn note(&self, error: &io::Error) {
        if let Some(fault) = TlsFault::in_chain(error) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), fault));
        }
    }

    pub(super) fn since(&self, start: Instant) -> Option<TlsFault> {
        let noted = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.filter(|(at, _)| *at >= start).map(|(_, fault)| fault)
    }
}

/// Connects to the one gateway, whatever URI it is asked for.
#[derive(Clone)]
pub(super) struct Connector {
    pub tls: TlsConnector,
    pub host: Arc<str>,
    pub port: u16,
    pub server_name: ServerName<'static>,
    pub within: Duration,
    pub last_fault: LastFault,
}

impl Connector {
    pub(super) fn new(
        config: ClientConfig,
        host: &str,
        port: u16,
        server_name: ServerName<'static>,
        within: Duration,
    ) -> Self {
        Self {
            tls: TlsConnector::from(Arc::new(config)),
            host: host.into(),
            port,
            server_name,
            within,
            last_fault: LastFault::default(),
        }
    }

    async fn connect(self) -> Result<TokioIo<Watched>, NoConnection> {
        let timed_out = |_| NoConnection {
            reason: "the connection took too long",
            source: io::ErrorKind::TimedOut.into(),
        };
        tokio::time::timeout(self.within, self.open())
            .await
            .map_err(timed_out)?
    }

    async fn open(&self) -> Result<TokioIo<Watched>, NoConnection> {
        let tcp = TcpStream::connect((&*self.host, self.port))
            .await
            .map_err(|source| NoConnection {
                reason: match source.kind() {
                    io::ErrorKind::ConnectionRefused => "the connection was refused",
                    _ => "no connection to that host and port",
                },
                source,
            })?;
        // Small messages; Nagle would only hold them back. A failure costs time, not the call.
        let _ = tcp.set_nodelay(true);
        let stream = self
            .tls
            .connect(self.server_name.clone(), tcp)
            .await
            .map_err(|source| {
                self.last_fault.note(&source);
                NoConnection {
                    reason: "the connection closed during the TLS handshake",
                    source,
                }
            })?;
        Ok(TokioIo::new(Watched {
            stream,
            last_fault: self.last_fault.clone(),
        }))
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Watched>;
    type Error = NoConnection;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NoConnection>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoConnection>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        Box::pin(self.clone().connect())
    }
}

/// A TLS stream that notes down the TLS failure that ends it.
pub(super) struct Watched {
    stream: TlsStream<TcpStream>,
    last_fault: LastFault,
}

impl Watched {
    /// A server that refuses us sends its alert and closes; our write can then fail before the
    /// alert was read.
    fn write_failed(&mut self, cx: &mut Context<'_>, error: &io::Error) {
        self.last_fault.note(error);
        let mut scratch = [0; 512];
        let mut buf = ReadBuf::new(&mut scratch);
        if let Poll::Ready(Err(alert)) = Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
            self.last_fault.note(&alert);
        }
    }

    fn watch_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &poll {
            self.write_failed(cx, error);
        }
        poll
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        if let Poll::Ready(Err(error)) = &poll {
            self.last_fault.note(error);
        }
        poll
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch_write(cx, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch_write(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connection for Watched {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        match self.stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => connected.negotiated_h2(),
            _ => connected,
        }
    }
}
