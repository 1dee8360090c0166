//! Stack: what stands before a source. An envelope in, the head of an answer out.
//!
//! Outermost first: hold, breaker, limit with its line, hedge, retries within the budget, balance,
//! and one attempt on a pooled connection.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use hyper::body::Incoming;
use loket_sdk::message::{Reason, SourceName};
use tokio::time::Instant;
use tower::retry::budget::{Budget, TpsBudget};

use super::balance::Balance;
use super::breaker::{Breaker, Change};
use super::call::Call;
use super::endpoint::Endpoint;
use super::envelope::Envelope;
use super::failure::Failure;
use super::flight::Flights;
use super::guard::{Entry, Guard};
use super::limit::Limit;
use crate::telemetry::{BreakerState, Called, ErrorType, Peer, Resend, SpanHandle, Telemetry};

pub(super) struct Stack {
    pub(super) name: SourceName,
    pub(super) peer: Peer,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) balance: Balance,
    pub(super) limit: Arc<Limit>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) budget: Option<TpsBudget>,
    pub(super) flights: Flights,
    pub(super) telemetry: Telemetry,
}

/// How a request is made.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub(super) called: Called<'a>,
    pub(super) parent: &'a SpanHandle,
    /// When the caller stops waiting.
    pub(super) deadline: Option<Instant>,
    pub(super) connect: Duration,
    /// From what was last sent to the head of the answer, of each attempt.
    pub(super) first_byte: Duration,
    pub(super) hedge: Option<Duration>,
}

/// An answer that has begun.
pub(super) struct Sent {
    pub(super) response: Response<Incoming>,
    pub(super) call: Call,
}

impl Stack {
    /// The head of an answer, and the guard of what is to come.
    pub(super) async fn open(
        self: &Arc<Self>,
        mut envelope: Envelope,
        terms: &Terms<'_>,
    ) -> Result<(Response<Incoming>, Guard), Failure> {
        let entry = match self.enter(terms.deadline).await {
            Ok(entry) => entry,
            Err(failure) => return Err(self.unasked(failure, terms)),
        };
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
        let sent = match terms
            .hedge
            .and_then(|after| Some((after, envelope.again()?)))
        {
            Some((after, again)) => Box::pin(self.hedged(envelope, again, after, terms)).await,
            None => {
                let at = AtomicUsize::new(0);
                self.tries(&mut envelope, terms, None, 0, &at).await
            }
        };
        match sent {
            Ok(Sent { response, call }) => Ok((response, Guard::new(call, entry))),
            Err(failure) => {
                entry.fail(self, &failure, terms.parent);
                Err(failure)
            }
        }
    }

    /// Leave of the breaker and a slot, for which one may wait a little.
    async fn enter(&self, deadline: Option<Instant>) -> Result<Entry, Failure> {
        let now = Instant::now();
        let busy = Failure::unasked(Reason::Overloaded, ErrorType::RateLimited);
        if let Some(wait) = self.held(now) {
            return Err(busy.with_retry_after(wait));
        }
        let leave = self.breaker.allow(now).map_err(|wait| {
            Failure::unasked(Reason::BreakerOpen, ErrorType::BreakerOpen).with_retry_after(wait)
        })?;
        let metrics = self.telemetry.metrics();
        if leave.is_probe() {
            metrics.breaker_state(&self.peer, BreakerState::HalfOpen);
        }
        let slot = match self.limit.free() {
            Some(slot) => slot,
            None => {
                let _waiting = metrics.agency_queued(&self.peer);
                self.limit.wait(deadline).await.ok_or(busy)?
            }
        };
        Ok(Entry::new(
            leave,
            slot,
            metrics.agency_in_flight(&self.peer),
        ))
    }

    /// How long no endpoint wants to be asked.
    fn held(&self, now: Instant) -> Option<Duration> {
        let mut least = Duration::MAX;
        for endpoint in &self.endpoints {
            least = least.min(endpoint.held(now)?);
        }
        Some(least)
    }

    fn unasked(&self, failure: Failure, terms: &Terms<'_>) -> Failure {
        let (outcome, reason) = (failure.reason.outcome().as_str(), failure.reason.as_str());
        let (telemetry, words) = (&self.telemetry, [outcome, reason]);
        telemetry.unsent_call(
            terms.parent,
            &self.peer,
            terms.called,
            words,
            failure.error_type,
        );
        failure
    }

    /// Asks, and after a while once more beside it, elsewhere. The first answer counts; the other is
    /// cancelled.
    async fn hedged(
        self: &Arc<Self>,
        mut envelope: Envelope,
        mut again: Envelope,
        after: Duration,
        terms: &Terms<'_>,
    ) -> Result<Sent, Failure> {
        let (at, elsewhere) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let mut first = pin!(self.tries(&mut envelope, terms, None, 0, &at));
        if let Ok(sent) = tokio::time::timeout(after, &mut first).await {
            return sent;
        }
        // The second is a load of its own.
        let Some(_slot) = self.limit.free() else {
            return first.await;
        };
        if !self.afford(Resend::Hedge) {
            return first.await;
        }
        let avoid = Some(at.load(Ordering::Relaxed));
        let mut second = pin!(self.tries(&mut again, terms, avoid, 1, &elsewhere));
        tokio::select! {
            sent = &mut first => match sent {
                Ok(sent) => Ok(sent),
                Err(failure) => second.await.map_err(|_| failure),
            },
            sent = &mut second => match sent {
                Ok(sent) => Ok(sent),
                Err(_) => first.await,
            },
        }
    }

    async fn tries(
        self: &Arc<Self>,
        envelope: &mut Envelope,
        terms: &Terms<'_>,
        mut avoid: Option<usize>,
        mut resend: u32,
        at: &AtomicUsize,
    ) -> Result<Sent, Failure> {
        let most = resend + if self.endpoints.len() > 1 { 2 } else { 1 };
        loop {
            let choice = self.balance.choose(&self.endpoints, avoid);
            at.store(choice.index, Ordering::Relaxed);
            let mut call = Call::begin(self, choice, terms, resend);
            let answer = call.exchange(envelope, terms).await;
            let failure = match &answer {
                Ok(_) => call.busy(),
                Err(failure) => Some(*failure),
            };
            let again = failure.filter(|failure| {
                resend < most
                    && terms.deadline.is_none_or(|until| Instant::now() < until)
                    && self.may_ask_again(failure, envelope, choice.index)
                    && self.afford(Resend::Retry)
            });
            match (answer, again) {
                (Ok(response), None) => return Ok(Sent { response, call }),
                (Err(failure), None) => {
                    call.fail(&failure);
                    return Err(failure);
                }
                // Its status is judged already.
                (Ok(_), Some(failure)) => {
                    let outcome = failure.reason.outcome().as_str();
                    call.finish(outcome, failure.reason.as_str(), Some(failure.error_type));
                }
                (Err(_), Some(failure)) => call.fail(&failure),
            }
            avoid = Some(choice.index);
            resend += 1;
        }
    }

    /// What never left may be asked again anywhere. What left and wasn't answered, or was refused
    /// for now, only elsewhere and only when asking twice does no harm.
    fn may_ask_again(&self, failure: &Failure, envelope: &Envelope, asked: usize) -> bool {
        let now = Instant::now();
        let mut others = self.endpoints.iter().enumerate();
        let elsewhere = others.any(|(index, it)| index != asked && it.held(now).is_none());
        if envelope.is_gone() {
            return false;
        }
        if !failure.asked {
            return elsewhere || failure.is_safe_to_retry();
        }
        let passing = match failure.reason {
            Reason::Unreachable | Reason::Overloaded | Reason::Draining => true,
            Reason::NoAnswerYet => !failure.hasty,
            _ => failure.is_of_the_connection(),
        };
        envelope.safe && elsewhere && passing
    }

    fn afford(&self, why: Resend) -> bool {
        let affordable = self.budget.as_ref().is_some_and(Budget::withdraw);
        let why = if affordable { why } else { Resend::NoBudget };
        self.telemetry.metrics().agency_resent(&self.peer, why);
        affordable
    }

    /// Tells operations what is new of the agency: once when it begins to fail, when it is given up
    /// for a while, and when it is well again.
    pub(super) fn note(&self, trace_id: &str, change: Change, failure: Option<&Failure>) {
        let (agency, system) = (self.name.agency.as_str(), self.name.system.as_str());
        let error_type = failure.map_or("", |failure| failure.error_type.as_str());
        let metrics = self.telemetry.metrics();
        match change {
            Change::Failing => tracing::warn!(
                trace_id,
                service.peer.name = agency,
                loket.system = system,
                "error.type" = error_type,
                "an agency began to fail"
            ),
            Change::Opened => {
                metrics.breaker_state(&self.peer, BreakerState::Open);
                tracing::warn!(
                    trace_id,
                    service.peer.name = agency,
                    loket.system = system,
                    "error.type" = error_type,
                    "an agency isn't asked for a while: it failed too often"
                );
            }
            Change::Well { was_open } => {
                if was_open {
                    metrics.breaker_state(&self.peer, BreakerState::Closed);
                }
                tracing::info!(
                    trace_id,
                    service.peer.name = agency,
                    loket.system = system,
                    "an agency answers again"
                );
            }
        }
    }

    pub(super) fn tell_ejected(&self, endpoint: &Endpoint) {
        tracing::warn!(
            service.peer.name = self.name.agency.as_str(),
            loket.system = self.name.system.as_str(),
            server.address = endpoint.address.host(),
            server.port = endpoint.address.port(),
            "an endpoint of an agency is left out for a while: it failed too often in a row"
        );
    }
}
