//! The critical path: a trace's spans in; those that its end waited for out.
//!
//! From the end backwards: of a span's parts the one that ended last held it up, before that the one that ended
//! last before that one began, and so on; and of each of them likewise.

use std::collections::HashSet;
use std::time::Duration;

use loket_sdk::trace::SpanId;

use super::span::Span;

/// The ids of the spans on it.
pub(super) fn critical(spans: &[Span]) -> HashSet<SpanId> {
    let mut found = HashSet::new();
    let roots = spans.iter().filter(|span| span.parent.is_none());
    let mut open: Vec<(&Span, Duration)> = roots.map(|root| (root, root.ends())).collect();
    while let Some((span, end)) = open.pop() {
        if !found.insert(span.id) {
            continue;
        }
        let mut before = end;
        loop {
            let parts = spans.iter().filter(|part| part.parent == Some(span.id));
            let last = parts
                .filter(|part| part.ends() <= before && !found.contains(&part.id))
                .filter(|part| open.iter().all(|(other, _)| other.id != part.id))
                .max_by_key(|part| part.ends());
            let Some(last) = last else {
                break;
            };
            before = last.begins;
            open.push((last, last.ends()));
        }
    }
    found
}
