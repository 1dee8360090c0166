//! How the audit log is doing, beyond what waits to be written.

use opentelemetry::metrics::{Gauge, Meter};

use super::Metrics;
use crate::telemetry::names as name;

#[derive(Debug)]
pub(super) struct AuditLog {
    lost: Gauge<u64>,
    unsealed: Gauge<u64>,
    sealing_fails: Gauge<u64>,
    last_checkpoint: Gauge<u64>,
}

impl AuditLog {
    pub(super) fn new(meter: &Meter) -> Self {
        let gauge = |name, about| meter.u64_gauge(name).with_description(about);
        Self {
            lost: gauge(
                name::AUDIT_LOST,
                "Audit entries without a waiting caller that were given up.",
            )
            .build(),
            unsealed: gauge(
                name::AUDIT_UNSEALED,
                "Bytes of audit entries that aren't in bundles yet.",
            )
            .with_unit("By")
            .build(),
            sealing_fails: gauge(
                name::AUDIT_SEALING_FAILS,
                "1 while audit entries can't be moved into bundles.",
            )
            .build(),
            last_checkpoint: gauge(
                name::AUDIT_LAST_CHECKPOINT,
                "When the newest checkpoint was signed, in Unix time.",
            )
            .with_unit("s")
            .build(),
        }
    }
}

impl Metrics {
    /// How many entries were given up, how many bytes wait for bundles, and whether they can't get there.
    pub fn set_audit_log(&self, lost: u64, unsealed: u64, sealing_fails: bool) {
        let log = &self.0.instruments.audit_log;
        log.lost.record(lost, &[]);
        log.unsealed.record(unsealed, &[]);
        log.sealing_fails.record(sealing_fails.into(), &[]);
    }

    /// When the newest checkpoint was signed, in seconds of Unix time.
    pub fn set_audit_last_checkpoint(&self, at: u64) {
        self.0.instruments.audit_log.last_checkpoint.record(at, &[]);
    }
}
