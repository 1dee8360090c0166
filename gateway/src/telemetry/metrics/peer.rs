//! The metrics of one agency, and of one of its addresses.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundGauge, BoundHistogram, BoundUpDownCounter};

use super::family::Family;
use super::instruments::Instruments;
use super::labels::HttpEnd;
use crate::telemetry::names as name;

/// One agency's.
#[derive(Debug)]
pub(in crate::telemetry) struct Agency {
    name: Arc<str>,
    instruments: Arc<Instruments>,
    in_flight: OnceLock<BoundUpDownCounter<i64>>,
    last_success: OnceLock<BoundGauge<u64>>,
    durations: Family<(&'static str, Option<&'static str>), BoundHistogram<f64>>,
}

impl Agency {
    pub(super) fn new(name: &str, instruments: Arc<Instruments>) -> Self {
        Self {
            name: name.into(),
            instruments,
            in_flight: OnceLock::new(),
            last_success: OnceLock::new(),
            durations: Family::default(),
        }
    }

    pub(in crate::telemetry) fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn peer(&self) -> KeyValue {
        KeyValue::new(name::PEER, Arc::clone(&self.name))
    }

    pub(super) fn in_flight(&self, change: i64) {
        let bind = || self.instruments.agency_in_flight.bind(&[self.peer()]);
        self.in_flight.get_or_init(bind).add(change);
    }

    pub(in crate::telemetry) fn succeeded(&self) {
        let bind = || self.instruments.agency_last_success.bind(&[self.peer()]);
        self.last_success.get_or_init(bind).record(unix_now());
    }

    pub(in crate::telemetry) fn called(
        &self,
        outcome: &'static str,
        error_type: Option<&'static str>,
        elapsed: Duration,
    ) {
        let bind = || {
            let mut labels = vec![self.peer(), KeyValue::new(name::OUTCOME, outcome)];
            labels.extend(error_type.map(|word| KeyValue::new(name::ERROR_TYPE, word)));
            self.instruments.agency_duration.bind(&labels)
        };
        self.durations.of((outcome, error_type), bind, |duration| {
            duration.record(elapsed.as_secs_f64());
        });
    }
}

/// One address of an agency.
#[derive(Debug)]
pub(in crate::telemetry) struct Peer {
    agency: Arc<Agency>,
    address: Arc<str>,
    port: u16,
    durations: Family<HttpEnd, BoundHistogram<f64>>,
}

impl Peer {
    pub(super) fn new(agency: Arc<Agency>, address: &str, port: u16) -> Self {
        Self {
            agency,
            address: address.into(),
            port,
            durations: Family::default(),
        }
    }

    pub(in crate::telemetry) fn agency(&self) -> &Agency {
        &self.agency
    }

    pub(in crate::telemetry) fn address(&self) -> &Arc<str> {
        &self.address
    }

    pub(in crate::telemetry) fn port(&self) -> u16 {
        self.port
    }

    pub(in crate::telemetry) fn exchanged(&self, end: HttpEnd, elapsed: Duration) {
        let bind = || {
            let mut labels = vec![
                KeyValue::new(name::HTTP_METHOD, "POST"),
                KeyValue::new(name::SERVER_ADDRESS, Arc::clone(&self.address)),
                KeyValue::new(name::SERVER_PORT, i64::from(self.port)),
            ];
            labels.extend(end.labels());
            self.agency.instruments.client_duration.bind(&labels)
        };
        self.durations.of(end, bind, |duration| {
            duration.record(elapsed.as_secs_f64());
        });
    }
}

pub(super) fn unix_now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
