//! Every metric: what the rooms count and time, under the names of the telemetry contract.
//!
//! Label values are closed lists (`&'static str` and enums) or ids from configuration. Nothing a
//! caller wrote may get here: a purpose, a record or an agency is named only once it was found in
//! the configuration.

mod instruments;
mod labels;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, UpDownCounter};

use self::instruments::Instruments;
pub(super) use self::labels::ServerLabels;
pub use self::labels::{BreakerState, Decision, Peer, PeerAddress, RateScope, Resend};
use super::names as name;

/// A handle on all instruments; cloning it costs one counter.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Instruments>);

impl Metrics {
    pub(super) fn new(meter: &Meter, version: &str) -> Self {
        Self(Arc::new(Instruments::new(meter, version)))
    }

    /// A lookup ended. `purpose` is a configured one; `result` is `complete`, `partial`
    /// or `none`.
    pub fn lookup_finished(&self, purpose: &str, result: &'static str, elapsed: Duration) {
        self.0.lookup_duration.record(
            elapsed.as_secs_f64(),
            &[
                KeyValue::new(name::PURPOSE, purpose.to_owned()),
                KeyValue::new(name::RESULT, result),
            ],
        );
    }

    /// The first source of a lookup answered. `purpose` is a configured one.
    pub fn first_card(&self, purpose: &str, elapsed: Duration) {
        let labels = [KeyValue::new(name::PURPOSE, purpose.to_owned())];
        let seconds = elapsed.as_secs_f64();
        self.0.first_card_duration.record(seconds, &labels);
    }

    /// A call to an agency ended without an HTTP exchange of its own, such as one that the
    /// breaker refused. Calls with a [`ClientSpan`](super::ClientSpan) are counted by it.
    pub fn agency_call(
        &self,
        peer: &Peer,
        outcome: &'static str,
        error_type: Option<&'static str>,
        elapsed: Duration,
    ) {
        let mut all = Vec::with_capacity(4);
        all.extend(peer.labels());
        all.push(KeyValue::new(name::OUTCOME, outcome));
        all.extend(error_type.map(|word| KeyValue::new(name::ERROR_TYPE, word)));
        self.0.agency_duration.record(elapsed.as_secs_f64(), &all);
    }

    /// A call to the agency is under way until the guard drops.
    #[must_use = "the call counts as ended once this drops"]
    pub fn agency_in_flight(&self, peer: &Peer) -> InFlight {
        InFlight::new(&self.0.agency_in_flight, peer)
    }

    /// A call waits for its turn until the guard drops.
    #[must_use = "the wait counts as over once this drops"]
    pub fn agency_queued(&self, peer: &Peer) -> InFlight {
        InFlight::new(&self.0.agency_queued, peer)
    }

    /// A connection to the agency is open until the guard drops.
    #[must_use = "the connection counts as closed once this drops"]
    pub fn agency_connected(&self, peer: &Peer) -> InFlight {
        InFlight::new(&self.0.agency_connections, peer)
    }

    /// An endpoint of the agency is left out until the guard drops.
    #[must_use = "the endpoint counts as back once this drops"]
    pub fn agency_ejected(&self, peer: &Peer) -> InFlight {
        InFlight::new(&self.0.agency_ejected, peer)
    }

    /// A call was made again, or would have been.
    pub fn agency_resent(&self, peer: &Peer, why: Resend) {
        let [agency, system] = peer.labels();
        let labels = [agency, system, KeyValue::new(name::KIND, why.as_str())];
        self.0.agency_resends.add(1, &labels);
    }

    /// A question shares the answer to one that is under way.
    pub fn agency_shared(&self, peer: &Peer) {
        self.0.agency_shared.add(1, &peer.labels());
    }

    /// How many calls to the agency may be under way at the same time.
    pub fn agency_limit(&self, peer: &Peer, limit: u64) {
        self.0.agency_limit.record(limit, &peer.labels());
    }

    /// Where the agency's breaker stands now.
    pub fn breaker_state(&self, peer: &Peer, now: BreakerState) {
        for (state, word) in BreakerState::ALL {
            let [agency, system] = peer.labels();
            let labels = [agency, system, KeyValue::new(name::STATE, word)];
            self.0
                .agency_breaker
                .record(u64::from(state == now), &labels);
        }
    }

    /// A rate limit decided.
    pub fn rate_limited(&self, scope: RateScope, decision: Decision) {
        self.0.rate_decisions.add(
            1,
            &[
                KeyValue::new(name::SCOPE, scope.as_str()),
                KeyValue::new(name::DECISION, decision.as_str()),
            ],
        );
    }

    /// The grants decided. `purpose` is a configured one.
    pub fn policy_decided(&self, decision: Decision, purpose: &str) {
        self.0.policy_decisions.add(
            1,
            &[
                KeyValue::new(name::DECISION, decision.as_str()),
                KeyValue::new(name::PURPOSE, purpose.to_owned()),
            ],
        );
    }

    /// An agency's record and the claim disagree. `field` is a name from the record's schema.
    pub fn mismatch(&self, field: &str, agency: &str) {
        let field = KeyValue::new(name::FIELD, field.to_owned());
        self.0.mismatches.add(1, &[field, peer(agency)]);
    }

    /// An agency's answer breaks its schema, `person-identity/1` for example.
    pub fn schema_violated(&self, agency: &str, schema: &str) {
        let schema = KeyValue::new(name::SCHEMA, schema.to_owned());
        self.0.schema_violations.add(1, &[peer(agency), schema]);
    }

    /// An audit entry of this kind is durable.
    pub fn audit_recorded(&self, kind: &'static str) {
        self.0
            .audit_records
            .add(1, &[KeyValue::new(name::KIND, kind)]);
    }

    /// How many audit entries wait to be written.
    pub fn set_audit_queue(&self, waiting: usize) {
        self.0.audit_queue.record(waiting as u64, &[]);
    }

    /// The audit log couldn't be written.
    pub fn audit_write_failed(&self) {
        self.0.audit_write_failures.add(1, &[]);
    }

    /// A caller's TLS handshake ended.
    pub fn tls_handshake(&self, error_type: Option<&'static str>) {
        let result = error_type.unwrap_or("ok");
        let labels = [KeyValue::new(name::TLS_RESULT, result)];
        self.0.tls_handshakes.add(1, &labels);
    }

    /// A certificate in use ends at this Unix time. `subject` is its configured name.
    pub fn cert_not_after(&self, subject: &str, role: &'static str, unix_seconds: i64) {
        let labels = [
            KeyValue::new(name::SUBJECT, subject.to_owned()),
            KeyValue::new(name::ROLE, role),
        ];
        self.0.tls_cert_not_after.record(unix_seconds, &labels);
    }

    pub(super) fn server_started(&self, labels: &ServerLabels) {
        self.0.server_active.add(1, &labels.active());
    }

    pub(super) fn server_ended(
        &self,
        labels: &ServerLabels,
        status: Option<u16>,
        error_type: Option<&'static str>,
        elapsed: Duration,
    ) {
        self.0.server_active.add(-1, &labels.active());
        let [method, scheme] = labels.active();
        let mut all = Vec::with_capacity(6);
        all.extend([
            method,
            scheme,
            KeyValue::new(name::HTTP_ROUTE, labels.route),
            KeyValue::new(name::PROTOCOL_VERSION, labels.protocol_version),
        ]);
        all.extend(status.map(|code| KeyValue::new(name::HTTP_STATUS, i64::from(code))));
        all.extend(error_type.map(|word| KeyValue::new(name::ERROR_TYPE, word)));
        self.0.server_duration.record(elapsed.as_secs_f64(), &all);
    }

    pub(super) fn client_ended(
        &self,
        method: &'static str,
        address: &PeerAddress,
        status: Option<u16>,
        error_type: Option<&'static str>,
        elapsed: Duration,
    ) {
        let mut all = Vec::with_capacity(5);
        all.extend([
            KeyValue::new(name::HTTP_METHOD, method),
            KeyValue::new(name::SERVER_ADDRESS, Arc::clone(&address.host)),
            KeyValue::new(name::SERVER_PORT, i64::from(address.port)),
        ]);
        all.extend(status.map(|code| KeyValue::new(name::HTTP_STATUS, i64::from(code))));
        all.extend(error_type.map(|word| KeyValue::new(name::ERROR_TYPE, word)));
        self.0.client_duration.record(elapsed.as_secs_f64(), &all);
    }

    pub(super) fn agency_succeeded(&self, peer: &Peer) {
        self.0
            .agency_last_success
            .record(unix_now(), &peer.labels());
    }
}

/// Something that is counted as long as it lasts.
#[derive(Debug)]
pub struct InFlight {
    counter: UpDownCounter<i64>,
    labels: [KeyValue; 2],
}

impl InFlight {
    fn new(counter: &UpDownCounter<i64>, peer: &Peer) -> Self {
        let labels = peer.labels();
        counter.add(1, &labels);
        Self {
            counter: counter.clone(),
            labels,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.counter.add(-1, &self.labels);
    }
}

fn peer(agency: &str) -> KeyValue {
    KeyValue::new(name::PEER, agency.to_owned())
}

fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
