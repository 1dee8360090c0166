//! What is asserted of what callers saw.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{BYSTANDERS, Register, Seen, binary, is_long};

/// A source that is well is asked again within this time.
const RECOVERY: Duration = Duration::from_secs(20);

/// How long a source took, by what callers were told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The median, in milliseconds.
    pub p50: u64,
    /// One of a hundred took longer, in milliseconds; in the short form, which asks less often, one
    /// of twenty.
    pub high: u64,
}

impl Times {
    /// Of every answer with this record.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn of(seen: &[Seen], record: &str) -> Self {
        let results = seen.iter().filter_map(|seen| seen.result(record));
        let mut all: Vec<u64> = results.map(|result| result.elapsed_ms).collect();
        all.sort_unstable();
        assert!(!all.is_empty(), "{record} was answered");
        Self {
            p50: all[all.len() / 2],
            high: all[(all.len() * high()).div_ceil(100) - 1],
        }
    }
}

fn high() -> usize {
    if is_long() { 99 } else { 95 }
}

/// How many of so many answers may be late for no reason but the machine: none in the long form,
/// which wants a quiet one.
fn excused(answers: usize) -> usize {
    if is_long() { 0 } else { answers / 20 }
}

/// The bystanders answered everything, and as fast as before.
///
/// # Panics
/// When one didn't.
pub fn untouched(case: &str, before: &[Seen], during: &[Seen]) {
    // A machine that builds something meanwhile is late by itself; a source that waited for a
    // broken one would be late by that one's whole time-out, 1500 ms.
    let noise = if is_long() { 20 } else { 1000 };
    for register in BYSTANDERS {
        only(case, during, *register, &["complete"]);
        let (was, is) = (
            Times::of(before, register.record),
            Times::of(during, register.record),
        );
        binary::report(&format!(
            "{case}: {} p50 {} -> {} ms, p{} {} -> {} ms, {} lookups",
            register.agency,
            was.p50,
            is.p50,
            high(),
            was.high,
            is.high,
            during.len()
        ));
        for (was, is) in [(was.p50, is.p50), (was.high, is.high)] {
            assert!(
                is <= was + (was / 10).max(noise),
                "{case}: {} took {is} ms, {was} ms before",
                register.agency
            );
        }
    }
}

/// Of this record callers were told these reasons and no other, the first of them at least once.
///
/// # Panics
/// When they weren't.
pub fn only(case: &str, seen: &[Seen], register: Register, reasons: &[&str]) {
    let mut told = BTreeMap::new();
    for seen in seen {
        let reason = seen.reason(register.record);
        let reason = reason.map_or_else(|| seen.to_string(), |reason| reason.to_string());
        *told.entry(reason).or_insert(0_usize) += 1;
    }
    binary::report(&format!("{case}: {} said {told:?}", register.agency));
    let first = reasons
        .first()
        .is_some_and(|first| told.contains_key(*first));
    let others = told.iter().all(|(told, count)| {
        let is_late = told == "no_answer_yet" && *count <= excused(seen.len());
        is_late || reasons.contains(&told.as_str())
    });
    assert!(first && others, "{case}: {told:?} instead of {reasons:?}");
}

/// Whether the last ten answers have this record complete.
#[must_use]
pub fn is_well(seen: &[Seen], register: Register) -> bool {
    let last = seen.iter().rev().take(10);
    let well = last.filter(|seen| {
        let reason = seen.reason(register.record);
        reason.is_some_and(|reason| reason.as_str() == "complete")
    });
    well.count() == 10
}

impl super::Load {
    /// Waits until all of these registers are well again.
    ///
    /// # Panics
    /// When it takes too long.
    pub async fn well(&self, case: &str, registers: &[Register]) {
        let from = tokio::time::Instant::now();
        let what = format!("{case}: well again");
        let well = |seen: &[Seen]| registers.iter().all(|register| is_well(seen, *register));
        let seen = self.until(&what, well).await;
        let first = seen.iter().rev().take(10).map(|seen| seen.started).min();
        let took = first.map_or(Duration::ZERO, |first| first - from);
        binary::report(&format!("{case}: well after {} ms", took.as_millis()));
        assert!(took < RECOVERY, "{case}: well only after {took:?}");
    }
}
