//! What is counted of reloads, and what they bring that ends.

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Meter};

use super::Metrics;
use super::peer::unix_now;
use crate::telemetry::names as name;

#[derive(Debug)]
pub(super) struct Reloads {
    count: Counter<u64>,
    success: Gauge<u64>,
    time: Gauge<u64>,
    crl_next_update: Gauge<i64>,
}

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// It is in force.
    Applied,
    /// It is wrong, or needs a restart; the old one stays.
    Refused,
}

impl Reloads {
    pub(super) fn new(meter: &Meter) -> Self {
        let gauge = |name, about| meter.u64_gauge(name).with_description(about);
        Self {
            count: meter
                .u64_counter(name::CONFIG_RELOADS)
                .with_description("Reloads of the configuration.")
                .build(),
            success: gauge(
                name::CONFIG_LAST_RELOAD_SUCCESS,
                "1 if what is configured is in force, 0 if the last reload was refused.",
            )
            .build(),
            time: gauge(
                name::CONFIG_LAST_RELOAD_TIME,
                "When the configuration in force was loaded, in Unix time.",
            )
            .with_unit("s")
            .build(),
            crl_next_update: meter
                .i64_gauge(name::TLS_CRL_NEXT_UPDATE)
                .with_description(
                    "When the first revocation list must have been replaced, in Unix time; 0 without lists.",
                )
                .with_unit("s")
                .build(),
        }
    }
}

impl Metrics {
    /// The configuration that the process began with is in force.
    pub fn config_loaded(&self) {
        let reloads = &self.0.instruments.reloads;
        reloads.success.record(1, &[]);
        reloads.time.record(unix_now(), &[]);
    }

    /// A revocation list in use must be replaced by this Unix time, and no other before; none is
    /// told as 0.
    pub fn crl_next_update(&self, role: &'static str, unix_seconds: Option<i64>) {
        let labels = [KeyValue::new(name::ROLE, role)];
        let gauge = &self.0.instruments.reloads.crl_next_update;
        gauge.record(unix_seconds.unwrap_or_default(), &labels);
    }

    /// A reload ended.
    pub fn config_reloaded(&self, result: Reloaded) {
        let word = match result {
            Reloaded::Applied => "applied",
            Reloaded::Refused => "refused",
        };
        let reloads = &self.0.instruments.reloads;
        reloads
            .count
            .add(1, &[KeyValue::new(name::RELOAD_RESULT, word)]);
        match result {
            Reloaded::Applied => self.config_loaded(),
            Reloaded::Refused => reloads.success.record(0, &[]),
        }
    }
}
