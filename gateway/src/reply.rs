//! Reply: an answer or a refusal in, an HTTP response out. The only room that knows status codes.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use loket_sdk::message::{AccessReport, Approved, Explanation, TRACE_ID_HEADER};
use loket_sdk::problem::{self, Code, Problem};
use serde::Serialize;

use crate::refusal::Refusal;
use crate::upstream::BoxError;

/// A response's body; one that breaks off breaks its stream or connection.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// A body that can't break off.
pub fn sound(
    body: impl http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
) -> Body {
    body.map_err(|never| match never {}).boxed_unsync()
}

/// How long to wait when busy or draining, in seconds.
const RETRY_AFTER_S: u64 = 1;

/// The answer to a lookup, as text: what is kept of it is what leaves.
#[must_use]
pub fn answer(text: Bytes, trace_id: &str) -> Response<Body> {
    let mut response = whole(StatusCode::OK, "application/json", text, trace_id);
    no_store(&mut response);
    response
}

/// Why a lookup would be carried out or refused.
#[must_use]
pub fn explanation(explanation: &Explanation) -> Response<Body> {
    let mut response = document(explanation, &explanation.trace_id);
    no_store(&mut response);
    response
}

/// An approval that is on record.
#[must_use]
pub fn approved(approved: &Approved) -> Response<Body> {
    let mut response = document(approved, &approved.trace_id);
    no_store(&mut response);
    response
}

/// Any JSON document.
#[must_use]
pub fn document(document: &impl Serialize, trace_id: &str) -> Response<Body> {
    match serde_json::to_vec(document) {
        Ok(bytes) => whole(StatusCode::OK, "application/json", bytes, trace_id),
        Err(error) => refusal(&Refusal::Internal(error.to_string()), trace_id),
    }
}

/// A report, as a document or a page: it is about a citizen, so nobody keeps it.
#[must_use]
pub fn report(report: &AccessReport, page: Option<String>) -> Response<Body> {
    let mut response = match page {
        None => document(report, &report.trace_id),
        Some(page) => {
            let html = "text/html; charset=utf-8";
            let mut response = whole(StatusCode::OK, html, page.into_bytes(), &report.trace_id);
            let headers = response.headers_mut();
            // It has a style and nothing else, whatever may have got into it.
            insert(
                headers,
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
            );
            insert(headers, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
            response
        }
    };
    no_store(&mut response);
    response
}

/// Bytes of any media type.
#[must_use]
pub fn bytes(media_type: &'static str, bytes: Vec<u8>, trace_id: &str) -> Response<Body> {
    whole(StatusCode::OK, media_type, bytes, trace_id)
}

/// A JSON document that changes only with the program: with an entity tag (RFC 9110 section 8.8.3).
#[must_use]
pub fn tagged(bytes: &[u8], if_none_match: Option<&HeaderValue>, trace_id: &str) -> Response<Body> {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let tag = format!("\"{}\"", crate::audit::hex(&digest.as_ref()[..16]));
    let known = if_none_match
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .split(',')
                .any(|known| is_same_tag(known.trim(), &tag))
        });
    let mut response = if known {
        let mut empty = whole(
            StatusCode::NOT_MODIFIED,
            "application/json",
            Vec::new(),
            trace_id,
        );
        empty.headers_mut().remove(header::CONTENT_TYPE);
        empty
    } else {
        whole(StatusCode::OK, "application/json", bytes.to_vec(), trace_id)
    };
    if let Ok(value) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}

/// Weak comparison (RFC 9110 section 13.1.2): a proxy that compresses has weakened our tag.
fn is_same_tag(known: &str, tag: &str) -> bool {
    known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
}

/// A stream of events.
#[must_use]
pub fn stream(body: Body, trace_id: &str) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    no_store(&mut response);
    with_trace(response, trace_id)
}

/// A refused request.
#[must_use]
pub fn refusal(refusal: &Refusal, trace_id: &str) -> Response<Body> {
    let mut response = problem(&problem_of(refusal, trace_id));
    let headers = response.headers_mut();
    match refusal {
        Refusal::RateLimited(limited) => {
            let wait = limited.retry_after.as_secs_f64().ceil().max(1.0);
            insert(headers, header::RETRY_AFTER, &format!("{wait:.0}"));
            // draft-ietf-httpapi-ratelimit-headers: remaining and seconds to reset; quota, window.
            insert(headers, "ratelimit", &format!("\"member\";r=0;t={wait:.0}"));
            let (quota, per_second) = (limited.burst, limited.per_second);
            let window = quota.div_ceil(per_second.max(1)).max(1);
            insert(
                headers,
                "ratelimit-policy",
                &format!("\"member\";q={quota};w={window}"),
            );
        }
        Refusal::Overloaded
        | Refusal::Draining
        | Refusal::AuditUnavailable(_)
        | Refusal::RequestInProgress => {
            insert(headers, header::RETRY_AFTER, &RETRY_AFTER_S.to_string());
        }
        Refusal::QuotaUsedUp(wait) | Refusal::SourceUnavailable(Some(wait)) => {
            let wait = wait.as_secs_f64().ceil().max(1.0);
            insert(headers, header::RETRY_AFTER, &format!("{wait:.0}"));
        }
        Refusal::MethodNotAllowed(allowed) => insert(headers, header::ALLOW, allowed),
        Refusal::NotAcceptable(_)
        | Refusal::Malformed(_)
        | Refusal::BadTarget(_)
        | Refusal::SourceUnavailable(None)
        | Refusal::SourceTimeout
        | Refusal::NotEnrolled(_)
        | Refusal::IdentityContradicted
        | Refusal::NothingGranted
        | Refusal::SecondPersonNeeded(_)
        | Refusal::NotFound
        | Refusal::RequestTimeout(_)
        | Refusal::RequestIdReused
        | Refusal::BodyTooLarge(_)
        | Refusal::UnsupportedMediaType(_)
        | Refusal::BreaksSchema(_)
        | Refusal::Internal(_) => {}
    }
    response
}

/// The problem document of a refusal.
#[must_use]
pub fn problem_of(refusal: &Refusal, trace_id: &str) -> Problem {
    let problem = Problem::new(refusal.code(), refusal.sentence(), trace_id);
    match refusal {
        Refusal::BreaksSchema(violations) => problem.with_errors(violations.clone()),
        _ => problem,
    }
}

/// The status that a refusal leaves with.
#[must_use]
pub fn status_of(refusal: &Refusal) -> u16 {
    refusal.code().status()
}

/// A handler that panicked.
#[must_use]
pub fn panicked(trace_id: &str) -> Response<Body> {
    problem(&Problem::new(Code::Internal, "", trace_id))
}

/// Ends the connection with this response: what comes behind it can't be trusted. The listener
/// does for HTTP/2, which has no such header, what the header says.
pub fn last(response: &mut Response<Body>) {
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
}

/// The response to HEAD: the same without its body (RFC 9110 section 9.3.2). HTTP/2 sends what it is
/// given.
#[must_use]
pub fn head(response: Response<Body>) -> Response<Body> {
    response.map(|_| sound(Empty::new()))
}

fn problem(problem: &Problem) -> Response<Body> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let bytes = serde_json::to_vec(problem).unwrap_or_default();
    let mut response = whole(status, problem::MEDIA_TYPE, bytes, &problem.trace_id);
    no_store(&mut response);
    response
}

fn whole(
    status: StatusCode,
    media_type: &'static str,
    bytes: impl Into<Bytes>,
    trace_id: &str,
) -> Response<Body> {
    let mut response = Response::new(sound(Full::new(bytes.into())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    with_trace(response, trace_id)
}

fn with_trace(mut response: Response<Body>, trace_id: &str) -> Response<Body> {
    insert(response.headers_mut(), TRACE_ID_HEADER, trace_id);
    response
}

fn no_store(response: &mut Response<Body>) {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

fn insert(headers: &mut http::HeaderMap, name: impl header::IntoHeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
pub(crate) mod tests;
