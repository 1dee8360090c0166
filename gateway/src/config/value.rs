//! Values: a key's text or number in, what it means out; a report and the default when it means
//! nothing.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::SignedDuration;

use super::document::{Keys, Report};

/// An IP address with a port.
pub(crate) fn address(at: &Keys, text: &str, out: &mut Report) -> SocketAddr {
    text.parse().unwrap_or_else(|_| {
        let remedy = "write address and port, such as 0.0.0.0:8443 or [::]:8443";
        out.error(at, "address", "isn't an IP address with a port", remedy);
        SocketAddr::from(([0, 0, 0, 0], 0))
    })
}

/// Durations of which none says "at once".
pub(crate) const ANY: RangeInclusive<Duration> = Duration::ZERO..=DAY;
/// Durations that must leave something time.
pub(crate) const SOME: RangeInclusive<Duration> = Duration::from_millis(1)..=DAY;
const DAY: Duration = Duration::from_secs(86_400);

/// A duration within a range.
pub(crate) fn duration(
    at: &Keys,
    key: &str,
    text: Option<&str>,
    default: Duration,
    range: RangeInclusive<Duration>,
    out: &mut Report,
) -> Duration {
    let Some(text) = text else { return default };
    let Some(value) = text
        .parse::<SignedDuration>()
        .ok()
        .and_then(|d| Duration::try_from(d).ok())
    else {
        out.error(
            at,
            key,
            "isn't a duration",
            "write \"2500ms\", \"10s\" or \"15m\"",
        );
        return default;
    };
    if !range.contains(&value) {
        let message = format!("isn't between {:?} and {:?}", range.start(), range.end());
        out.error(at, key, message, format!("the default is {default:?}"));
        return default;
    }
    value
}

/// A number from `least` to `most`.
pub(crate) fn number<N: Copy + PartialOrd + Display>(
    at: &Keys,
    key: &str,
    value: Option<N>,
    default: N,
    least: N,
    most: N,
    out: &mut Report,
) -> N {
    let value = value.unwrap_or(default);
    if value < least || value > most {
        let message = format!("isn't between {least} and {most}");
        out.error(at, key, message, format!("the default is {default}"));
        return default;
    }
    value
}
