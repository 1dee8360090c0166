//! Listener: connections in, requests with their peer out.
//!
//! Mutual TLS with a deadline, HTTP/1.1 or HTTP/2 by ALPN, and a drain that tells every connection
//! and waits for it. Refused is whatever would cost more than its share: connections without a
//! seat (`seats`), heads that aren't strict HTTP/1 or come too slowly (`strict`), peers that don't
//! read (`patience`, `taking`), connections past their time (`life`).

mod connection;
mod conversation;
mod handshake;
mod life;
mod patience;
mod refusals;
mod seats;
mod strict;
mod taking;

#[doc(hidden)]
pub use conversation::converse;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use self::refusals::Refusals;
use self::seats::Seats;
use crate::config;
use crate::pipeline::Gateway;
use crate::workers::Workers;

/// Pause after an accept that failed for want of resources, so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Failures that are closer together are one episode and have one line.
const CALM: Duration = Duration::from_secs(10);
/// How long connections that were cut may take to let go of what they hold.
const CUT_WITHIN: Duration = Duration::from_secs(1);

/// A bound socket with all that a connection needs.
pub struct Listener {
    socket: TcpListener,
    house: Arc<House>,
}

/// What all connections share.
struct House {
    tls: Arc<ArcSwap<ServerConfig>>,
    settings: config::Listener,
    gateway: Arc<Gateway>,
    seats: Seats,
    refusals: Refusals,
}

/// What connections are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Serve.
    Open,
    /// End after what is under way.
    Draining,
    /// End.
    Cut,
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
        let house = House {
            tls,
            seats: Seats::new(&settings),
            refusals: Refusals::new(gateway.telemetry().metrics().clone()),
            settings,
            gateway,
        };
        Self {
            socket,
            house: Arc::new(house),
        }
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// When the system doesn't tell.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Serves on the workers until `shutdown`, then tells every connection to end and waits at most `grace`; those
    /// that haven't ended then are cut.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()>,
        grace: Duration,
        workers: &Workers,
    ) {
        let Self { socket, house } = self;
        let phase = watch::Sender::new(Phase::Open);
        tokio::select! {
            never = house.accept(&socket, &phase, workers) => match never {},
            () = shutdown => {}
        }
        drop(socket);
        phase.send_replace(Phase::Draining);
        if tokio::time::timeout(grace, phase.closed()).await.is_err() {
            tracing::warn!("connections were cut: they didn't end in time");
            phase.send_replace(Phase::Cut);
            // In time or not, what follows is the same.
            let _ = tokio::time::timeout(CUT_WITHIN, phase.closed()).await;
        }
    }
}

impl House {
    /// Takes connections for good.
    async fn accept(
        self: &Arc<Self>,
        socket: &TcpListener,
        phase: &watch::Sender<Phase>,
        workers: &Workers,
    ) -> std::convert::Infallible {
        let mut starved: Option<Instant> = None;
        loop {
            match socket.accept().await {
                Ok((stream, address)) => self.welcome(stream, address, phase, workers),
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    self.gateway.telemetry().metrics().accept_failed();
                    if starved.is_none_or(|last| last.elapsed() >= CALM) {
                        tracing::error!(error = %error, "no connection can be accepted");
                    }
                    starved = Some(Instant::now());
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn welcome(
        self: &Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        phase: &watch::Sender<Phase>,
        workers: &Workers,
    ) {
        match self.seats.visit(address) {
            Ok(visitor) => {
                let (house, phase) = (self.clone(), phase.subscribe());
                workers.serve(stream, move |stream| {
                    house.serve(stream, address, visitor, phase)
                });
            }
            Err(why) => {
                self.refusals.connection(why, address, None);
                // Nothing is owed to it, not even the kernel's memory of an orderly end.
                let _ = stream.set_zero_linger();
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
