//! Headers: those of one side in, those that may reach the other out.
//!
//! `Authorization` and cookies pass: they are between the two systems, and a source that has accounts
//! of its own goes on using them. Who calls is told by the gateway alone.

use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use loket_sdk::message::{DEADLINE_HEADER, MEMBER_HEADER, REQUEST_ID_HEADER, TRACE_ID_HEADER};
use uuid::Uuid;

use crate::identity::Identified;

const MEMBER: HeaderName = HeaderName::from_static(MEMBER_HEADER);
const SYSTEM: HeaderName = HeaderName::from_static("loket-system");
const REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);
const DEADLINE: HeaderName = HeaderName::from_static(DEADLINE_HEADER);
const TRACE_ID: HeaderName = HeaderName::from_static(TRACE_ID_HEADER);

/// Of one connection only (RFC 9110 section 7.6.1), whatever `Connection` names.
static HOP_BY_HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
];

/// What a caller could forge, or slip past the grant: where a request came from, which path or
/// method a framework is to take instead of the one that was checked.
const FORGEABLE: &[&str] = &[
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "http2-settings",
    "keep-alive",
];

/// Leaves what the source may see of a caller's head. What is expected of the body is between the
/// caller and us: it is asked for once the source takes it.
pub(super) fn clean_request(headers: &mut HeaderMap) {
    let trailers = wants_trailers(headers);
    drop_hop_by_hop(headers);
    headers.remove(header::HOST);
    headers.remove(header::EXPECT);
    drop_where(headers, |name| is_ours(name) || is_forgeable(name));
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
}

/// Leaves what the caller may see of a source's head, and adds the trace.
pub(super) fn clean_response(headers: &mut HeaderMap, trace_id: &str) {
    drop_hop_by_hop(headers);
    // Another way to the source would lead past the gateway.
    headers.remove(header::ALT_SVC);
    drop_where(headers, |name| is_ours(name) || name == "keep-alive");
    if let Ok(value) = HeaderValue::from_str(trace_id) {
        headers.insert(TRACE_ID, value);
    }
}

/// Trailers are headers that come late; none may change what was read before.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    drop_hop_by_hop(trailers);
    drop_where(trailers, |name| {
        is_ours(name)
            || is_forgeable(name)
            || name.starts_with("content-")
            || matches!(
                name,
                "host" | "authorization" | "cookie" | "set-cookie" | "traceparent"
            )
    });
}

/// Says who calls, and for which request.
pub(super) fn introduce(
    headers: &mut HeaderMap,
    caller: &Identified,
    request_id: Uuid,
    patience: Duration,
) {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let request_id = request_id.hyphenated().encode_lower(&mut text);
    headers.reserve(5);
    for (name, value) in [
        (MEMBER, caller.member().as_str()),
        (SYSTEM, caller.system().as_str()),
        (REQUEST_ID, request_id),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    }
    let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
    headers.insert(DEADLINE, patience.into());
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    headers.get_all(header::TE).iter().any(|value| {
        let mut codings = value.as_bytes().split(|&byte| byte == b',');
        codings.any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    })
}

fn drop_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
            .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
            .collect();
        for name in named {
            // Taken away, these would let the source read a body of another length or type.
            let framing = [header::CONTENT_LENGTH, header::CONTENT_TYPE];
            if !framing.contains(&name) {
                headers.remove(name);
            }
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// As back ends see it that make no difference between a dash and an underscore.
fn is_ours(name: &str) -> bool {
    name.starts_with("loket-") || name.starts_with("loket_")
}

fn is_forgeable(name: &str) -> bool {
    let alike = |known: &&str| {
        known.len() == name.len()
            && known
                .bytes()
                .zip(name.bytes())
                .all(|(known, given)| known == given || (known == b'-' && given == b'_'))
    };
    name.starts_with("x-forwarded")
        || name.starts_with("x_forwarded")
        || FORGEABLE.iter().any(alike)
}

fn drop_where(headers: &mut HeaderMap, is_dropped: impl Fn(&str) -> bool) {
    let dropped: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_dropped(name.as_str()))
        .cloned()
        .collect();
    for name in dropped {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
