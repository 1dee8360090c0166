//! The instruments: type, unit, buckets and description of every metric.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, UpDownCounter};

use super::audit::AuditLog;
use super::calls::Calls;
use super::connections::Connections;
use super::glass::Glass;
use super::reloads::Reloads;
use crate::telemetry::names as name;

/// The buckets that the semantic conventions advise, in seconds.
pub(in crate::telemetry) const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Beyond ten seconds only an agency can be that slow.
pub(in crate::telemetry) const SLOWER_SECONDS: [f64; 16] = {
    let mut all = [0.0; 16];
    let mut at = 0;
    while at < SECONDS.len() {
        all[at] = SECONDS[at];
        at += 1;
    }
    all[14] = 15.0;
    all[15] = 30.0;
    all
};
/// Histograms that have exemplars, and the names under which Prometheus has them.
pub(in crate::telemetry) const HISTOGRAMS: [(&str, &str); 4] = [
    (
        name::SERVER_DURATION,
        "http_server_request_duration_seconds",
    ),
    (
        name::CLIENT_DURATION,
        "http_client_request_duration_seconds",
    ),
    (name::LOOKUP_DURATION, "loket_lookup_duration_seconds"),
    (name::AGENCY_DURATION, "loket_agency_call_duration_seconds"),
];

#[derive(Debug)]
pub(super) struct Instruments {
    pub(super) server_duration: Histogram<f64>,
    pub(super) server_active: UpDownCounter<i64>,
    pub(super) client_duration: Histogram<f64>,
    pub(super) lookup_duration: Histogram<f64>,
    pub(super) first_card_duration: Histogram<f64>,
    pub(super) agency_duration: Histogram<f64>,
    pub(super) agency_in_flight: UpDownCounter<i64>,
    pub(super) agency_limit: Gauge<u64>,
    pub(super) agency_breaker: Gauge<u64>,
    pub(super) agency_last_success: Gauge<u64>,
    pub(super) agency_connections: UpDownCounter<i64>,
    pub(super) agency_ejected: UpDownCounter<i64>,
    pub(super) agency_queued: UpDownCounter<i64>,
    pub(super) agency_resends: Counter<u64>,
    pub(super) agency_shared: Counter<u64>,
    pub(super) replay: Counter<u64>,
    pub(super) replay_keeps: Gauge<u64>,
    pub(super) rate_decisions: Counter<u64>,
    pub(super) policy_decisions: Counter<u64>,
    pub(super) mismatches: Counter<u64>,
    pub(super) schema_violations: Counter<u64>,
    pub(super) audit_records: Counter<u64>,
    pub(super) quota_used: Gauge<f64>,
    pub(super) audit_queue: Gauge<u64>,
    pub(super) audit_index_behind: Gauge<u64>,
    pub(super) audit_log: AuditLog,
    pub(super) audit_write_failures: Counter<u64>,
    pub(super) audit_witnessed: Gauge<u64>,
    pub(super) audit_witness_failures: Counter<u64>,
    pub(super) calls: Calls,
    pub(super) connections: Connections,
    pub(super) glass: Glass,
    pub(super) reloads: Reloads,
    pub(super) tls_handshakes: Counter<u64>,
    pub(super) tls_cert_not_after: Gauge<i64>,
}

impl Instruments {
    pub(super) fn new(meter: &Meter, version: &str) -> Self {
        let seconds = |name, about, bounds: &[f64]| {
            meter
                .f64_histogram(name)
                .with_description(about)
                .with_unit("s")
                .with_boundaries(bounds.to_vec())
                .build()
        };
        let counter = |name, about| meter.u64_counter(name).with_description(about).build();
        let gauge = |name, about| meter.u64_gauge(name).with_description(about).build();
        let time = |name, about| {
            let gauge = meter.u64_gauge(name).with_description(about);
            gauge.with_unit("s").build()
        };
        let level = |name, about| {
            let counter = meter.i64_up_down_counter(name).with_description(about);
            counter.build()
        };
        gauge(name::BUILD_INFO, "1, with the running version.")
            .record(1, &[KeyValue::new(name::VERSION, version.to_owned())]);

        Self {
            server_duration: seconds(
                name::SERVER_DURATION,
                "Duration of HTTP server requests.",
                &SECONDS,
            ),
            server_active: level(name::SERVER_ACTIVE, "HTTP server requests being worked on."),
            client_duration: seconds(
                name::CLIENT_DURATION,
                "Duration of HTTP client requests.",
                &SLOWER_SECONDS,
            ),
            lookup_duration: seconds(
                name::LOOKUP_DURATION,
                "Duration of lookups, from the request to the last source.",
                &SLOWER_SECONDS,
            ),
            first_card_duration: seconds(
                name::FIRST_CARD_DURATION,
                "Time from the request to the first source's result.",
                &SLOWER_SECONDS,
            ),
            agency_duration: seconds(
                name::AGENCY_DURATION,
                "Duration of calls to agencies by outcome.",
                &SLOWER_SECONDS,
            ),
            agency_in_flight: level(name::AGENCY_IN_FLIGHT, "Calls to the agency under way."),
            agency_limit: gauge(
                name::AGENCY_LIMIT,
                "Calls to the agency allowed at the same time.",
            ),
            agency_breaker: gauge(name::AGENCY_BREAKER, "1 for the breaker's present state."),
            agency_last_success: time(
                name::AGENCY_LAST_SUCCESS,
                "When the agency last answered as agreed, in Unix time.",
            ),
            agency_connections: level(name::AGENCY_CONNECTIONS, "Connections to the agency."),
            agency_ejected: level(
                name::AGENCY_EJECTED,
                "Endpoints of the agency that are left out because they failed.",
            ),
            agency_queued: level(
                name::AGENCY_QUEUED,
                "Calls that wait until the agency may take another.",
            ),
            agency_resends: counter(
                name::AGENCY_RESENDS,
                "Calls made again: stale connection, retry, hedge; or not for want of budget.",
            ),
            agency_shared: counter(
                name::AGENCY_SHARED,
                "Questions that shared the answer to one already under way.",
            ),
            replay: counter(
                name::REPLAY,
                "Lookups whose request_id had come before, and kept answers that count for nothing.",
            ),
            replay_keeps: gauge(
                name::REPLAY_KEEPS,
                "1 while answers can be kept to be given again, 0 while their disk fails.",
            ),
            rate_decisions: counter(name::RATE_DECISIONS, "Decisions of the rate limits."),
            policy_decisions: counter(name::POLICY_DECISIONS, "Decisions of the grants."),
            mismatches: counter(
                name::MISMATCH,
                "Fields on which an agency and the claim disagree.",
            ),
            schema_violations: counter(name::SCHEMA_VIOLATIONS, "Answers that break their schema."),
            quota_used: meter
                .f64_gauge(name::QUOTA_USED)
                .with_description("Share of today's questions that a grant has used.")
                .with_unit("1")
                .build(),
            audit_records: counter(name::AUDIT_RECORDS, "Audit entries made durable."),
            audit_queue: gauge(name::AUDIT_QUEUE, "Audit entries waiting to be written."),
            audit_index_behind: gauge(
                name::AUDIT_INDEX_BEHIND,
                "Audit entries that the index by subject hasn't taken in.",
            ),
            audit_log: AuditLog::new(meter),
            audit_write_failures: counter(
                name::AUDIT_WRITE_FAILURES,
                "Writes to the audit log that failed.",
            ),
            audit_witnessed: gauge(
                name::AUDIT_WITNESSED,
                "Entries of the largest tree that the witness has cosigned.",
            ),
            audit_witness_failures: counter(
                name::AUDIT_WITNESS_FAILURES,
                "Checkpoints that the witness was shown and didn't cosign.",
            ),
            calls: Calls::new(meter),
            connections: Connections::new(meter),
            glass: Glass::new(meter),
            reloads: Reloads::new(meter),
            tls_handshakes: counter(name::TLS_HANDSHAKES, "TLS handshakes with callers."),
            tls_cert_not_after: meter
                .i64_gauge(name::TLS_CERT_NOT_AFTER)
                .with_description("When the certificate ends, in Unix time.")
                .with_unit("s")
                .build(),
        }
    }
}
