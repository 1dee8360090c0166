//! Connection: one peer's, from its handshake to its end.

use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::handshake::Tls;
use super::life::{Due, Leaving, Life, Span};
use super::seats::Visitor;
use super::strict::Strict;
use super::{House, Phase};
use crate::identity::Peer;
use crate::pipeline::{self, Arrival};
use crate::reply::Body;
use crate::request::head::MAX_FIELDS;
use crate::telemetry::Ending;

const H2_KEEP_ALIVE: Duration = Duration::from_secs(20);
/// What a peer may send before anyone reads it: of one request, and of all on a connection. With
/// many connections this is what memory has to bear.
const H2_STREAM_WINDOW: u32 = 128 * 1024;
const H2_CONNECTION_WINDOW: u32 = 256 * 1024;
/// What is kept of one answer that a peer doesn't take yet.
const H2_SEND_BUFFER: usize = 64 * 1024;
/// Requests that a peer takes back before they are looked at, waiting at once.
const H2_PENDING_RESETS: usize = 32;
/// Requests of one connection that end by a mistake of the peer's.
const H2_ERROR_RESETS: usize = 1024;

impl House {
    /// Serves a connection that has a seat in the anteroom.
    pub(super) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        visitor: Visitor,
        mut phase: watch::Receiver<Phase>,
    ) {
        let life = Arc::new(Life::new());
        // Before the handshake takes its TLS, which is then of this generation or a later one.
        let generation = self.gateway.generation();
        // Boxed: what the handshake needs is given back before the connection is served.
        let handshake = Box::pin(self.shake_hands(stream, address, life.clone()));
        let tls = tokio::select! {
            tls = handshake => tls,
            _ = phase.wait_for(|phase| *phase == Phase::Cut) => None,
        };
        let Some(tls) = tls else { return };
        let peer = Arc::new(Peer {
            vetted: AtomicU64::new(generation),
            ..Peer::of(tls.get_ref().1.peer_certificates())
        });
        let member = self.gateway.member(&peer);
        let _seat = match self.seats.sit(visitor, member.clone()) {
            Ok(seat) => seat,
            Err(why) => return self.refusals.connection(why, address, member.as_ref()),
        };
        let share = self.gateway.places().share(member);
        let (gateway, living) = (self.gateway.clone(), life.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let arrival = Arrival {
                peer: peer.clone(),
                share: share.clone(),
                address,
                request,
            };
            // Boxed: a connection keeps room for it also while it is unused.
            Box::pin(
                living
                    .clone()
                    .with(pipeline::edge(gateway.clone(), arrival)),
            )
        });
        Box::pin(self.speak(tls, service, &life, phase)).await;
        let metrics = self.gateway.telemetry().metrics();
        metrics.connection_ended(life.ending());
    }

    /// HTTP/1.1 or HTTP/2, as agreed in the handshake and not by what comes.
    async fn speak<S>(&self, tls: Tls, service: S, life: &Arc<Life>, phase: watch::Receiver<Phase>)
    where
        S: Service<Request<Incoming>, Response = Response<Leaving<Body>>, Error = Infallible>,
        S::Future: Send + 'static,
    {
        let metrics = self.gateway.telemetry().metrics();
        let settings = &self.settings;
        let max_head = settings.max_header_bytes.max(8192);
        if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
            let _open = metrics.connection_opened("2");
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(settings.max_streams)
                .max_header_list_size(u32::try_from(max_head).unwrap_or(u32::MAX))
                .initial_stream_window_size(H2_STREAM_WINDOW)
                .initial_connection_window_size(H2_CONNECTION_WINDOW)
                .max_send_buf_size(H2_SEND_BUFFER)
                .max_pending_accept_reset_streams(H2_PENDING_RESETS)
                .max_local_error_reset_streams(H2_ERROR_RESETS)
                .keep_alive_interval(H2_KEEP_ALIVE)
                .keep_alive_timeout(H2_KEEP_ALIVE)
                .serve_connection(TokioIo::new(tls), service);
            self.see_through(connection, life, phase).await;
        } else {
            let _open = metrics.connection_opened("1.1");
            let strict = Strict::new(tls, max_head, settings.header_timeout, life.clone());
            let connection = http1::Builder::new()
                // Heads are timed from their first byte, and unused connections by their own time.
                .header_read_timeout(None)
                .max_headers(MAX_FIELDS)
                .max_buf_size(max_head)
                .serve_connection(TokioIo::new(strict), service);
            self.see_through(connection, life, phase).await;
        }
    }

    /// Lets a connection run until it ends, and tells it to when it is time. One that has been told
    /// and has nothing under way is left after a while; any is cut at twice its age.
    async fn see_through<C>(&self, connection: C, life: &Life, mut phase: watch::Receiver<Phase>)
    where
        C: GracefulConnection<Error = hyper::Error>,
    {
        let span = Span {
            idle: self.settings.idle_timeout,
            age: jittered(self.settings.max_connection_age),
            linger: self.settings.header_timeout,
        };
        let mut connection = std::pin::pin!(connection);
        let mut alarm = std::pin::pin!(tokio::time::sleep(span.idle.min(span.age)));
        let mut told: Option<Instant> = None;
        // What was said during the handshake counts too.
        phase.mark_changed();
        loop {
            let due = tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error = %error, "a connection ended early");
                    }
                    return;
                }
                Ok(()) = phase.changed() => match *phase.borrow_and_update() {
                    Phase::Open => continue,
                    Phase::Draining => Due::Tell(Ending::Drained),
                    Phase::Cut => Due::Leave(Ending::Drained),
                },
                () = life.dismissed(), if told.is_none() => Due::Tell(Ending::Dismissed),
                () = alarm.as_mut() => span.due(life, told, Instant::now()),
            };
            let next = match due {
                Due::Later(at) => at,
                Due::Tell(why) => {
                    life.ends(why);
                    connection.as_mut().graceful_shutdown();
                    *told.insert(Instant::now()) + span.linger
                }
                Due::Leave(why) => return life.ends(why),
            };
            alarm.as_mut().reset(next);
        }
    }
}

/// A tenth more or less, so that connections that came together don't leave together.
fn jittered(age: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) % 2001;
    age.mul_f64(0.9 + 0.0001 * random as f64)
}
