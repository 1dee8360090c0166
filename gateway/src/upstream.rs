//! Upstream: one agency's source. A question in, and the bytes of its answer out; or a caller's
//! request in, and the answer out as it comes. Else, why there is none.
//!
//! Each source has its own pools, its own limit and its own breaker, so one that hangs costs its own
//! budget only. Outermost first: single flight, hold, breaker, limit, hedge, retries, balance, pooled
//! mutual TLS.

mod ask;
mod balance;
mod breaker;
mod call;
mod connector;
mod endpoint;
mod envelope;
mod failure;
mod flight;
mod forward;
mod guard;
mod health;
mod limit;
mod load;
mod outgoing;
mod outlier;
mod pool;
mod stack;

use std::sync::Arc;
use std::time::Duration;

use loket_sdk::ids::{AgencyId, SystemId};
use loket_sdk::message::SourceName;
use rustls::ClientConfig;
use tower::retry::budget::TpsBudget;

use crate::directory::Backend;
use crate::telemetry::{BreakerState, Peer, Telemetry};
pub use ask::{Answered, Call};
use balance::Balance;
use breaker::Breaker;
use connector::Connector;
use endpoint::Endpoint;
pub use failure::Failure;
pub use forward::{Forward, Forwarded};
pub use guard::{Ended, Guard};
use limit::Limit;
pub use outgoing::{BoxError, Outbound, whole};
use stack::Stack;

/// What a request adds to the budget of retries counts for this long.
const BUDGET_TTL: Duration = Duration::from_secs(10);

/// A source with all that stands before it.
pub struct Upstream {
    stack: Arc<Stack>,
    lookups: ask::Settings,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.stack.name)
            .finish_non_exhaustive()
    }
}

impl Upstream {
    /// A source with empty pools.
    #[must_use]
    pub fn new(
        name: SourceName,
        backend: &Backend,
        trust_domain: &str,
        tls: &Arc<ClientConfig>,
        telemetry: Telemetry,
    ) -> Self {
        let peer = Peer::new(name.agency.as_str(), name.system.as_str());
        let metrics = telemetry.metrics();
        metrics.agency_limit(&peer, backend.max_in_flight.get() as u64);
        metrics.breaker_state(&peer, BreakerState::Closed);
        let connector = Connector::new(tls, backend, trust_domain, &name);
        let endpoints = backend.endpoints.iter().map(|url| {
            let (metrics, peer) = (metrics.clone(), peer.clone());
            Endpoint::new(url, backend, connector.clone(), metrics, peer)
        });
        let stack = Arc::new(Stack {
            endpoints: endpoints.collect(),
            balance: Balance::new(backend.health.is_some()),
            limit: Arc::new(Limit::new(backend)),
            breaker: Arc::new(Breaker::new(backend.breaker)),
            budget: budget(backend.retry_percent),
            flights: flight::Flights::default(),
            name,
            peer,
            telemetry,
        });
        health::watch(&stack, backend);
        let lookups = ask::Settings {
            timeout: backend.timeout,
            connect: backend.connect_timeout,
            hedge: backend.hedge_after,
            single_flight: backend.single_flight,
        };
        Self { stack, lookups }
    }

    /// Who it is.
    #[must_use]
    pub fn name(&self) -> &SourceName {
        &self.stack.name
    }

    /// The agency.
    #[must_use]
    pub fn agency(&self) -> &AgencyId {
        &self.stack.name.agency
    }

    /// Its system.
    #[must_use]
    pub fn system(&self) -> &SystemId {
        &self.stack.name.system
    }

    /// Asks for a record. A lookup only reads, so it may be asked again where that helps.
    ///
    /// # Errors
    /// Why there are no bytes of an answer.
    pub async fn ask(&self, call: &Call) -> Result<Answered, Failure> {
        ask::ask(&self.stack, self.lookups, call).await
    }
}

/// Retries and hedges as a share of the requests, and one a second for a quiet source.
fn budget(percent: u8) -> Option<TpsBudget> {
    let share = f32::from(percent.min(100)) / 100.0;
    (percent > 0).then(|| TpsBudget::new(BUDGET_TTL, 1, share))
}

#[cfg(test)]
mod tests;
