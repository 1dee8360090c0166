//! Endpoint: one address of a source, with its connections, its load and its standing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Uri, Version, header};
use tokio::time::Instant;

use super::connector::Connector;
use super::load::Load;
use super::outgoing::Outgoing;
use super::outlier::Outlier;
use super::pool::Pool;
use crate::directory::Backend;
use crate::telemetry::{Metrics, Peer, PeerAddress};

pub(super) struct Endpoint {
    pub(super) address: PeerAddress,
    pub(super) pool: Pool,
    pub(super) load: Load,
    pub(super) outlier: Outlier,
    authority: Option<Authority>,
    host: Option<HeaderValue>,
    base: String,
    start: Instant,
    /// Milliseconds since the start before which it doesn't want to be asked.
    held: AtomicU64,
}

impl Endpoint {
    pub(super) fn new(
        url: &Uri,
        backend: &Backend,
        connector: Connector,
        metrics: Metrics,
        peer: Peer,
    ) -> Self {
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_u16().unwrap_or(443);
        Self {
            address: PeerAddress::new(peer.clone(), host, port),
            pool: Pool::new(connector, (host, port), backend, metrics, peer),
            load: Load::new(),
            outlier: Outlier::new(backend.ejection),
            authority: url.authority().cloned(),
            host: url
                .authority()
                .and_then(|it| HeaderValue::from_str(it.as_str()).ok()),
            base: url.path().trim_end_matches('/').to_owned(),
            start: Instant::now(),
            held: AtomicU64::new(0),
        }
    }

    /// Addresses a request as the connection wants it; none when the path can't be joined.
    pub(super) fn address(
        &self,
        request: &mut Request<Outgoing>,
        path: &PathAndQuery,
        http2: bool,
    ) -> Option<()> {
        let path = if self.base.is_empty() {
            path.clone()
        } else {
            let joined = [&self.base, path.as_str()].concat();
            PathAndQuery::try_from(joined).ok()?
        };
        let mut parts = http::uri::Parts::default();
        parts.path_and_query = Some(path);
        if http2 {
            parts.scheme = Some(Scheme::HTTPS);
            parts.authority.clone_from(&self.authority);
            request.headers_mut().remove(header::HOST);
            *request.version_mut() = Version::HTTP_2;
        } else {
            let host = self.host.clone()?;
            request.headers_mut().insert(header::HOST, host);
            *request.version_mut() = Version::HTTP_11;
        }
        *request.uri_mut() = Uri::from_parts(parts).ok()?;
        Some(())
    }

    /// It said when it wants to be asked again.
    pub(super) fn hold(&self, wait: Duration, now: Instant) {
        let until = now.saturating_duration_since(self.start) + wait;
        self.held
            .fetch_max(until.as_millis() as u64, Ordering::Relaxed);
    }

    /// How long it still doesn't want to be asked.
    pub(super) fn held(&self, now: Instant) -> Option<Duration> {
        let until = match self.held.load(Ordering::Relaxed) {
            0 => return None,
            until => Duration::from_millis(until),
        };
        until
            .checked_sub(now.saturating_duration_since(self.start))
            .filter(|left| !left.is_zero())
    }
}
