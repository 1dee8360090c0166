//! The server: an address, TLS and a provider in, answers to gateways out.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::ServerConfig;
use tokio::net::TcpListener;

use super::{Config, Connections, Limits, Provider, Service};
use crate::identity::{IdentityError, SpiffeId};
use crate::message::RecordRef;
use crate::statement::Signer;
use crate::tls::{MutualTls, TlsError};

/// Why the server can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The provider names a record that isn't in the catalogue.
    #[error("the provider names the record {0}, which the catalogue doesn't have")]
    UnknownRecord(RecordRef),
    /// The provider names no record.
    #[error("the provider answers for no record")]
    NoRecord,
    /// No gateway may ask.
    #[error("no gateway is trusted, so nobody could ask; name at least one")]
    NoGateway,
    /// A gateway's name isn't a SPIFFE ID.
    #[error(
        "a gateway's name isn't a SPIFFE ID of the form spiffe://<trust-domain>/<member>/<system>"
    )]
    Gateway(#[from] IdentityError),
    /// No certificate was given.
    #[error("no TLS material was given; the server speaks nothing else")]
    NoTls,
    /// The TLS material can't be used.
    #[error("the TLS material can't be used: {0}")]
    Tls(#[from] TlsError),
    /// The address can't be listened at.
    #[error("can't listen at {address}: {source}")]
    Bind {
        /// Which address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Where a server begins: [`Server::builder`].
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A server of this provider.
    ///
    /// ```no_run
    /// # use loket_sdk::provider::{Provider, Server, SetupError};
    /// # use loket_sdk::tls::MutualTls;
    /// # async fn start(provider: impl Provider, tls: MutualTls) -> Result<(), SetupError> {
    /// let bound = Server::builder(provider)
    ///     .address(([127, 0, 0, 1], 8443).into())
    ///     .tls(tls)
    ///     .gateways(["spiffe://loket.example/gateway/mpp-1".parse()?])
    ///     .bind()
    ///     .await?;
    /// bound.serve(std::future::pending()).await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder<P: Provider>(provider: P) -> ServerBuilder<P> {
        ServerBuilder {
            provider,
            address: (Ipv4Addr::UNSPECIFIED, Config::DEFAULT_PORT).into(),
            tls: None,
            gateways: Vec::new(),
            base: String::new(),
            limits: Limits::default(),
            signer: None,
        }
    }
}

/// A server in the making. TLS and at least one gateway are required.
#[derive(Debug)]
#[must_use]
pub struct ServerBuilder<P> {
    provider: P,
    address: SocketAddr,
    tls: Option<MutualTls>,
    gateways: Vec<SpiffeId>,
    base: String,
    limits: Limits,
    signer: Option<Arc<Signer>>,
}

impl<P: Provider> ServerBuilder<P> {
    /// Where to listen; port 8443 of every IPv4 interface if not said. Port 0 is any free one.
    pub fn address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Whom to show and whom to trust.
    pub fn tls(mut self, tls: MutualTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Adds gateways that may ask. A certificate of the same authority isn't enough.
    pub fn gateways(mut self, gateways: impl IntoIterator<Item = SpiffeId>) -> Self {
        self.gateways.extend(gateways);
        self
    }

    /// A path before `/v1` and `/health`, such as `/dukcapil`.
    pub fn base(mut self, base: impl Into<String>) -> Self {
        self.base = base.into();
        self
    }

    /// What the server bears.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Signs every answer with this; none is signed without.
    pub fn signer(mut self, signer: impl Into<Arc<Signer>>) -> Self {
        self.signer = Some(signer.into());
        self
    }

    /// Listens, and answers nobody yet.
    ///
    /// # Errors
    /// When something required is missing or can't be used, or the address can't be listened at.
    pub async fn bind(self) -> Result<Bound<P>, SetupError> {
        let tls = self.tls.ok_or(SetupError::NoTls)?.server()?;
        let service = Service::with(
            self.provider,
            self.gateways,
            &self.base,
            self.limits.clone(),
        )?
        .signing(self.signer);
        let bind = |source| SetupError::Bind {
            address: self.address,
            source,
        };
        let listener = TcpListener::bind(self.address).await.map_err(bind)?;
        Ok(Bound {
            local_addr: listener.local_addr().map_err(bind)?,
            listener,
            tls: Arc::new(tls),
            service,
            limits: self.limits,
        })
    }
}

/// A server that listens.
pub struct Bound<P> {
    local_addr: SocketAddr,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    service: Service<P>,
    limits: Limits,
}

impl<P: Provider> Bound<P> {
    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers until `shutdown`; then accepts nothing, answers new questions with `draining`, and
    /// returns when those under way have ended or [`Limits::drain_timeout`] has passed.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let mut connections = Connections::new(self.tls, self.limits);
        connections
            .accept(&self.listener, self.service.clone(), || true, shutdown)
            .await;
        drop(self.listener);
        self.service.drain();
        connections.drain().await;
    }
}

/// The shortest way: serves the provider until the process is told to stop (SIGTERM or Ctrl-C),
/// then drains.
///
/// # Errors
/// As [`ServerBuilder::bind`].
pub async fn serve<P: Provider>(provider: P, config: Config) -> Result<(), SetupError> {
    let mut server = Server::builder(provider)
        .address(config.listen)
        .tls(config.tls)
        .gateways(config.gateways)
        .limits(config.limits);
    server.signer = config.signer;
    let bound = server.bind().await?;
    tracing::info!(server.address = %bound.local_addr(), "listening");
    bound.serve(told_to_stop()).await;
    Ok(())
}

async fn told_to_stop() {
    let interrupted = async {
        // A system without the signal is stopped by other means.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = interrupted => {}
        () = terminated => {}
    }
}
