//! Forward: a caller's request in; the answer's head, its body as it comes, and a guard out.

use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::envelope::Envelope;
use super::guard::Guard;
use super::outgoing::Outbound;
use super::stack::Terms;
use super::{Failure, Upstream};
use crate::telemetry::{Called, SpanHandle};

/// A request for a source.
#[derive(Debug)]
pub struct Forward<'a> {
    /// What to send. Of its URI only path and query count: they are joined to the endpoint's base
    /// path, and authority, host and trace are set here.
    pub request: Request<Outbound>,
    /// How long a new connection may take.
    pub connect_timeout: Duration,
    /// How long the head of the answer may take, from when the request last moved.
    pub first_byte_timeout: Duration,
    /// When the caller stops waiting; passed on as what is left of it.
    pub deadline: Option<Instant>,
    /// Whether the request is safe, so that one without a body may be sent to another endpoint.
    pub replayable: bool,
    /// The pattern that the path matched, for spans: never the path.
    pub route: &'a str,
    /// The span that the call belongs to.
    pub parent: SpanHandle,
}

/// An answer that has begun.
#[derive(Debug)]
pub struct Forwarded {
    /// Its head, and its body to be read.
    pub response: Response<Incoming>,
    /// To be concluded when the body has ended, or dropped when nobody wants it any more.
    pub guard: Guard,
}

impl Upstream {
    /// Forwards a request. The body streams, with the back-pressure of the slower side.
    ///
    /// # Errors
    /// Why there is no answer. An answer of any status is one.
    pub async fn forward(&self, forward: Forward<'_>) -> Result<Forwarded, Failure> {
        let method = forward.request.method().clone();
        let terms = Terms {
            called: Called::Route {
                method: &method,
                template: forward.route,
            },
            parent: &forward.parent,
            deadline: forward.deadline,
            connect: forward.connect_timeout,
            first_byte: forward.first_byte_timeout,
            hedge: None,
        };
        let envelope = Envelope::streamed(forward.request, forward.replayable);
        let (response, guard) = self.stack.open(envelope, &terms).await?;
        Ok(Forwarded { response, guard })
    }
}
