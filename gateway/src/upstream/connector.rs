//! Connector: an address in, a mutual TLS connection to the agency that should be there out.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use loket_sdk::identity::{PeerCertificate, SpiffeId};
use loket_sdk::ids::MemberId;
use loket_sdk::message::SourceName;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::directory::{Backend, Protocol};
use crate::telemetry::ErrorType;

/// `ENFILE` and `EMFILE`: no descriptor is left, to anybody or to us. The same on every Unix.
const NO_DESCRIPTOR: [i32; 2] = [23, 24];

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
    #[error("the agency doesn't speak HTTP as agreed")]
    Http(#[source] hyper::Error),
}

impl Refused {
    /// Whether it is for want of something of ours.
    pub(super) fn is_ours(&self) -> bool {
        match self {
            Self::Connect(error) => is_want(error),
            // A resolver that has no descriptor says only that it found nothing.
            Self::Name(error) => {
                is_want(error) || UnixDatagram::unbound().is_err_and(|error| is_want(&error))
            }
            _ => false,
        }
    }

    pub(super) fn error_type(&self) -> ErrorType {
        match self {
            Self::Name(_) => ErrorType::Dns,
            Self::Connect(_) | Self::Address | Self::Timeout => ErrorType::ConnectFailed,
            Self::Http(_) => ErrorType::ConnectionReset,
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

fn is_want(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    code.is_some_and(|code| NO_DESCRIPTOR.contains(&code))
        || error.kind() == io::ErrorKind::OutOfMemory
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
        tls: &Arc<ClientConfig>,
        backend: &Backend,
        trust_domain: &str,
        source: &SourceName,
    ) -> Self {
        let mut tls = ClientConfig::clone(tls);
        let (one, two) = (b"http/1.1".to_vec(), b"h2".to_vec());
        tls.alpn_protocols = match backend.protocol {
            Protocol::Auto => vec![two, one],
            Protocol::Http1 => vec![one],
            Protocol::Http2 => vec![two],
        };
        let server_name = backend.server_name.as_deref();
        let expected = MemberId::parse(source.agency.as_str()).map(|member| SpiffeId {
            trust_domain: trust_domain.to_owned(),
            member,
            system: source.system.clone(),
        });
        Self {
            tls: TlsConnector::from(Arc::new(tls)),
            server_name: server_name.and_then(|name| ServerName::try_from(name.to_owned()).ok()),
            expected: expected.ok().map(Arc::new),
        }
    }

    pub(super) async fn connect(&self, host: &str, port: u16) -> Result<Secured, Refused> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned()).map_err(|_| Refused::Address)?,
        };
        let addresses: Vec<_> = tokio::net::lookup_host((host, port))
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

/// A connection whose other end has been checked.
pub(super) struct Secured {
    pub(super) stream: TokioIo<TlsStream<TcpStream>>,
    pub(super) http2: bool,
}
