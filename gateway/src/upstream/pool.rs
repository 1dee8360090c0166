//! Pool: the connections to one endpoint. A lease on one comes out, kept before or new.
//!
//! HTTP/1.1 connections are kept in a list, the last used first, and given out only once they are
//! ready: what isn't read to its end is never used again. HTTP/2 connections are shared up to the
//! other end's stream limit; then there is another.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::Instant;

use super::connector::{Connector, Refused, Secured};
use super::outgoing::Outgoing;
use crate::directory::{Backend, Protocol};
use crate::telemetry::{InFlight, Metrics, Peer};
use crate::workers::{self, here};

/// A connection whose other end is silent for twice this long is given up.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// Streams on one HTTP/2 connection, whatever the other end allows.
const MAX_STREAMS: usize = 100;
/// What an answer's head may take.
const MAX_HEAD: usize = 64 << 10;
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 2 << 20;

pub(super) struct Pool {
    connector: Connector,
    host: String,
    port: u16,
    idle_timeout: Duration,
    /// Whether connections are shared, as far as is known.
    is_http2: AtomicBool,
    auto: bool,
    /// Of each worker, the connections that it made.
    idle: Box<[Mutex<Vec<Idle>>]>,
    shared: Mutex<Vec<Arc<Shared>>>,
    dialling: tokio::sync::Mutex<()>,
    metrics: Metrics,
    peer: Peer,
}

struct Idle {
    sender: http1::SendRequest<Outgoing>,
    home: usize,
    since: Instant,
}

struct Shared {
    sender: http2::SendRequest<Outgoing>,
    streams: AtomicUsize,
    /// How many streams the other end allows.
    room: Arc<AtomicUsize>,
    idle_since: Mutex<Instant>,
}

/// A connection for one exchange. Dropped before the answer was read, it isn't used again.
pub(super) struct Lease {
    kind: Kind,
    /// Whether it was used before, so that it may be stale.
    pub(super) reused: bool,
    /// The worker that made it, where it runs.
    home: usize,
}

enum Kind {
    One(http1::SendRequest<Outgoing>),
    Two(Stream),
}

struct Stream(Arc<Shared>);

impl Drop for Stream {
    fn drop(&mut self) {
        if self.0.streams.fetch_sub(1, Ordering::AcqRel) == 1 {
            *lock(&self.0.idle_since) = Instant::now();
        }
    }
}

impl Lease {
    pub(super) fn is_http2(&self) -> bool {
        matches!(self.kind, Kind::Two(_))
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        match &mut self.kind {
            Kind::One(sender) => sender.try_send_request(request).await,
            Kind::Two(stream) => stream.0.sender.clone().try_send_request(request).await,
        }
    }
}

impl Pool {
    pub(super) fn new(
        connector: Connector,
        (host, port): (&str, u16),
        backend: &Backend,
        metrics: Metrics,
        peer: Peer,
    ) -> Self {
        Self {
            connector,
            host: host.to_owned(),
            port,
            idle_timeout: backend.idle_timeout,
            is_http2: AtomicBool::new(backend.protocol == Protocol::Http2),
            auto: backend.protocol == Protocol::Auto,
            idle: (0..workers::usual().get())
                .map(|_| Mutex::default())
                .collect(),
            shared: Mutex::default(),
            dialling: tokio::sync::Mutex::default(),
            metrics,
            peer,
        }
    }

    /// A connection that is there already.
    pub(super) fn kept(&self) -> Option<Lease> {
        if self.is_http2.load(Ordering::Relaxed) {
            return self.join();
        }
        // One of another worker's is better than a new one.
        let (before, own) = self.idle.split_at(here() % self.idle.len());
        let mut homes = own.iter().chain(before);
        homes.find_map(|home| self.kept_at(home))
    }

    fn kept_at(&self, home: &Mutex<Vec<Idle>>) -> Option<Lease> {
        let mut idle = lock(home);
        let now = Instant::now();
        let mut at = idle.len();
        while at > 0 {
            at -= 1;
            if idle[at].sender.is_closed() || now - idle[at].since >= self.idle_timeout {
                idle.swap_remove(at);
            } else if idle[at].sender.is_ready() {
                let Idle { sender, home, .. } = idle.remove(at);
                return Some(Lease {
                    kind: Kind::One(sender),
                    reused: true,
                    home,
                });
            }
        }
        None
    }

    /// A new connection, or a place on one that another made meanwhile.
    pub(super) async fn dial(&self) -> Result<Lease, Refused> {
        // While it isn't known that connections can't be shared, one at a time is made.
        let _turn = if self.auto || self.is_http2.load(Ordering::Relaxed) {
            let turn = self.dialling.lock().await;
            if let Some(lease) = self.kept() {
                return Ok(lease);
            }
            Some(turn).filter(|_| self.is_http2.load(Ordering::Relaxed))
        } else {
            None
        };
        let secured = self.connector.connect(&self.host, self.port).await?;
        let open = self.metrics.agency_connected(&self.peer);
        self.is_http2.store(secured.http2, Ordering::Relaxed);
        if secured.http2 {
            self.open_http2(secured, open).await
        } else {
            open_http1(secured, open).await
        }
    }

    async fn open_http2(&self, secured: Secured, open: InFlight) -> Result<Lease, Refused> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEAD as u32)
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .handshake(secured.stream)
            .await
            .map_err(Refused::Http)?;
        let room = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        let (mut connection, told) = (Box::pin(connection), room.clone());
        tokio::spawn(async move {
            // Whoever has a stream on it learns what broke.
            let _ = poll_fn(|cx| {
                let done = connection.as_mut().poll(cx);
                told.store(connection.current_max_send_streams(), Ordering::Relaxed);
                done
            })
            .await;
            drop(open);
        });
        let shared = Arc::new(Shared {
            sender,
            room,
            streams: AtomicUsize::new(1),
            idle_since: Mutex::new(Instant::now()),
        });
        lock(&self.shared).push(shared.clone());
        Ok(Lease {
            kind: Kind::Two(Stream(shared)),
            reused: false,
            home: here(),
        })
    }

    /// A stream on a connection that has room.
    fn join(&self) -> Option<Lease> {
        let mut all = lock(&self.shared);
        all.retain(|shared| !shared.sender.is_closed());
        let shared = all.iter().find(|shared| {
            let most = shared.room.load(Ordering::Relaxed).min(MAX_STREAMS);
            shared.streams.load(Ordering::Acquire) < most
        })?;
        shared.streams.fetch_add(1, Ordering::AcqRel);
        Some(Lease {
            kind: Kind::Two(Stream(shared.clone())),
            reused: true,
            home: here(),
        })
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn keep(&self, lease: Lease) {
        if let Kind::One(sender) = lease.kind
            && !sender.is_closed()
        {
            let idle = Idle {
                sender,
                home: lease.home,
                since: Instant::now(),
            };
            lock(&self.idle[lease.home % self.idle.len()]).push(idle);
        }
    }

    /// The source failed on this connection. Over HTTP/2, where others would be sent after this one,
    /// no more are: it may be as good as dead, or flood us for as long as it is kept.
    pub(super) fn give_up(&self, lease: &Lease) {
        if let Kind::Two(Stream(failed)) = &lease.kind {
            lock(&self.shared).retain(|shared| !Arc::ptr_eq(shared, failed));
        }
    }

    /// Closes what nobody used for long.
    pub(super) fn prune(&self, now: Instant) {
        for idle in &self.idle {
            lock(idle)
                .retain(|idle| !idle.sender.is_closed() && now - idle.since < self.idle_timeout);
        }
        lock(&self.shared).retain(|shared| {
            let idle = shared.streams.load(Ordering::Acquire) == 0
                && now.saturating_duration_since(*lock(&shared.idle_since)) >= self.idle_timeout;
            !idle && !shared.sender.is_closed()
        });
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        let idle = self.idle.iter().map(|idle| lock(idle).len());
        idle.sum::<usize>() + lock(&self.shared).len()
    }
}

async fn open_http1(secured: Secured, open: InFlight) -> Result<Lease, Refused> {
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(secured.stream)
        .await
        .map_err(Refused::Http)?;
    tokio::spawn(async move {
        // Whoever waits on it learns what broke.
        let _ = connection.await;
        drop(open);
    });
    Ok(Lease {
        kind: Kind::One(sender),
        reused: false,
        home: here(),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
