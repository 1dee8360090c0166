//! Which traces are recorded: decided before anything is built for one.

use std::hash::{BuildHasher as _, RandomState};

use loket_sdk::trace::TraceContext;

/// The share of traces to record.
///
/// A caller that sets the sampled flag doesn't decide what we export: its traces pass the ratio like
/// those that begin here. One that doesn't set it isn't recorded. Nor does it help to choose a
/// trace id: which ids pass is this process's secret, and the same for all requests of a trace.
#[derive(Debug)]
pub(in crate::telemetry) struct Sampling {
    ratio: Ratio,
    secret: RandomState,
}

#[derive(Debug)]
enum Ratio {
    None,
    /// Numbers below this one pass.
    Below(u64),
    All,
}

impl Sampling {
    /// `ratio` is 0 to 1; what isn't a number counts as 0.
    pub(in crate::telemetry) fn new(ratio: f64) -> Self {
        Self {
            ratio: match ratio {
                ratio if ratio >= 1.0 => Ratio::All,
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "between 0 and 1, so the product is between 0 and 2^64"
                )]
                ratio if ratio > 0.0 => Ratio::Below((ratio * 2_f64.powi(64)) as u64),
                _ => Ratio::None,
            },
            secret: RandomState::new(),
        }
    }

    pub(super) fn decide(&self, parent: Option<&TraceContext>) -> bool {
        if parent.is_some_and(|parent| !parent.sampled) {
            return false;
        }
        match self.ratio {
            Ratio::None => false,
            Ratio::All => true,
            Ratio::Below(bound) => {
                bound
                    > parent
                        .map_or_else(rand::random, |parent| self.secret.hash_one(parent.trace_id))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(sampling: &Sampling, parent: impl Fn() -> Option<TraceContext>) -> f64 {
        let sampled = (0..10_000).filter(|_| sampling.decide(parent().as_ref()));
        f64::from(u32::try_from(sampled.count()).unwrap()) / 10_000.0
    }

    #[test]
    fn the_share_is_the_ratio() {
        let cases = [
            (-1.0, 0.0),
            (f64::NAN, 0.0),
            (0.0, 0.0),
            (0.25, 0.25),
            (0.5, 0.5),
            (1.0, 1.0),
            (2.0, 1.0),
        ];
        for (ratio, wanted) in cases {
            let sampling = Sampling::new(ratio);
            let begun = share(&sampling, || None);
            assert!((begun - wanted).abs() < 0.03, "{ratio}: {begun}");
            let flagged = share(&sampling, || Some(TraceContext::root(true)));
            assert!((flagged - wanted).abs() < 0.03, "{ratio}: {flagged}");
            let unflagged = share(&sampling, || Some(TraceContext::root(false)));
            assert!(unflagged == 0.0, "{ratio}: {unflagged}");
        }
    }

    #[test]
    fn all_requests_of_a_trace_are_recorded_or_none() {
        let sampling = Sampling::new(0.5);
        for _ in 0..100 {
            let trace = TraceContext::root(true);
            let first = sampling.decide(Some(&trace));
            assert_eq!(sampling.decide(Some(&trace.child())), first);
        }
    }

    /// `TraceIdRatioBased` would record it, whatever the ratio.
    #[test]
    fn a_chosen_trace_id_forces_nothing() {
        let chosen: TraceContext = "00-0af7651916cd43dd0000000000000001-b7ad6b7169203331-01"
            .parse()
            .unwrap();
        let passed = (0..1000).filter(|_| Sampling::new(0.1).decide(Some(&chosen)));
        assert!(passed.count() < 300);
    }
}
