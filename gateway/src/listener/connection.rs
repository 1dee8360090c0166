//! Connection: one peer's, from its handshake to its end.

use std::convert::Infallible;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use rustls::pki_types::UnixTime;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::conversation::{self, Conversation};
use super::handshake::Tls;
use super::life::{Due, Life, Span};
use super::seats::{Seat, Visitor};
use super::taking::Leaving;
use super::{House, Phase};
use crate::identity::Peer;
use crate::pipeline::{self, Arrival};
use crate::reply::Body;
use crate::telemetry::{Ending, Open, Refused};

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
        // Boxed: what the handshake needs is given back before the connection is served.
        let seated = Box::pin(self.seat(stream, address, visitor, &life, &mut phase));
        let Some((_seat, _open, conversation)) = seated.await else {
            return;
        };
        self.see_through(conversation, &life, phase).await;
        let metrics = self.gateway.telemetry().metrics();
        metrics.connection_ended(life.ending());
    }

    /// Shakes hands and finds a seat.
    async fn seat(
        &self,
        stream: TcpStream,
        address: SocketAddr,
        visitor: Visitor,
        life: &Arc<Life>,
        phase: &mut watch::Receiver<Phase>,
    ) -> Option<(Seat, Open, Conversation)> {
        // Before the handshake takes its TLS, which is then of this stage or a later one.
        let stage = self.gateway.stage(UnixTime::now());
        let tls = tokio::select! {
            tls = self.shake_hands(stream, address, life.clone()) => tls?,
            _ = phase.wait_for(|phase| *phase == Phase::Cut) => return None,
        };
        let peer = Arc::new(Peer {
            vetted: AtomicU64::new(stage),
            ..Peer::of(tls.get_ref().1.peer_certificates())
        });
        let member = self.gateway.member(&peer);
        let seat = self.seats.sit(visitor, member.clone());
        let told = |why: &Refused| self.refusals.connection(*why, address, member.as_ref());
        let seat = seat.inspect_err(told).ok()?;
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
        let (open, conversation) = self.begin(tls, service, life);
        Some((seat, open, conversation))
    }

    /// HTTP/1.1 or HTTP/2, as agreed in the handshake and not by what comes.
    fn begin<S>(&self, tls: Tls, service: S, life: &Arc<Life>) -> (Open, Conversation)
    where
        S: Service<Request<Incoming>, Response = Response<Leaving<Body>>, Error = Infallible>
            + Send
            + 'static,
        S::Future: Send + 'static,
    {
        let metrics = self.gateway.telemetry().metrics();
        if tls.get_ref().1.alpn_protocol() == Some(b"h2") {
            let conversation = conversation::http2(tls, service, &self.settings);
            (metrics.connection_opened("2"), conversation)
        } else {
            let conversation = conversation::http1(tls, service, &self.settings, life.clone());
            (metrics.connection_opened("1.1"), conversation)
        }
    }

    /// Lets a connection run until it ends, and tells it to when it is time. One that has been told
    /// and has nothing under way is left after a while; any is cut at twice its age.
    async fn see_through(
        &self,
        mut connection: Conversation,
        life: &Life,
        mut phase: watch::Receiver<Phase>,
    ) {
        let span = Span {
            idle: self.settings.idle_timeout,
            age: jittered(self.settings.max_connection_age),
            linger: self.settings.header_timeout,
            write: self.settings.write_timeout,
        };
        let first = span.idle.min(span.age).min(span.write);
        let mut alarm = std::pin::pin!(tokio::time::sleep(first));
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
#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, F>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    /// There may be thousands that do nothing: what a connection needs to begin isn't kept.
    #[test]
    fn an_unused_connection_is_small() {
        type Given = (
            Arc<House>,
            TcpStream,
            SocketAddr,
            Visitor,
            watch::Receiver<Phase>,
        );
        let task = size(|(house, stream, address, visitor, phase): Given| {
            house.serve(stream, address, visitor, phase)
        });
        assert!(task <= 1024, "{task}");
        assert!(size_of::<super::super::strict::Strict<Tls>>() <= size_of::<Tls>() + 160);
    }
}
