//! Every metric: what the rooms count and time, under the names of the telemetry contract.
//!
//! Label values are closed lists (`&'static str` and enums) or ids from configuration. Nothing a
//! caller wrote may get here: a purpose, a record or an agency is named only once it was found in
//! the configuration.
//!
//! What every request counts goes through a [`Family`], so that it costs neither a lock nor an
//! allocation.

mod audit;
mod calls;
mod connections;
mod family;
mod glass;
mod instruments;
mod labels;
mod peer;
mod process;
mod reloads;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundCounter, BoundHistogram, BoundUpDownCounter, Meter};

pub use self::calls::EndedCall;
pub use self::connections::{Ending, Handshaking, Open, Refused, Shed};
use self::family::Family;
use self::instruments::Instruments;
pub(super) use self::instruments::{HISTOGRAMS, SECONDS, SLOWER_SECONDS};
use self::labels::ServerKey;
pub use self::labels::{BreakerState, Decision, RateScope, Replayed, Resend};
pub(super) use self::labels::{HttpEnd, ServerLabels};
pub use self::peer::{InFlight, Peer, PeerAddress};
pub use self::reloads::Reloaded;
use super::names as name;

/// A handle on all instruments; cloning it costs one counter.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    instruments: Instruments,
    server_active: Family<(&'static str, &'static str), BoundUpDownCounter<i64>>,
    server_durations: Family<ServerKey, BoundHistogram<f64>>,
    lookups: Family<(&'static str, Arc<str>), BoundHistogram<f64>>,
    first_cards: Family<Arc<str>, BoundHistogram<f64>>,
    rate_decisions: Family<(RateScope, Decision), BoundCounter<u64>>,
    policy_decisions: Family<(Decision, Arc<str>), BoundCounter<u64>>,
    audit_records: Family<&'static str, BoundCounter<u64>>,
}

impl Metrics {
    pub(super) fn new(meter: &Meter, version: &str) -> Self {
        process::observe(meter);
        Self(Arc::new(Shared {
            instruments: Instruments::new(meter, version),
            server_active: Family::default(),
            server_durations: Family::default(),
            lookups: Family::default(),
            first_cards: Family::default(),
            rate_decisions: Family::default(),
            policy_decisions: Family::default(),
            audit_records: Family::default(),
        }))
    }

    /// A lookup ended. `purpose` is a configured one; `result` is `complete`, `partial`
    /// or `none`.
    pub fn lookup_finished(&self, purpose: &str, result: &'static str, elapsed: Duration) {
        self.0.lookups.with(
            |(word, other)| (*word, &**other).cmp(&(result, purpose)),
            || {
                let labels = lookup_labels(purpose, result);
                let bound = self.0.instruments.lookup_duration.bind(&labels);
                ((result, purpose.into()), bound)
            },
            |duration| duration.record(elapsed.as_secs_f64()),
        );
    }

    /// The first source of a lookup answered. `purpose` is a configured one.
    pub fn first_card(&self, purpose: &str, elapsed: Duration) {
        self.0.first_cards.with(
            |other| (**other).cmp(purpose),
            || {
                let labels = [KeyValue::new(name::PURPOSE, purpose.to_owned())];
                let bound = self.0.instruments.first_card_duration.bind(&labels);
                (purpose.into(), bound)
            },
            |duration| duration.record(elapsed.as_secs_f64()),
        );
    }

    /// How many calls to the agency may be under way at the same time.
    pub fn agency_limit(&self, peer: &Peer, limit: u64) {
        let limits = &self.0.instruments.agency_limit;
        limits.record(limit, &peer.labels());
    }

    /// Where the agency's breaker stands now.
    pub fn breaker_state(&self, peer: &Peer, now: BreakerState) {
        for (state, word) in BreakerState::ALL {
            let [agency, system] = peer.labels();
            let labels = [agency, system, KeyValue::new(name::STATE, word)];
            let stands = u64::from(state == now);
            self.0.instruments.agency_breaker.record(stands, &labels);
        }
    }

    /// What became of ids that came again or were known. Rare, so that its labels may be made anew.
    pub fn replay(&self, outcome: Replayed, count: u64) {
        let labels = [KeyValue::new(name::OUTCOME, outcome.as_str())];
        self.0.instruments.replay.add(count, &labels);
    }

    /// Whether answers can be kept to be given again.
    pub fn set_replay_keeps(&self, keeps: bool) {
        self.0.instruments.replay_keeps.record(keeps.into(), &[]);
    }

    /// A rate limit decided.
    pub fn rate_limited(&self, scope: RateScope, decision: Decision) {
        let bind = || {
            self.0.instruments.rate_decisions.bind(&[
                KeyValue::new(name::SCOPE, scope.as_str()),
                KeyValue::new(name::DECISION, decision.as_str()),
            ])
        };
        let decisions = &self.0.rate_decisions;
        decisions.of((scope, decision), bind, |counter| counter.add(1));
    }

    /// The grants decided. `purpose` is a configured one; a routed call has none.
    pub fn policy_decided(&self, decision: Decision, purpose: Option<&str>) {
        let key = purpose.unwrap_or_default();
        self.0.policy_decisions.with(
            |(word, other)| (*word, &**other).cmp(&(decision, key)),
            || {
                let mut labels = vec![KeyValue::new(name::DECISION, decision.as_str())];
                labels.extend(purpose.map(|word| KeyValue::new(name::PURPOSE, word.to_owned())));
                let bound = self.0.instruments.policy_decisions.bind(&labels);
                ((decision, key.into()), bound)
            },
            |counter| counter.add(1),
        );
    }

    /// An agency's record and the claim disagree. `field` is a name from the record's schema.
    pub fn mismatch(&self, field: &str, agency: &str) {
        let field = KeyValue::new(name::FIELD, field.to_owned());
        self.0.instruments.mismatches.add(1, &[field, peer(agency)]);
    }

    /// An agency's answer breaks its schema, `person-identity/1` for example.
    pub fn schema_violated(&self, agency: &str, schema: &str) {
        let schema = KeyValue::new(name::SCHEMA, schema.to_owned());
        let labels = [peer(agency), schema];
        self.0.instruments.schema_violations.add(1, &labels);
    }

    /// An audit entry of this kind is durable.
    pub fn audit_recorded(&self, kind: &'static str) {
        let bind = || {
            let labels = [KeyValue::new(name::KIND, kind)];
            self.0.instruments.audit_records.bind(&labels)
        };
        let records = &self.0.audit_records;
        records.of(kind, bind, |counter| counter.add(1));
    }

    /// How much of today's questions a grant has used, from 0 to 1. The grant is a configured one.
    pub fn quota_used(&self, grant: &str, share: f64) {
        let labels = [KeyValue::new(name::GRANT, grant.to_owned())];
        self.0.instruments.quota_used.record(share, &labels);
    }

    /// How many audit entries wait to be written.
    pub fn set_audit_queue(&self, waiting: usize) {
        self.0.instruments.audit_queue.record(waiting as u64, &[]);
    }

    /// How many audit entries the index by subject hasn't taken in.
    pub fn set_audit_index_behind(&self, behind: u64) {
        self.0.instruments.audit_index_behind.record(behind, &[]);
    }

    /// A witness, one of those configured, was shown a tree of so many entries, and cosigned it or not.
    pub fn witnessed(&self, witness: &str, size: u64, cosigned: bool) {
        let labels = [KeyValue::new(name::WITNESS, witness.to_owned())];
        let instruments = &self.0.instruments;
        if cosigned {
            instruments.audit_witnessed.record(size, &labels);
        } else {
            instruments.audit_witness_failures.add(1, &labels);
        }
    }

    /// The audit log couldn't be written.
    pub fn audit_write_failed(&self) {
        self.0.instruments.audit_write_failures.add(1, &[]);
    }

    /// A caller's TLS handshake ended.
    pub fn tls_handshake(&self, error_type: Option<&'static str>) {
        let result = error_type.unwrap_or("ok");
        let labels = [KeyValue::new(name::TLS_RESULT, result)];
        self.0.instruments.tls_handshakes.add(1, &labels);
    }

    /// A certificate in use ends at this Unix time. `subject` is its configured name.
    pub fn cert_not_after(&self, subject: &str, role: &'static str, unix_seconds: i64) {
        let labels = [
            KeyValue::new(name::SUBJECT, subject.to_owned()),
            KeyValue::new(name::ROLE, role),
        ];
        let gauge = &self.0.instruments.tls_cert_not_after;
        gauge.record(unix_seconds, &labels);
    }

    pub(super) fn server_started(&self, labels: &ServerLabels) {
        self.server_active(labels, 1);
    }

    pub(super) fn server_ended(&self, labels: &ServerLabels, end: HttpEnd, elapsed: Duration) {
        self.server_active(labels, -1);
        let bind = || self.0.instruments.server_duration.bind(&labels.ended(end));
        let durations = &self.0.server_durations;
        durations.of(labels.key(end), bind, |duration| {
            duration.record(elapsed.as_secs_f64());
        });
    }

    fn server_active(&self, labels: &ServerLabels, change: i64) {
        let bind = || self.0.instruments.server_active.bind(&labels.active());
        let active = &self.0.server_active;
        active.of((labels.method, labels.scheme), bind, |active| {
            active.add(change);
        });
    }
}

pub(super) fn lookup_labels(purpose: &str, result: &'static str) -> [KeyValue; 2] {
    [
        KeyValue::new(name::PURPOSE, purpose.to_owned()),
        KeyValue::new(name::RESULT, result),
    ]
}

fn peer(agency: &str) -> KeyValue {
    KeyValue::new(name::PEER, agency.to_owned())
}
