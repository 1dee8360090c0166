//! Supervisor: what the service manager is told, and the sockets that it hands over.
//!
//! By systemd's protocol: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `LISTEN_FDS` with `LISTEN_FDNAMES`.
//! Without them nothing is told and nothing handed over. Refused are sockets that nobody here
//! listens on.

use std::net::TcpListener;

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// The name of the operators' socket, as `FileDescriptorName=` gives it.
const ADMIN: &str = "admin";

/// The sockets that the service manager holds, so that nobody who connects during a restart is
/// refused.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Where counters connect.
    pub public: Option<TcpListener>,
    /// Where operators connect.
    pub admin: Option<TcpListener>,
}

/// Why what was handed over can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// A descriptor isn't a TCP socket.
    #[error("descriptor {position} isn't a listening TCP socket: set ListenStream to an address")]
    NotTcp {
        /// Which, from 0.
        position: usize,
        /// Why.
        source: std::io::Error,
    },
    /// Two sockets have the same purpose.
    #[error("more than one {0} socket was handed over: leave one ListenStream per socket unit")]
    Twice(&'static str),
}

impl Sockets {
    /// Takes what was handed over: the socket named `admin` for operators, the other for counters.
    ///
    /// # Errors
    /// When one of them can't be listened on.
    pub fn inherited() -> Result<Self, SocketError> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut handed = ListenFd::from_env();
        let mut sockets = Self::default();
        for position in 0..handed.len() {
            let not_tcp = |source| SocketError::NotTcp { position, source };
            let socket = handed.take_tcp_listener(position).map_err(not_tcp)?;
            let (place, word) = match names.next() {
                Some(ADMIN) => (&mut sockets.admin, ADMIN),
                _ => (&mut sockets.public, "public"),
            };
            if place.is_some() {
                return Err(SocketError::Twice(word));
            }
            *place = socket;
        }
        Ok(sockets)
    }
}

/// It serves.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// It reads its configuration again; [`ready`] ends that.
pub fn reloading() {
    // Without a clock the service manager only knows less.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// It stops.
pub fn stopping(status: &str) {
    tell(&[NotifyState::Stopping, NotifyState::Status(status)]);
}

/// Says for good that it lives, if anyone wants to know: a runtime that is stuck doesn't.
pub async fn watchdog() {
    let Some(within) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut beat = tokio::time::interval((within / 3).max(std::time::Duration::from_millis(1)));
    loop {
        beat.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(error = %error, "the service manager couldn't be told");
    }
}
