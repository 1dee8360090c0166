//! Routed calls: who called which service, what became of it, how much went by.

use std::cmp::Ordering;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{BoundCounter, Counter, Meter};

use super::Metrics;
use super::family::Family;
use crate::telemetry::names as name;

#[derive(Debug)]
pub(super) struct Calls {
    ended: Counter<u64>,
    body: Counter<u64>,
    of_outcome: Family<(&'static str, Line), BoundCounter<u64>>,
    /// Of callers' bodies and of services'.
    bodies: Family<Line, [BoundCounter<u64>; 2]>,
}

/// A routed call that has ended, by names from the configuration.
#[derive(Debug, Clone, Copy)]
pub struct EndedCall<'a> {
    /// Who called.
    pub consumer: &'a str,
    /// Whose service.
    pub agency: &'a str,
    /// Which.
    pub service: &'a str,
    /// The word of the audit entry.
    pub outcome: &'static str,
    /// Bytes of the caller's body that went by.
    pub request: u64,
    /// Bytes of the service's body that went by.
    pub response: u64,
}

/// Consumer, agency, service.
type Line = [Arc<str>; 3];

impl EndedCall<'_> {
    fn names(&self) -> [&str; 3] {
        [self.consumer, self.agency, self.service]
    }

    fn order(&self, line: &Line) -> Ordering {
        line.iter().map(|name| &**name).cmp(self.names())
    }

    fn line(&self) -> Line {
        self.names().map(Arc::from)
    }
}

fn labels(line: &Line) -> [KeyValue; 3] {
    let [consumer, agency, service] = line.clone();
    [
        KeyValue::new(name::MEMBER, consumer),
        KeyValue::new(name::PEER, agency),
        KeyValue::new(name::SERVICE, service),
    ]
}

impl Calls {
    pub(super) fn new(meter: &Meter) -> Self {
        let ended = meter.u64_counter(name::CALLS);
        let body = meter.u64_counter(name::CALL_BODY).with_unit("By");
        Self {
            ended: ended.with_description("Routed calls by outcome.").build(),
            body: body
                .with_description("Bytes of bodies that routed calls passed on.")
                .build(),
            of_outcome: Family::default(),
            bodies: Family::default(),
        }
    }
}

impl Metrics {
    /// A routed call that a grant names has ended.
    pub fn call_ended(&self, call: &EndedCall<'_>) {
        let calls = &self.0.instruments.calls;
        calls.of_outcome.with(
            |(word, line)| (*word).cmp(call.outcome).then_with(|| call.order(line)),
            || {
                let line = call.line();
                let mut labels = labels(&line).to_vec();
                labels.push(KeyValue::new(name::OUTCOME, call.outcome));
                ((call.outcome, line), calls.ended.bind(&labels))
            },
            |ended| ended.add(1),
        );
        if call.request == 0 && call.response == 0 {
            return;
        }
        calls.bodies.with(
            |line| call.order(line),
            || {
                let line = call.line();
                let of = |whose| {
                    let mut labels = labels(&line).to_vec();
                    labels.push(KeyValue::new(name::DIRECTION, whose));
                    calls.body.bind(&labels)
                };
                let both = ["request", "response"].map(of);
                (line, both)
            },
            |[request, response]| {
                request.add(call.request);
                response.add(call.response);
            },
        );
    }
}
