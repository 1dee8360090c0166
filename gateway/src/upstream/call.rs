//! Call: one attempt at one endpoint, from the choice to the head of the answer.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Response};
use hyper::body::Incoming;
use loket_sdk::message::{DEADLINE_HEADER, Reason};
use tokio::time::{Instant, timeout_at};

use super::balance::Choice;
use super::connector::Refused;
use super::endpoint::Endpoint;
use super::envelope::Envelope;
use super::failure::{Failure, broken, retry_after, unconnected};
use super::outgoing::Progress;
use super::pool::Lease;
use super::stack::{Stack, Terms};
use crate::telemetry::{Called, ClientSpan, ErrorType, Resend, SpanHandle};

/// However long an endpoint wants to be left alone: it may have written the wrong unit.
const LONGEST_HOLD: Duration = Duration::from_secs(300);

const DEADLINE: HeaderName = HeaderName::from_static(DEADLINE_HEADER);

/// An attempt. Dropped unfinished it was cancelled, which is no failure.
pub(super) struct Call {
    pub(super) stack: Arc<Stack>,
    choice: Choice,
    span: ClientSpan,
    lease: Option<Lease>,
    pub(super) started: Instant,
    status: Option<u16>,
    resend: u32,
    is_lookup: bool,
}

impl Call {
    pub(super) fn begin(
        stack: &Arc<Stack>,
        choice: Choice,
        terms: &Terms<'_>,
        resend: u32,
    ) -> Self {
        let endpoint = &stack.endpoints[choice.index];
        endpoint.load.begin();
        let span = stack
            .telemetry
            .client_span(terms.parent, &endpoint.address, terms.called);
        Self {
            stack: stack.clone(),
            choice,
            started: span.started(),
            span,
            lease: None,
            status: None,
            resend,
            is_lookup: matches!(terms.called, Called::Record(_)),
        }
    }

    fn endpoint(&self) -> &Endpoint {
        &self.stack.endpoints[self.choice.index]
    }

    /// The head of an answer. What the answer's status says is noted.
    pub(super) async fn exchange(
        &mut self,
        envelope: &mut Envelope,
        terms: &Terms<'_>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut fresh = false;
        loop {
            let kept = match fresh {
                true => None,
                false => self.endpoint().pool.kept(),
            };
            let mut lease = match kept {
                Some(lease) => lease,
                None => self.dial(terms).await?,
            };
            let stale = lease.reused;
            let sent = self.send(&mut lease, envelope, terms).await;
            // Whatever comes of it, it is known which connection it was.
            self.lease = Some(lease);
            let (error, unsent) = match sent? {
                Ok(response) => {
                    self.note_status(&response, terms);
                    return Ok(response);
                }
                Err(broken) => broken,
            };
            // A kept connection may have gone while nobody used it. What was being written then may
            // have been done, so only what is safe is written again.
            let gone = !error.is_user() && !error.is_parse();
            let again = unsent || (envelope.safe && gone);
            if !(stale && again && !fresh) {
                return Err(broken(&error, unsent));
            }
            let metrics = self.stack.telemetry.metrics();
            metrics.agency_resent(&self.stack.peer, Resend::Stale);
            fresh = true;
        }
    }

    async fn dial(&self, terms: &Terms<'_>) -> Result<Lease, Failure> {
        let own = Instant::now() + terms.connect;
        let until = terms.deadline.map_or(own, |deadline| deadline.min(own));
        // Boxed: the handshake is large, and rare.
        match timeout_at(until, Box::pin(self.endpoint().pool.dial())).await {
            Ok(dialled) => dialled.map_err(|refused| unconnected(&refused)),
            Err(_) if until < own => Err(Failure {
                hasty: true,
                ..Failure::new(Reason::NoAnswerYet, ErrorType::Timeout)
            }),
            Err(_) => Err(unconnected(&Refused::Timeout)),
        }
    }

    async fn send(
        &self,
        lease: &mut Lease,
        envelope: &mut Envelope,
        terms: &Terms<'_>,
    ) -> Result<Result<Response<Incoming>, (hyper::Error, bool)>, Failure> {
        let unfit = Failure::unasked(Reason::Unreachable, ErrorType::Protocol);
        let mut request = envelope.request().ok_or(unfit)?;
        self.endpoint()
            .address(&mut request, &envelope.path, lease.is_http2())
            .ok_or(unfit)?;
        let trace = self.span.trace_context();
        trace.to_headers(request.headers_mut());
        let now = Instant::now();
        let own = now + terms.first_byte;
        if let Some(deadline) = terms.deadline {
            let left = deadline.min(own).saturating_duration_since(now);
            let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            request.headers_mut().insert(DEADLINE, left.into());
        }
        let progress = envelope.progress.clone();
        let sending = lease.send(request);
        let waited = first_byte(sending, terms.first_byte, terms.deadline, progress).await;
        match waited {
            Some(Ok(response)) => Ok(Ok(response)),
            Some(Err(mut error)) => {
                let message = error.take_message();
                let unsent = message.is_some();
                if let Some(message) = message {
                    envelope.take_back(message);
                }
                Ok(Err((error.into_error(), unsent)))
            }
            None => Err(Failure {
                hasty: terms.deadline.is_some_and(|deadline| deadline < own),
                ..Failure::new(Reason::NoAnswerYet, ErrorType::Timeout)
            }),
        }
    }

    fn note_status(&mut self, response: &Response<Incoming>, terms: &Terms<'_>) {
        let (status, now) = (response.status().as_u16(), Instant::now());
        self.status = Some(status);
        if matches!(status, 429 | 503)
            && let Some(seconds) = retry_after(response.headers())
        {
            let wait = Duration::from_secs(seconds).min(LONGEST_HOLD);
            self.endpoint().hold(wait, now);
        }
        let own = self.started + terms.first_byte;
        let hasty = terms.deadline.is_some_and(|deadline| deadline < own);
        // It was told how much time the caller left it.
        if !(hasty && matches!(status, 408 | 504)) {
            let failed = self.is_bad_status();
            self.judge(failed, now);
        }
    }

    /// Whether the status says that the endpoint can't serve. A service's own 500 may be one
    /// caller's doing; a source of records has no such excuse.
    pub(super) fn is_bad_status(&self) -> bool {
        match self.status {
            Some(429 | 502..=504) => true,
            Some(status) => self.is_lookup && status >= 500,
            None => false,
        }
    }

    /// What to make of a status that says to ask elsewhere.
    pub(super) fn busy(&self) -> Option<Failure> {
        let status = self.status.filter(|status| matches!(status, 429 | 503))?;
        Some(Failure::new(Reason::Overloaded, ErrorType::Status(status)))
    }

    fn judge(&mut self, failed: bool, now: Instant) {
        let endpoint = &self.stack.endpoints[self.choice.index];
        endpoint.load.observe(now - self.started, failed, now);
        self.choice.probe = false;
        if self.stack.endpoints.len() < 2 {
            return;
        }
        if !failed {
            endpoint.outlier.succeeded();
            return;
        }
        let metrics = self.stack.telemetry.metrics();
        let count = || metrics.agency_ejected(&self.stack.peer);
        if endpoint.outlier.failed(now, count) {
            self.stack.tell_ejected(endpoint);
        }
    }

    /// It came to nothing.
    pub(super) fn fail(mut self, failure: &Failure) {
        if failure.trips() {
            self.judge(true, Instant::now());
            if let Some(lease) = &self.lease {
                self.endpoint().pool.give_up(lease);
            }
        }
        let (outcome, reason) = (failure.reason.outcome().as_str(), failure.reason.as_str());
        self.finish(outcome, reason, Some(failure.error_type));
    }

    /// The answer was read to its end: its connection may serve another.
    pub(super) fn keep_connection(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.endpoint().pool.keep(lease);
        }
    }

    pub(super) fn span(&self) -> &SpanHandle {
        self.span.handle()
    }

    /// Ends the call, in the words of the contract.
    pub(super) fn finish(
        mut self,
        outcome: &'static str,
        reason: &str,
        error_type: Option<ErrorType>,
    ) {
        let error_type = error_type.map(ErrorType::as_str);
        self.span
            .finish(self.status, outcome, reason, error_type, self.resend);
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.endpoint().load.end();
        if self.choice.probe {
            self.endpoint().outlier.give_up_probe();
        }
    }
}

/// What is sent, or none when the answer doesn't begin in time. A body that still moves is given
/// more: an upload isn't a slow answer.
pub(super) async fn first_byte<T>(
    sending: impl Future<Output = T>,
    wait: Duration,
    deadline: Option<Instant>,
    progress: Option<Progress>,
) -> Option<T> {
    let mut sending = pin!(sending);
    let mut own = Instant::now() + wait;
    loop {
        let until = deadline.map_or(own, |deadline| deadline.min(own));
        if let Ok(sent) = timeout_at(until, &mut sending).await {
            return Some(sent);
        }
        let next = progress.as_ref()?.last() + wait;
        if next <= own || until < own {
            return None;
        }
        own = next;
    }
}
