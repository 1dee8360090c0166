//! Retention: `[audit] retention` in, how long entries are kept out. A year has 365 days and a quarter.

use jiff::SignedDuration;

use super::SHORTEST_RETENTION;
use super::document::{Keys, Report};

/// The term; nothing when there is none, and entries are kept for ever.
pub(super) fn read(at: &Keys, text: Option<&str>, out: &mut Report) -> Option<SignedDuration> {
    let text = text?;
    let Some(term) = term(text) else {
        let remedy = "write \"1826 days\" or \"5 years\"; without it entries are kept for ever";
        out.error(at, "retention", "isn't a term", remedy);
        return None;
    };
    if term < SHORTEST_RETENTION {
        let remedy = "a start of the gateway reads three days back: write \"4 days\" at least";
        out.error(at, "retention", "is too short", remedy);
        return None;
    }
    Some(term)
}

fn term(text: &str) -> Option<SignedDuration> {
    let (number, unit) = text.trim().split_once(' ')?;
    let number: i32 = number.parse().ok().filter(|number| *number > 0)?;
    let hours = match unit.trim() {
        "day" | "days" => 24,
        "year" | "years" => 365 * 24 + 6,
        _ => return None,
    };
    let hours = i64::from(number) * hours;
    // Longer ones lead to before any date.
    (hours <= 1000 * 366 * 24).then(|| SignedDuration::from_hours(hours))
}
