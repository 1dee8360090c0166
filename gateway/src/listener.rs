//! Listener: connections in, one service clone per connection out.
//!
//! Mutual TLS with a deadline, HTTP/1.1 or HTTP/2 by ALPN, limits on everything that a peer
//! controls, and a drain that tells every connection and waits for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper::body::Incoming;
use hyper::{Request, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::config;
use crate::identity::Peer;
use crate::pipeline::{self, Arrival, Gateway};
use crate::telemetry::ErrorType;

const MAX_HEADERS: usize = 64;
const MAX_STREAMS: u32 = 128;
const H2_KEEP_ALIVE: Duration = Duration::from_secs(20);
/// Pause after an accept that failed for want of resources, so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A bound socket with all that a connection needs.
pub struct Listener {
    socket: TcpListener,
    tls: Arc<ArcSwap<ServerConfig>>,
    settings: config::Listener,
    gateway: Arc<Gateway>,
    connections: Arc<Semaphore>,
}

impl Listener {
    /// Binds the configured address. Each connection takes the TLS that stands in `tls` when it
    /// comes.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub async fn bind(
        settings: config::Listener,
        tls: Arc<ArcSwap<ServerConfig>>,
        gateway: Arc<Gateway>,
    ) -> std::io::Result<Self> {
        let socket = TcpListener::bind(settings.address).await?;
        Ok(Self::over(socket, settings, tls, gateway))
    }

    /// As [`bind`](Self::bind), on a socket that someone else has bound and listens on.
    ///
    /// # Errors
    /// When the socket can't be made non-blocking or given to the runtime.
    pub fn from_std(
        socket: std::net::TcpListener,
        settings: config::Listener,
        tls: Arc<ArcSwap<ServerConfig>>,
        gateway: Arc<Gateway>,
    ) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = TcpListener::from_std(socket)?;
        Ok(Self::over(socket, settings, tls, gateway))
    }

    fn over(
        socket: TcpListener,
        settings: config::Listener,
        tls: Arc<ArcSwap<ServerConfig>>,
        gateway: Arc<Gateway>,
    ) -> Self {
        let connections = Arc::new(Semaphore::new(settings.max_connections));
        Self {
            socket,
            tls,
            settings,
            gateway,
            connections,
        }
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// When the system doesn't tell.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves until `shutdown`, then tells every connection to end and waits at most `grace`; those
    /// that haven't ended then are cut.
    pub async fn serve(self, shutdown: impl Future<Output = ()>, grace: Duration) {
        let graceful = GracefulShutdown::new();
        let cut = watch::Sender::new(false);
        tokio::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = self.accept() => accepted,
                () = &mut shutdown => break,
            };
            let Some((stream, address, place)) = accepted else {
                continue;
            };
            let connection = Connection {
                acceptor: TlsAcceptor::from(self.tls.load_full()),
                settings: self.settings.clone(),
                gateway: self.gateway.clone(),
                watcher: graceful.watcher(),
                address,
            };
            let mut cut = cut.subscribe();
            tokio::spawn(async move {
                tokio::select! {
                    () = connection.serve(stream) => {}
                    _ = cut.wait_for(|cut| *cut) => {}
                }
                drop(place);
            });
        }
        drop(self.socket);
        if tokio::time::timeout(grace, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("connections were cut: they didn't end in time");
            cut.send_replace(true);
        }
    }

    /// The next connection, once there is a place for it.
    async fn accept(&self) -> Option<(TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
        // The semaphore is never closed.
        let place = self.connections.clone().acquire_owned().await.ok()?;
        match self.socket.accept().await {
            Ok((stream, address)) => Some((stream, address, place)),
            Err(error) if is_of_the_peer(&error) => None,
            Err(error) => {
                tracing::error!(error = %error, "no connection can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }
}

fn is_of_the_peer(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

struct Connection {
    acceptor: TlsAcceptor,
    settings: config::Listener,
    gateway: Arc<Gateway>,
    watcher: Watcher,
    address: SocketAddr,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // A failure here shows at the first write.
        let _ = stream.set_nodelay(true);
        let handshake = self.acceptor.accept(stream).into_fallible();
        let tls = match tokio::time::timeout(self.settings.handshake_timeout, handshake).await {
            Ok(Ok(tls)) => tls,
            Ok(Err((error, stream))) => {
                self.refused(&error.to_string(), error_type(&error));
                return see_off(stream).await;
            }
            Err(_) => return self.refused("no handshake in time", ErrorType::Timeout),
        };
        self.gateway.telemetry().metrics().tls_handshake(None);
        let peer = Arc::new(Peer::of(tls.get_ref().1.peer_certificates()));
        let (gateway, address) = (self.gateway, self.address);
        let service = service_fn(move |request: Request<Incoming>| {
            pipeline::edge(
                gateway.clone(),
                Arrival {
                    peer: peer.clone(),
                    address,
                    request,
                },
            )
        });
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.settings.header_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(self.settings.max_header_bytes.max(8192));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(u32::try_from(self.settings.max_header_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(H2_KEEP_ALIVE)
            .keep_alive_timeout(H2_KEEP_ALIVE);
        let builder = match tls.get_ref().1.alpn_protocol() {
            Some(b"h2") => builder.http2_only(),
            _ => builder.http1_only(),
        };
        let connection = builder
            .serve_connection(TokioIo::new(tls), service)
            .into_owned();
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(error = %error, "a connection ended early");
        }
    }

    fn refused(&self, why: &str, error_type: ErrorType) {
        self.gateway
            .telemetry()
            .metrics()
            .tls_handshake(Some(error_type.as_str()));
        tracing::info!(
            client.address = %self.address.ip(),
            "error.type" = error_type.as_str(),
            loket.cause = why,
            "a handshake failed"
        );
    }
}

/// Waits until the peer has read why it was refused: a socket that is closed with bytes unread is
/// reset, and the reset overtakes the alert.
async fn see_off(mut stream: TcpStream) {
    let _ = stream.shutdown().await;
    let mut nowhere = tokio::io::sink();
    let rest = tokio::io::copy(&mut stream, &mut nowhere);
    let _ = tokio::time::timeout(Duration::from_secs(1), rest).await;
}

fn error_type(error: &std::io::Error) -> ErrorType {
    use rustls::CertificateError::{Expired, ExpiredContext};
    match error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. })) => {
            ErrorType::TlsCertExpired
        }
        Some(rustls::Error::InvalidCertificate(_)) => ErrorType::TlsCertUntrusted,
        Some(_) => ErrorType::TlsHandshake,
        None => ErrorType::ConnectionReset,
    }
}
