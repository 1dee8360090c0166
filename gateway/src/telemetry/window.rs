//! The window: what was counted in, over time; rates, failures and quantiles of the last minutes out, per
//! agency's system and of lookups.
//!
//! Totals are kept every ten seconds for five minutes and every minute for an hour. A window is the difference
//! of two of them, as of any counter.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use prometheus::proto::{Metric, MetricFamily};
use serde::Serialize;
use tokio::time::Instant;

/// How often totals are to be taken.
pub const EVERY: Duration = Duration::from_secs(10);
/// Totals that are kept at that distance, and those a minute apart.
const FINE: usize = 31;
const COARSE: usize = 61;
const MINUTE: Duration = Duration::from_secs(60);

/// Totals of the last hour.
#[derive(Debug, Default)]
pub(super) struct Window {
    fine: VecDeque<Totals>,
    coarse: VecDeque<Totals>,
}

/// What was counted up to a moment.
#[derive(Clone, Debug)]
pub(super) struct Totals {
    at: Instant,
    systems: BTreeMap<(String, String), Line>,
    lookups: Line,
}

/// Calls to a system, or lookups, since the process began.
#[derive(Clone, Debug, Default)]
struct Line {
    calls: u64,
    /// By `error.type`, or by result if it isn't `complete`.
    failures: BTreeMap<String, u64>,
    /// By upper bound in seconds, each without those below it.
    buckets: Vec<(f64, u64)>,
}

/// How calls went over a window.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rates {
    /// Seconds that the window has: fewer than asked for after a start.
    pub window_s: f64,
    /// Calls.
    pub calls: u64,
    /// Calls a minute.
    pub per_minute: f64,
    /// Calls that failed. An honest "no such record" is none.
    pub failed: u64,
    /// How often each failure.
    pub failures: BTreeMap<String, u64>,
    /// Milliseconds within which half the calls ended; nothing if there were none.
    pub p50_ms: Option<f64>,
    /// 95 of a hundred.
    pub p95_ms: Option<f64>,
    /// 99 of a hundred.
    pub p99_ms: Option<f64>,
}

/// How an agency's system does.
#[derive(Clone, Debug, Serialize)]
pub struct AgencyView {
    /// The agency.
    pub agency: String,
    /// Its system.
    pub system: String,
    /// `closed`, `half_open` or `open`; nothing before the first call.
    pub breaker: Option<String>,
    /// Calls under way.
    pub in_flight: u64,
    /// Calls that may be.
    pub limit: Option<u64>,
    /// When it last answered as agreed, in seconds of Unix time.
    pub last_success: Option<u64>,
    /// Over the window.
    #[serde(flatten)]
    pub rates: Rates,
    /// Calls of each minute of the last hour, the latest last.
    pub minutes: Vec<u64>,
}

impl Totals {
    /// Reads what a registry has gathered.
    pub(super) fn of(families: &[MetricFamily], at: Instant) -> Self {
        let mut totals = Self {
            at,
            systems: BTreeMap::new(),
            lookups: Line::default(),
        };
        for metric in all(families, "loket_agency_call_duration_seconds") {
            let line = totals.systems.entry(system(metric)).or_default();
            // What a service answers to its caller is no failure.
            let answered = label(metric, "loket_outcome") == Some("answered");
            let failure = label(metric, "error_type").filter(|_| !answered);
            line.add(metric, failure);
        }
        for metric in all(families, "loket_lookup_duration_seconds") {
            let result = label(metric, "loket_result").filter(|result| *result != "complete");
            totals.lookups.add(metric, result);
        }
        totals
    }
}

impl Line {
    fn add(&mut self, metric: &Metric, failure: Option<&str>) {
        let histogram = metric.get_histogram();
        let count = histogram.get_sample_count();
        self.calls += count;
        if let Some(failure) = failure {
            *self.failures.entry(failure.to_owned()).or_default() += count;
        }
        let buckets = histogram.get_bucket().iter();
        let finite = buckets.filter(|bucket| bucket.upper_bound().is_finite());
        let mut below = 0;
        let each = finite
            .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
            .chain([(f64::INFINITY, count)]);
        for (at, (bound, cumulative)) in each.enumerate() {
            if self.buckets.len() <= at {
                self.buckets.push((bound, 0));
            }
            self.buckets[at].1 += cumulative.saturating_sub(below);
            below = cumulative;
        }
    }

    fn since(&self, before: Option<&Self>, window: Duration) -> Rates {
        let nothing = Self::default();
        let before = before.unwrap_or(&nothing);
        let calls = self.calls.saturating_sub(before.calls);
        let failures: BTreeMap<String, u64> = self
            .failures
            .iter()
            .map(|(failure, count)| {
                let earlier = before.failures.get(failure).copied().unwrap_or_default();
                (failure.clone(), count.saturating_sub(earlier))
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        let buckets: Vec<(f64, u64)> = self
            .buckets
            .iter()
            .enumerate()
            .map(|(at, (bound, count))| {
                let earlier = before.buckets.get(at).map_or(0, |(_, count)| *count);
                (*bound, count.saturating_sub(earlier))
            })
            .collect();
        let quantile =
            |share| quantile(&buckets, share).map(|seconds| (seconds * 1e4).round() / 10.0);
        let seconds = window.as_secs_f64();
        Rates {
            window_s: seconds.round(),
            calls,
            per_minute: if seconds > 0.0 {
                calls as f64 * 60.0 / seconds
            } else {
                0.0
            },
            failed: failures.values().sum(),
            failures,
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
        }
    }
}

/// As Prometheus' `histogram_quantile`: evenly within a bucket, and the last bound for what is beyond it.
fn quantile(buckets: &[(f64, u64)], share: f64) -> Option<f64> {
    let all: u64 = buckets.iter().map(|(_, count)| count).sum();
    if all == 0 {
        return None;
    }
    let rank = share * all as f64;
    let (mut below, mut from) = (0_u64, 0.0);
    for (bound, count) in buckets {
        let upto = below + count;
        if upto as f64 >= rank && *count > 0 {
            let within = (rank - below as f64) / *count as f64;
            return Some(match bound.is_finite() {
                true => from + (bound - from) * within,
                false => from,
            });
        }
        (below, from) = (upto, if bound.is_finite() { *bound } else { from });
    }
    Some(from)
}

impl Window {
    pub(super) fn take(&mut self, totals: Totals) {
        let last = self.coarse.back();
        if last.is_none_or(|last| totals.at - last.at >= MINUTE) {
            push(&mut self.coarse, totals.clone(), COARSE);
        }
        push(&mut self.fine, totals, FINE);
    }

    /// The totals from which a window of about this length begins, up to `now`.
    fn before(&self, now: Instant, window: Duration) -> Option<&Totals> {
        let old = |totals: &&Totals| now - totals.at >= window;
        let all = self.coarse.iter().chain(&self.fine);
        let latest = all.clone().filter(old).max_by_key(|totals| totals.at);
        latest.or_else(|| all.min_by_key(|totals| totals.at))
    }

    /// How each system and how lookups went.
    pub(super) fn view(
        &self,
        families: &[MetricFamily],
        now: Instant,
        window: Duration,
    ) -> (Vec<AgencyView>, Rates) {
        let totals = Totals::of(families, now);
        let before = self.before(now, window);
        let length = before.map_or(Duration::ZERO, |before| now - before.at);
        let lookups = totals
            .lookups
            .since(before.map(|before| &before.lookups), length);
        let gauge = |name, key: &(String, String)| {
            let metric = all(families, name).find(|metric| system(metric) == *key);
            metric.map(|metric| metric.get_gauge().get_value().max(0.0) as u64)
        };
        let breaker = |key: &(String, String)| {
            let states = all(families, "loket_agency_breaker_state");
            let mut stands = states.filter(|metric| metric.get_gauge().get_value() > 0.0);
            let metric = stands.find(|metric| system(metric) == *key)?;
            label(metric, "state").map(str::to_owned)
        };
        let views = totals.systems.iter().map(|(key, line)| AgencyView {
            agency: key.0.clone(),
            system: key.1.clone(),
            breaker: breaker(key),
            in_flight: gauge("loket_agency_in_flight", key).unwrap_or_default(),
            limit: gauge("loket_agency_limit", key),
            last_success: gauge("loket_agency_last_success_time_seconds", key),
            rates: line.since(before.and_then(|before| before.systems.get(key)), length),
            minutes: self.minutes(key),
        });
        (views.collect(), lookups)
    }

    fn minutes(&self, key: &(String, String)) -> Vec<u64> {
        let calls = |totals: &Totals| totals.systems.get(key).map_or(0, |line| line.calls);
        let totals: Vec<u64> = self.coarse.iter().map(calls).collect();
        totals
            .windows(2)
            .map(|pair| pair[1].saturating_sub(pair[0]))
            .collect()
    }
}

fn push(to: &mut VecDeque<Totals>, totals: Totals, most: usize) {
    if to.len() >= most {
        to.pop_front();
    }
    to.push_back(totals);
}

fn all<'a>(families: &'a [MetricFamily], name: &str) -> impl Iterator<Item = &'a Metric> + use<'a> {
    let family = families.iter().find(|family| family.name() == name);
    family.into_iter().flat_map(MetricFamily::get_metric)
}

fn label<'a>(metric: &'a Metric, name: &str) -> Option<&'a str> {
    let label = metric.get_label().iter().find(|label| label.name() == name);
    label.map(|label| label.value())
}

fn system(metric: &Metric) -> (String, String) {
    let of = |name| label(metric, name).unwrap_or_default().to_owned();
    (of("service_peer_name"), of("loket_system"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::tests::{settings, telemetry};
    use crate::telemetry::{BreakerState, Peer, Telemetry};

    #[test]
    fn quantiles_are_those_of_prometheus() {
        let buckets = [(0.1, 50), (0.5, 40), (1.0, 9), (f64::INFINITY, 1)];
        let cases = [(0.25, 0.05), (0.5, 0.1), (0.7, 0.3), (0.9, 0.5), (1.0, 1.0)];
        for (share, expected) in cases {
            let found = quantile(&buckets, share).unwrap();
            assert!((found - expected).abs() < 1e-9, "{share}: {found}");
        }
        assert_eq!(quantile(&[(1.0, 0)], 0.5), None);
    }

    fn call(telemetry: &Telemetry, peer: &Peer, error_type: Option<&'static str>) {
        let outcome = if error_type.is_some() {
            "timed_out"
        } else {
            "found"
        };
        let elapsed = Duration::from_millis(80);
        telemetry
            .metrics()
            .agency_call(peer, outcome, error_type, elapsed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_forgets_what_came_before_it() {
        let (telemetry, _) = telemetry(0.0);
        let peer = Peer::new("bpn", "land");
        telemetry.metrics().breaker_state(&peer, BreakerState::Open);
        telemetry.metrics().agency_limit(&peer, 40);
        let of = |window: u64| {
            let (agencies, lookups) = telemetry.agencies(Duration::from_secs(window));
            (agencies, lookups)
        };
        for _ in 0..100 {
            call(&telemetry, &peer, Some("timeout"));
        }
        // For an hour, of which the last five minutes are well.
        for second in 0..360 {
            telemetry.sample();
            tokio::time::advance(EVERY).await;
            if second >= 330 {
                call(&telemetry, &peer, None);
            }
        }
        let (agencies, lookups) = of(300);
        let [bpn] = &agencies[..] else {
            panic!("{agencies:?}");
        };
        assert_eq!((bpn.rates.calls, bpn.rates.failed), (30, 0));
        assert_eq!(bpn.rates.per_minute, 6.0);
        assert_eq!(bpn.breaker.as_deref(), Some("open"));
        assert_eq!(bpn.limit, Some(40));
        assert!(bpn.rates.p95_ms.unwrap() > 75.0 && bpn.rates.p95_ms.unwrap() <= 100.0);
        assert_eq!(lookups.calls, 0);
        // In the first window there was nothing before it.
        let (agencies, _) = of(3600);
        assert_eq!(agencies[0].rates.calls, 30);
        assert_eq!(agencies[0].minutes.len(), 59);
        assert_eq!(agencies[0].minutes.iter().sum::<u64>(), 24);
        let _ = settings(0.0);
    }
}
