//! Back end: the keys of a source that say where it is and how it is called, checked.

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;
use std::time::Duration;

use http::Uri;
use rustls::pki_types::ServerName;

use super::document::{Keys, Report};
use super::file;
use super::value::{duration, number};
use crate::directory::{Backend, Breaking, Ejection, HealthCheck};

const MINUTE: Duration = Duration::from_secs(60);
/// More than the balancer needs, and a bound on what a file can make the gateway connect to.
const MAX_ENDPOINTS: usize = 64;

/// What a back end's keys say; none when a part is missing that has no default.
pub(super) fn backend(raw: &file::Backend, at: &Keys, out: &mut Report) -> Option<Backend> {
    let default = Backend::default();
    if raw
        .server_name
        .as_deref()
        .is_some_and(|name| ServerName::try_from(name).is_err())
    {
        let remedy = "write a name that stands in the back end's certificate";
        out.error(at, "server_name", "isn't a DNS name or IP address", remedy);
    }
    let endpoints = endpoints(raw, at, out);
    let most = number(at, "max_in_flight", raw.max_in_flight, 64, 1, 65_536, out);
    let mut time = |key, text: &Option<String>, default, range| {
        duration(at, key, text.as_deref(), default, range, out)
    };
    let timeout = time("timeout", &raw.timeout, default.timeout, upto(MINUTE));
    let connect_timeout = time(
        "connect_timeout",
        &raw.connect_timeout,
        default.connect_timeout,
        upto(MINUTE),
    );
    let idle_timeout = time(
        "idle_timeout",
        &raw.idle_timeout,
        default.idle_timeout,
        upto(MINUTE * 60),
    );
    let queue_timeout = time(
        "queue_timeout",
        &raw.queue_timeout,
        default.queue_timeout,
        upto(MINUTE),
    );
    let hedge_after = raw
        .hedge_after
        .is_some()
        .then(|| time("hedge_after", &raw.hedge_after, timeout, upto(MINUTE)));
    Some(Backend {
        endpoints: endpoints?,
        server_name: raw.server_name.clone(),
        max_in_flight: NonZeroUsize::new(most)?,
        timeout,
        protocol: raw.http.map_or(default.protocol, |word| word.0),
        connect_timeout,
        idle_timeout,
        max_queued: number(at, "max_queued", raw.max_queued, 0, 0, 65_536, out),
        queue_timeout,
        retry_percent: number(
            at,
            "retry_percent",
            raw.retry_percent,
            default.retry_percent,
            0,
            100,
            out,
        ),
        hedge_after,
        ejection: ejection(raw, at, out)?,
        breaker: breaker(raw, at, out)?,
        health: health(raw, at, out),
        adaptive: raw.adaptive.unwrap_or(default.adaptive),
        single_flight: raw.single_flight.unwrap_or(default.single_flight),
    })
}

fn upto(most: Duration) -> RangeInclusive<Duration> {
    Duration::from_millis(1)..=most
}

fn endpoints(raw: &file::Backend, at: &Keys, out: &mut Report) -> Option<Vec<Uri>> {
    let remedy = "write https://host:port with an optional path; agencies are reached by mTLS only";
    match (&raw.url, &raw.endpoints) {
        (Some(url), None) => {
            let url = endpoint(url);
            if url.is_none() {
                out.error(at, "url", "isn't the https URL of a back end", remedy);
            }
            Some(vec![url?])
        }
        (None, Some(all)) => {
            if all.is_empty() || all.len() > MAX_ENDPOINTS {
                let message = format!("doesn't name 1 to {MAX_ENDPOINTS} endpoints");
                out.error(at, "endpoints", message, remedy);
                return None;
            }
            let mut endpoints = Vec::with_capacity(all.len());
            for url in all {
                let found = endpoint(url.get_ref());
                if found.is_none() {
                    let message = "isn't the https URL of a back end";
                    out.error_at(url.span(), &at.path("endpoints"), message, remedy);
                } else if found
                    .as_ref()
                    .is_some_and(|it| endpoints.contains(&Some(it.clone())))
                {
                    let message = "names an endpoint twice";
                    out.error_at(url.span(), &at.path("endpoints"), message, "name it once");
                }
                endpoints.push(found);
            }
            endpoints.into_iter().collect()
        }
        (Some(_), Some(_)) => {
            let message = "stands beside `url`";
            out.error(at, "endpoints", message, "leave one of the two out");
            None
        }
        (None, None) => {
            out.error(
                at,
                "url",
                "is missing, and there are no `endpoints`",
                remedy,
            );
            None
        }
    }
}

fn endpoint(text: &str) -> Option<Uri> {
    text.parse::<Uri>().ok().filter(|url| {
        url.scheme_str() == Some("https") && url.host().is_some() && url.query().is_none()
    })
}

fn ejection(raw: &file::Backend, at: &Keys, out: &mut Report) -> Option<Ejection> {
    let default = Ejection::default();
    let failures = default.failures.get();
    let failures = number(at, "eject_after", raw.eject_after, failures, 1, 1_000, out);
    let text = raw.eject_for.as_deref();
    let first = duration(at, "eject_for", text, default.first, upto(5 * MINUTE), out);
    Some(Ejection {
        failures: NonZeroU32::new(failures)?,
        first,
    })
}

fn breaker(raw: &file::Backend, at: &Keys, out: &mut Report) -> Option<Breaking> {
    let default = Breaking::default();
    let failures = default.failures.get();
    let failures = number(at, "break_after", raw.break_after, failures, 1, 1_000, out);
    let percent = raw.break_percent;
    let percent = number(at, "break_percent", percent, default.percent, 1, 100, out);
    let text = raw.break_for.as_deref();
    let open_for = duration(
        at,
        "break_for",
        text,
        default.open_for,
        upto(5 * MINUTE),
        out,
    );
    Some(Breaking {
        failures: NonZeroU32::new(failures)?,
        percent,
        open_for,
    })
}

fn health(raw: &file::Backend, at: &Keys, out: &mut Report) -> Option<HealthCheck> {
    let text = raw.health_interval.as_deref();
    let range = Duration::from_millis(100)..=60 * MINUTE;
    let default = Duration::from_secs(10);
    let interval = duration(at, "health_interval", text, default, range, out);
    let Some(path) = &raw.health_path else {
        if raw.health_interval.is_some() {
            let message = "says how often, and there is no `health_path`";
            out.error(at, "health_interval", message, "write which path to ask");
        }
        return None;
    };
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"?#".contains(&byte);
    if !path.starts_with('/') || !path.bytes().all(plain) {
        let remedy = "write it from the slash, such as /health";
        out.error(at, "health_path", "isn't a path", remedy);
    }
    Some(HealthCheck {
        path: path.clone(),
        interval,
    })
}
