use http::{HeaderName, HeaderValue, Request};

use super::*;

fn headers(name: HeaderName, values: &[&'static str]) -> HeaderMap {
    values
        .iter()
        .map(|value| (name.clone(), HeaderValue::from_static(value)))
        .collect()
}

#[track_caller]
fn check_accept(values: &[&'static str], expected: Option<Wanted>) {
    let wanted = Wanted::of(&headers(header::ACCEPT, values)).ok();
    assert_eq!(wanted, expected, "{values:?}");
}

#[test]
fn the_first_media_range_that_is_served_decides() {
    check_accept(&[], Some(Wanted::Whole));
    check_accept(&["*/*"], Some(Wanted::Whole));
    check_accept(&["application/json"], Some(Wanted::Whole));
    check_accept(&["text/html, Application/*;q=0.5"], Some(Wanted::Whole));
    check_accept(&["text/event-stream"], Some(Wanted::Parts));
    check_accept(&["text/html", "text/event-stream"], Some(Wanted::Parts));
    check_accept(
        &["text/event-stream;q=0, application/json"],
        Some(Wanted::Whole),
    );
    check_accept(&["text/event-stream; q=0.0"], None);
    check_accept(&["text/html"], None);
}

#[track_caller]
fn check_json(content_type: &[&'static str], coding: &[&'static str], expected: bool) {
    let mut all = headers(header::CONTENT_TYPE, content_type);
    all.extend(headers(header::CONTENT_ENCODING, coding));
    assert_eq!(is_json(&all), expected, "{content_type:?} {coding:?}");
}

#[test]
fn a_body_is_json_in_utf_8_as_it_stands() {
    check_json(&["application/json"], &[], true);
    check_json(
        &["Application/JSON; charset=\"UTF-8\""],
        &["identity"],
        true,
    );
    check_json(&["application/json; charset=iso-8859-1"], &[], false);
    check_json(&["text/json"], &[], false);
    check_json(&["application/json"], &["gzip"], false);
    check_json(&["application/json", "application/json"], &[], false);
    check_json(&[], &[], false);
}

#[track_caller]
fn check_operation(method: Method, path: &str, expected: &str) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(())
        .unwrap();
    let (head, ()) = request.into_parts();
    let told = match Operation::of(&head) {
        Ok(operation) => format!("{operation:?}"),
        Err(refusal) => refusal.code().as_str().to_owned(),
    };
    assert!(told.starts_with(expected), "{path}: {told}");
}

#[test]
fn only_what_is_recognised_is_an_operation() {
    check_operation(Method::POST, "/v1/lookups", "Lookup");
    check_operation(Method::POST, "/v1/explain", "Explain");
    check_operation(Method::POST, "/v1/break-glass/17/approvals", "Approve(17)");
    check_operation(Method::POST, "/v1/break-glass/x/approvals", "not_found");
    check_operation(
        Method::GET,
        "/v1/break-glass/17/approvals",
        "method_not_allowed",
    );
    check_operation(Method::GET, "/v1/catalogue", "Catalogue");
    check_operation(Method::HEAD, "/openapi.json", "OpenApi");
    check_operation(Method::GET, "/v1/schemas/person-identity/1", "Schema");
    let call = "CallTarget { agency: \"dukcapil\", service: \"population\", .. }";
    let call = format!("Call({call})");
    check_operation(
        Method::PUT,
        "/v1/services/dukcapil/population/people/1?x=y",
        &call,
    );
    check_operation(Method::GET, "/v1/services/dukcapil/population", &call);
    check_operation(
        Method::TRACE,
        "/v1/services/dukcapil/population/x",
        "method_not_allowed",
    );
    check_operation(
        Method::GET,
        "/v1/services/dukcapil/population/../x",
        "malformed_request",
    );
    check_operation(
        Method::GET,
        "/v1/services/dukcapil/3510161405889901%20/x",
        "not_found",
    );
    check_operation(Method::GET, "/v1/services/../population/x", "not_found");
    check_operation(Method::GET, "/v1/services/dukcapil", "not_found");
    check_operation(Method::GET, "/v1/lookups", "method_not_allowed");
    check_operation(Method::POST, "/v1/catalogue", "method_not_allowed");
    for path in [
        "/",
        "/v1/lookups/",
        "//v1/lookups",
        "/V1/lookups",
        "/v1/%6Cookups",
        "/v1/../v1/lookups",
        "/v1/schemas/person-identity/one",
        "/v1/schemas/3510161405889901/1",
    ] {
        check_operation(Method::POST, path, "not_found");
    }
}
