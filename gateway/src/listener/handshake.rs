//! Handshake: a socket in, its TLS and its peer out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::House;
use super::life::Life;
use super::patience::Patience;
use crate::telemetry::ErrorType;

/// Of a connection that is served.
pub(super) type Tls = TlsStream<Patience<TcpStream>>;

/// How long a refused peer may take to read why.
const SEE_OFF: Duration = Duration::from_secs(1);

impl House {
    /// Waits for its turn and shakes hands, both within the time for handshakes.
    pub(super) async fn shake_hands(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        life: Arc<Life>,
    ) -> Option<Tls> {
        // A failure here shows at the first write.
        let _ = stream.set_nodelay(true);
        let stream = Patience::new(stream, self.settings.write_timeout, life);
        let handshake = async {
            let _turn = self.seats.turn().await;
            let _under_way = self.gateway.telemetry().metrics().handshake_began();
            let acceptor = TlsAcceptor::from(self.tls.load_full());
            acceptor.accept(stream).into_fallible().await
        };
        match tokio::time::timeout(self.settings.handshake_timeout, handshake).await {
            Ok(Ok(tls)) => {
                self.gateway.telemetry().metrics().tls_handshake(None);
                Some(tls)
            }
            Ok(Err((error, stream))) => {
                let kind = error_type(&error);
                self.refusals.handshake(&error.to_string(), kind, address);
                see_off(stream).await;
                None
            }
            Err(_) => {
                let why = "no handshake in time";
                self.refusals.handshake(why, ErrorType::Timeout, address);
                None
            }
        }
    }
}

/// Waits until the peer has read why it was refused: a socket that is closed with bytes unread is
/// reset, and the reset overtakes the alert.
async fn see_off(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let leave = async {
        let _ = stream.shutdown().await;
        let mut nowhere = tokio::io::sink();
        let _ = tokio::io::copy(&mut stream, &mut nowhere).await;
    };
    // Whatever comes of it, the connection ends.
    let _ = tokio::time::timeout(SEE_OFF, leave).await;
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
