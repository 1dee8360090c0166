//! The accept loop: connections of a listener in, requests with their peer's certificate out.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::Service;

use super::Limits;
use crate::identity::PeerCertificate;

/// First and longest pause after the system has no file descriptor left.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));
const MAX_HEADER_BYTES: usize = 32 * 1024;
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// The connections of a listener. When this is dropped, every one is closed.
pub(crate) struct Connections {
    acceptor: TlsAcceptor,
    limits: Limits,
    places: Arc<Semaphore>,
    graceful: GracefulShutdown,
    tasks: JoinSet<()>,
}

impl Connections {
    pub(crate) fn new(tls: Arc<ServerConfig>, limits: Limits) -> Self {
        let places = limits.connections.min(Semaphore::MAX_PERMITS);
        Self {
            acceptor: TlsAcceptor::from(tls),
            limits,
            places: Arc::new(Semaphore::new(places)),
            graceful: GracefulShutdown::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Accepts and serves until `shutdown`. A connection that `keep` doesn't want is closed before
    /// its handshake; one whose service fails is closed then.
    pub(crate) async fn accept<S>(
        &mut self,
        listener: &TcpListener,
        service: S,
        keep: impl Fn() -> bool,
        shutdown: impl Future<Output = ()>,
    ) where
        S: Service<Request<Incoming>, Response = Response<Full<Bytes>>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Error + Send + Sync + 'static,
    {
        let mut shutdown = pin!(shutdown);
        loop {
            let (stream, place) = tokio::select! {
                biased;
                () = &mut shutdown => return,
                accepted = async {
                    // The semaphore is never closed.
                    let place = self.places.clone().acquire_owned().await.ok();
                    (next(listener).await, place)
                } => accepted,
            };
            while self.tasks.try_join_next().is_some() {}
            if !keep() {
                continue;
            }
            let connection = Box::pin(connection(
                stream,
                self.acceptor.clone(),
                self.limits.clone(),
                service.clone(),
                self.graceful.watcher(),
            ));
            self.tasks.spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(error = %error, "a connection ended in an error");
                }
                drop(place);
            });
        }
    }

    /// Lets the requests under way end within [`Limits::drain_timeout`], then closes what is left.
    /// The listener should be gone by now, lest new connections wait in it for nothing.
    pub(crate) async fn drain(mut self) {
        let ending = self.graceful.shutdown();
        if timeout(self.limits.drain_timeout, ending).await.is_err() {
            tracing::warn!("stopped before every request under way had ended");
        }
        self.tasks.shutdown().await;
    }
}

/// The next connection, however long it takes: a lack of file descriptors passes.
async fn next(listener: &TcpListener) -> TcpStream {
    let mut pause = BACKOFF.0;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The peer left before it was accepted.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::Interrupted
                ) => {}
            Err(error) => {
                tracing::warn!(error = %error, "can't accept connections, trying again");
                sleep(pause).await;
                pause = (pause * 2).min(BACKOFF.1);
            }
        }
    }
}

async fn connection<S>(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    limits: Limits,
    service: S,
    watcher: Watcher,
) -> Result<(), Box<dyn Error + Send + Sync>>
where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Error + Send + Sync + 'static,
{
    stream.set_nodelay(true)?;
    let stream = timeout(limits.handshake_timeout, acceptor.accept(stream)).await??;
    let session = stream.get_ref().1;
    let peer = session
        .peer_certificates()
        .and_then(|chain| chain.first())
        .and_then(|der| match PeerCertificate::from_der(der) {
            Ok(peer) => Some(Arc::new(peer)),
            Err(error) => {
                tracing::warn!(error = %error, "a peer's certificate names nobody");
                None
            }
        });
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(peer) = &peer {
            request.extensions_mut().insert(peer.clone());
        }
        let mut service = service.clone();
        async move {
            std::future::poll_fn(|context| service.poll_ready(context)).await?;
            service.call(request).await
        }
    });
    let builder = http(&limits, is_http2);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    watcher.watch(connection).await
}

/// What ALPN agreed on and nothing else.
fn http(limits: &Limits, is_http2: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(MAX_HEADER_BYTES as u32)
        .keep_alive_interval(PING_INTERVAL);
    if is_http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    }
}
