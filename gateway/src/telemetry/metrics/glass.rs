//! What is counted of lookups that break the glass.

use loket_sdk::message::Ground;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Meter};

use super::Metrics;
use crate::telemetry::names as name;

#[derive(Debug)]
pub(super) struct Glass {
    broken: Counter<u64>,
    overdue: Gauge<u64>,
}

impl Glass {
    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            broken: meter
                .u64_counter(name::BREAK_GLASS)
                .with_description("Lookups that were let through by their break-glass.")
                .build(),
            overdue: meter
                .u64_gauge(name::BREAK_GLASS_OVERDUE)
                .with_description("Of those, how many no second person approved in time.")
                .build(),
        }
    }
}

impl Metrics {
    /// A lookup is let through by its break-glass.
    pub fn glass_broken(&self, ground: Ground) {
        let labels = [KeyValue::new(name::GROUND, ground.as_str())];
        self.0.instruments.glass.broken.add(1, &labels);
    }

    /// How many wait for a second person for too long.
    pub fn set_glass_overdue(&self, overdue: usize) {
        self.0.instruments.glass.overdue.record(overdue as u64, &[]);
    }
}
