//! Backend: where a system of an agency is and how it may be called; each setting has a default.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use http::Uri;

/// A system's endpoints, all alike, and what stands between the gateway and them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// `https://host:port` with an optional base path, at least one.
    pub endpoints: Vec<Uri>,
    /// Name that the certificates must carry, when it isn't the endpoint's host.
    pub server_name: Option<String>,
    /// Requests in flight at once, at all endpoints together.
    pub max_in_flight: NonZeroUsize,
    /// How long one attempt of a lookup may take.
    pub timeout: Duration,
    /// Which HTTP is spoken.
    pub protocol: Protocol,
    /// How long a connection may take, name and handshake included.
    pub connect_timeout: Duration,
    /// How long a connection is kept for the next request.
    pub idle_timeout: Duration,
    /// Requests that may wait for their turn.
    pub max_queued: usize,
    /// How long one may wait for its turn.
    pub queue_timeout: Duration,
    /// Retries and hedges, in percent of the requests.
    pub retry_percent: u8,
    /// After how long a lookup is asked a second time beside the first.
    pub hedge_after: Option<Duration>,
    /// When an endpoint is left out.
    pub ejection: Ejection,
    /// When the whole back end is left alone.
    pub breaker: Breaking,
    /// How an endpoint is asked whether it is well.
    pub health: Option<HealthCheck>,
    /// Whether the limit sinks while the back end fails or slows down, and rises again.
    pub adaptive: bool,
    /// Whether identical questions under way share one answer.
    pub single_flight: bool,
}

/// Which HTTP an endpoint is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// What the endpoint prefers.
    Auto,
    /// HTTP/1.1: about a third less work per request than HTTP/2, and one slow answer holds up no
    /// other on its connection.
    #[default]
    Http1,
    /// HTTP/2: few connections, for a back end that counts them.
    Http2,
}

/// When an endpoint is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row that eject it.
    pub failures: NonZeroU32,
    /// How long at first; each time in a row doubles it, up to five minutes.
    pub first: Duration,
}

/// When a whole back end is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaking {
    /// Failures in a row that open the breaker.
    pub failures: NonZeroU32,
    /// Share of failures, in percent, that opens it once enough were asked.
    pub percent: u8,
    /// How long it stays open before one request tries.
    pub open_for: Duration,
}

/// A request by which an endpoint shows that it is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// Path below the endpoint's base path.
    pub path: String,
    /// Time from one check to the next.
    pub interval: Duration,
}

impl Default for Backend {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            server_name: None,
            max_in_flight: NonZeroUsize::MIN.saturating_add(63),
            timeout: Duration::from_millis(2_500),
            protocol: Protocol::default(),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(30),
            max_queued: 0,
            queue_timeout: Duration::from_millis(100),
            retry_percent: 20,
            hedge_after: None,
            ejection: Ejection::default(),
            breaker: Breaking::default(),
            health: None,
            adaptive: false,
            single_flight: true,
        }
    }
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: NonZeroU32::MIN.saturating_add(4),
            first: Duration::from_secs(10),
        }
    }
}

impl Default for Breaking {
    fn default() -> Self {
        Self {
            failures: NonZeroU32::MIN.saturating_add(7),
            percent: 50,
            open_for: Duration::from_secs(5),
        }
    }
}
