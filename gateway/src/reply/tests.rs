use std::collections::BTreeSet;
use std::time::Duration;

use loket_sdk::problem::Violation;
use loket_sdk::schema;
use serde_json::{Value, json};

use super::*;
use crate::fixture::golden;
use crate::refusal::{Limited, NotEnrolled};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";

/// One of each, and of those that tell a cause, one of each cause.
pub(crate) fn refusals() -> Vec<Refusal> {
    let limited = |millis, burst, per_second| {
        Refusal::RateLimited(Limited {
            retry_after: Duration::from_millis(millis),
            burst,
            per_second,
        })
    };
    vec![
        Refusal::Malformed(
            "The body isn't as agreed: the document ends too early at line 1, column 9. \
             Send one JSON document as the schema describes"
                .into(),
        ),
        Refusal::BadTarget("The path has a dot segment"),
        Refusal::NotEnrolled(NotEnrolled::UnknownSystem),
        Refusal::NotEnrolled(NotEnrolled::OutOfValidity),
        Refusal::NotEnrolled(NotEnrolled::Unnamed),
        Refusal::IdentityContradicted,
        Refusal::NothingGranted,
        Refusal::SecondPersonNeeded("This clerk asked. Let another clerk approve"),
        Refusal::NotFound,
        Refusal::MethodNotAllowed("POST"),
        Refusal::NotAcceptable("application/json, text/event-stream"),
        Refusal::RequestTimeout(Duration::from_secs(10)),
        Refusal::RequestIdReused,
        Refusal::RequestInProgress,
        Refusal::BodyTooLarge(65_536),
        Refusal::UnsupportedMediaType("application/json"),
        Refusal::BreaksSchema(vec![
            Violation {
                pointer: "/subject/value".into(),
                message: "has 15 digits, not 16".into(),
            },
            Violation {
                pointer: String::new(),
                message: "is required".into(),
            },
        ]),
        limited(1_200, 100, 50),
        limited(1, 1, 50),
        Refusal::QuotaUsedUp(Duration::from_secs(3600)),
        Refusal::SourceUnavailable(Some(Duration::from_secs(7))),
        Refusal::SourceUnavailable(None),
        Refusal::SourceTimeout,
        Refusal::Overloaded,
        Refusal::Draining,
        Refusal::AuditUnavailable("No space left on device".into()),
        Refusal::Internal("a key must be a string".into()),
    ]
}

const VARIANTS: usize = 23;

/// The status and the headers beyond those that every problem has. The match has no `_`: a new
/// refusal needs a line here, and a number that [`VARIANTS`] has to grow for.
fn expected(refusal: &Refusal) -> (usize, u16, Vec<(&'static str, &'static str)>) {
    let retry = vec![("retry-after", "1")];
    match refusal {
        Refusal::Malformed(_) => (0, 400, vec![]),
        Refusal::NotEnrolled(_) => (1, 403, vec![]),
        Refusal::IdentityContradicted => (2, 403, vec![]),
        Refusal::NothingGranted => (3, 403, vec![]),
        Refusal::SecondPersonNeeded(_) => (20, 403, vec![]),
        Refusal::NotFound => (4, 404, vec![]),
        Refusal::MethodNotAllowed(_) => (5, 405, vec![("allow", "POST")]),
        Refusal::NotAcceptable(_) => (6, 406, vec![]),
        Refusal::RequestTimeout(_) => (7, 408, vec![]),
        Refusal::BodyTooLarge(_) => (8, 413, vec![]),
        Refusal::UnsupportedMediaType(_) => (9, 415, vec![]),
        Refusal::BreaksSchema(_) => (10, 422, vec![]),
        Refusal::RateLimited(limited) if limited.burst == 1 => (
            11,
            429,
            vec![
                ("ratelimit", "\"member\";r=0;t=1"),
                ("ratelimit-policy", "\"member\";q=1;w=1"),
                ("retry-after", "1"),
            ],
        ),
        Refusal::RateLimited(_) => (
            11,
            429,
            vec![
                ("ratelimit", "\"member\";r=0;t=2"),
                ("ratelimit-policy", "\"member\";q=100;w=2"),
                ("retry-after", "2"),
            ],
        ),
        Refusal::BadTarget(_) => (16, 400, vec![]),
        Refusal::QuotaUsedUp(_) => (17, 429, vec![("retry-after", "3600")]),
        Refusal::SourceUnavailable(Some(_)) => (18, 503, vec![("retry-after", "7")]),
        Refusal::SourceUnavailable(None) => (18, 503, vec![]),
        Refusal::SourceTimeout => (19, 504, vec![]),
        Refusal::RequestIdReused => (21, 409, vec![]),
        Refusal::RequestInProgress => (22, 409, retry),
        Refusal::Overloaded => (12, 503, retry),
        Refusal::Draining => (13, 503, retry),
        Refusal::AuditUnavailable(_) => (14, 503, retry),
        Refusal::Internal(_) => (15, 500, vec![]),
    }
}

async fn body(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

fn headers(response: &Response<Body>) -> Vec<(&str, &str)> {
    let mut headers: Vec<(&str, &str)> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    headers.sort_unstable();
    headers
}

async fn check(refusal: &Refusal, name: &str) {
    let (_, status, mut more) = expected(refusal);
    more.extend([
        ("cache-control", "no-store"),
        ("content-type", "application/problem+json"),
        ("x-trace-id", TRACE_ID),
    ]);
    more.sort_unstable();
    let response = super::refusal(refusal, TRACE_ID);
    assert_eq!(response.status(), status, "{name}");
    assert_eq!(status_of(refusal), status, "{name}");
    assert_eq!(headers(&response), more, "{name}");
    let document: Value = serde_json::from_slice(&body(response).await).unwrap();
    assert_eq!(schema::problem().check(&document), Ok(()), "{name}");
    // What became of us is ours; what is wrong with a certificate, the caller may know.
    if let (Some(cause), true) = (refusal.cause(), status >= 500) {
        assert!(
            !document.to_string().contains(cause),
            "{name} tells its cause"
        );
    }
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    golden::check(&format!("problems/{name}.json"), &text);
}

#[tokio::test]
async fn every_refusal_has_its_problem() {
    let mut seen = BTreeSet::new();
    for refusal in refusals() {
        seen.insert(expected(&refusal).0);
        let code = refusal.code().as_str();
        let name = match &refusal {
            Refusal::NotEnrolled(NotEnrolled::OutOfValidity) => format!("{code}.out_of_validity"),
            Refusal::NotEnrolled(NotEnrolled::Unnamed) => format!("{code}.unnamed"),
            Refusal::RateLimited(limited) if limited.burst == 1 => format!("{code}.one_at_once"),
            Refusal::BadTarget(_) => format!("{code}.target"),
            Refusal::QuotaUsedUp(_) => format!("{code}.quota"),
            Refusal::SourceUnavailable(None) => format!("{code}.for_how_long_is_unknown"),
            _ => code.to_owned(),
        };
        check(&refusal, &name).await;
    }
    assert_eq!(seen, (0..VARIANTS).collect());
}

#[tokio::test]
async fn a_panic_tells_nothing() {
    let response = panicked(&"0".repeat(32));
    assert_eq!(response.status(), 500);
    let document: Value = serde_json::from_slice(&body(response).await).unwrap();
    assert_eq!(schema::problem().check(&document), Ok(()));
    assert_eq!(document.get("detail"), None);
}

#[tokio::test]
async fn a_document_says_what_it_is() {
    let response = document(&json!({"a": 1}), TRACE_ID);
    assert_eq!(response.status(), 200);
    assert_eq!(
        headers(&response),
        [
            ("content-type", "application/json"),
            ("x-trace-id", TRACE_ID)
        ]
    );
    assert_eq!(body(response).await, r#"{"a":1}"#);
    let events = stream(
        sound(Full::new(Bytes::from_static(b": hello\n\n"))),
        TRACE_ID,
    );
    assert_eq!(
        headers(&events),
        [
            ("cache-control", "no-store"),
            ("content-type", "text/event-stream"),
            ("x-trace-id", TRACE_ID)
        ]
    );
}

#[tokio::test]
async fn a_tagged_document_is_sent_once() {
    let first = tagged(b"{}", None, TRACE_ID);
    assert_eq!(first.status(), 200);
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    assert!(
        tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"'),
        "{tag}"
    );
    for (known, status) in [
        (tag.clone(), 304),
        (format!("\"other\", {tag}"), 304),
        // A proxy that compresses weakens the tag; for If-None-Match that is the same (RFC 9110, 13.1.2).
        (format!("W/{tag}"), 304),
        ("*".to_owned(), 304),
        (" * ".to_owned(), 304),
        ("\"other\"".to_owned(), 200),
        (tag.trim_matches('"').to_owned(), 200),
        (String::new(), 200),
    ] {
        let value = HeaderValue::from_str(&known).unwrap();
        let response = tagged(b"{}", Some(&value), TRACE_ID);
        assert_eq!(response.status(), status, "{known}");
        assert_eq!(response.headers()["etag"], tag.as_str(), "{known}");
        assert_eq!(
            response.headers().contains_key("content-type"),
            status == 200,
            "{known}"
        );
        let length = body(response).await.len();
        assert_eq!(length, if status == 200 { 2 } else { 0 }, "{known}");
    }
    assert_ne!(
        tagged(b"[]", None, TRACE_ID).headers()["etag"],
        tag.as_str()
    );
}
