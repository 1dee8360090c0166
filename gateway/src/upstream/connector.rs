//! Connector: an address in, a mutual TLS connection to the agency that should be there out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use loket_sdk::identity::{PeerCertificate, SpiffeId};
use loket_sdk::ids::MemberId;
use loket_sdk::message::SourceName;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tower::Service;

use crate::telemetry::ErrorType;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("the agency's name doesn't resolve")]
    Name(#[source] io::Error),
    #[error("the agency can't be connected to")]
    Connect(#[source] io::Error),
    #[error("the agency's address has no usable host name")]
    Address,
    #[error("the TLS handshake with the agency failed")]
    Handshake(#[source] io::Error),
    #[error("the certificate at the agency's address names another system")]
    Identity,
    #[error("no connection in time")]
    Timeout,
}

impl Refused {
    pub(super) fn error_type(&self) -> ErrorType {
        match self {
            Self::Name(_) => ErrorType::Dns,
            Self::Connect(_) | Self::Address | Self::Timeout => ErrorType::ConnectFailed,
            Self::Identity => ErrorType::TlsCertUntrusted,
            Self::Handshake(error) => match error.get_ref() {
                Some(inner) => inner
                    .downcast_ref::<rustls::Error>()
                    .map_or(ErrorType::TlsHandshake, tls_error_type),
                // The other end went away rather than object.
                None => ErrorType::ConnectionReset,
            },
        }
    }
}

/// The word for a TLS failure.
pub(super) fn tls_error_type(error: &rustls::Error) -> ErrorType {
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => ErrorType::TlsCertExpired,
        rustls::Error::InvalidCertificate(_) => ErrorType::TlsCertUntrusted,
        _ => ErrorType::TlsHandshake,
    }
}

#[derive(Clone)]
pub(super) struct Connector {
    tls: TlsConnector,
    server_name: Option<ServerName<'static>>,
    expected: Option<Arc<SpiffeId>>,
}

impl Connector {
    pub(super) fn new(
        tls: Arc<ClientConfig>,
        server_name: Option<&str>,
        trust_domain: &str,
        source: &SourceName,
    ) -> Self {
        let expected = MemberId::parse(source.agency.as_str()).map(|member| SpiffeId {
            trust_domain: trust_domain.to_owned(),
            member,
            system: source.system.clone(),
        });
        Self {
            tls: TlsConnector::from(tls),
            server_name: server_name.and_then(|name| ServerName::try_from(name.to_owned()).ok()),
            expected: expected.ok().map(Arc::new),
        }
    }

    async fn connect(self, uri: Uri) -> Result<Secured, Refused> {
        let host = uri
            .host()
            .ok_or(Refused::Address)?
            .trim_matches(['[', ']'])
            .to_owned();
        let port = uri.port_u16().unwrap_or(443);
        let name = match self.server_name {
            Some(name) => name,
            None => ServerName::try_from(host.clone()).map_err(|_| Refused::Address)?,
        };
        let addresses: Vec<_> = tokio::net::lookup_host((host.as_str(), port))
            .await
            .map_err(Refused::Name)?
            .collect();
        let tcp = TcpStream::connect(addresses.as_slice())
            .await
            .map_err(Refused::Connect)?;
        // Small requests wait for nothing.
        tcp.set_nodelay(true).map_err(Refused::Connect)?;
        let stream = self
            .tls
            .connect(name, tcp)
            .await
            .map_err(Refused::Handshake)?;
        let (_, session) = stream.get_ref();
        let http2 = session.alpn_protocol() == Some(b"h2");
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let peer = certificate
            .and_then(|der| PeerCertificate::from_der(der).ok())
            .ok_or(Refused::Identity)?;
        // A CA that issues no SPIFFE ID leaves the host name, which the handshake has checked.
        if peer
            .spiffe
            .is_some_and(|id| self.expected.as_deref() != Some(&id))
        {
            return Err(Refused::Identity);
        }
        Ok(Secured {
            stream: TokioIo::new(stream),
            http2,
        })
    }
}

impl Service<Uri> for Connector {
    type Response = Secured;
    type Error = Refused;
    type Future = Pin<Box<dyn Future<Output = Result<Secured, Refused>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connect = self.clone().connect(uri);
        Box::pin(async move {
            tokio::time::timeout(CONNECT_TIMEOUT, connect)
                .await
                .unwrap_or(Err(Refused::Timeout))
        })
    }
}

/// A connection whose other end has been checked.
pub(super) struct Secured {
    stream: TokioIo<TlsStream<TcpStream>>,
    http2: bool,
}

impl Connection for Secured {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if self.http2 {
            connected.negotiated_h2()
        } else {
            connected
        }
    }
}

impl Read for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
