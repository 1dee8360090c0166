//! Exemplars: of kept traces, the latest in each bucket of the histograms that they were counted in, so that a
//! point of a graph leads to a trace that is there.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use loket_sdk::trace::TraceId;
use opentelemetry::KeyValue;

/// More label sets than the histograms of a large town have.
const MOST: usize = 16_384;

/// Labels as they are exposed, in the order of their names.
pub(super) type Labels = BTreeMap<String, String>;

/// What was measured, and in which trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exemplar {
    pub(super) trace_id: TraceId,
    /// Seconds.
    pub(super) value: f64,
    pub(super) at: SystemTime,
}

/// By histogram and labels: the latest exemplar of each bucket, by its upper bound's place.
type Kept = HashMap<(&'static str, Labels), Vec<Option<Exemplar>>>;

#[derive(Debug, Default)]
pub(super) struct Exemplars(Mutex<Kept>);

impl Exemplars {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one for the histogram of this name in the contract.
    pub(super) fn note(
        &self,
        histogram: &'static str,
        labels: &[KeyValue],
        bounds: &[f64],
        exemplar: Exemplar,
    ) {
        let labels = labels.iter();
        let labels: Labels = labels
            .map(|label| {
                (
                    label.key.as_str().replace('.', "_"),
                    label.value.as_str().into_owned(),
                )
            })
            .collect();
        let bucket = bounds.partition_point(|bound| *bound < exemplar.value);
        let mut kept = self.kept();
        if kept.len() >= MOST && !kept.contains_key(&(histogram, labels.clone())) {
            return;
        }
        let buckets = kept.entry((histogram, labels)).or_default();
        buckets.resize(bounds.len() + 1, None);
        buckets[bucket] = Some(exemplar);
    }

    /// Those of a histogram with these labels, the last of all its buckets that beyond all bounds.
    pub(super) fn of(&self, histogram: &'static str, labels: &Labels) -> Vec<Option<Exemplar>> {
        let kept = self.kept();
        kept.get(&(histogram, labels.clone()))
            .cloned()
            .unwrap_or_default()
    }
}
