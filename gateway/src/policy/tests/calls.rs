//! Which calls a service grant lets through.

use http::{Method, Request};

use super::*;
use crate::fixture::services::{service, service_grant, with_calls};
use crate::refusal::Refusal;
use crate::request::Operation;

#[track_caller]
fn check(call: &str, day: &str, expected: Option<(&str, &str)>) {
    let directory = Directory::new(with_calls(town::parts())).unwrap();
    let [consumer, method, path] = call.split(' ').collect::<Vec<_>>()[..] else {
        panic!("three words: {call}");
    };
    let request = Request::builder()
        .method(method)
        .uri(format!("/v1/services/{path}"))
        .body(())
        .unwrap();
    let Ok(Operation::Call(target)) = Operation::of(&request.into_parts().0) else {
        panic!("{call} is no call");
    };
    let admitted = fixture::admitted(&directory, consumer);
    let method: Method = method.parse().unwrap();
    let today = day.parse().unwrap();
    let decided = authorise_call(admitted, target, &method, &directory, today);
    let decided = decided.map(|permitted| {
        let named = permitted.first();
        let grant = &directory.service_grants()[named.grant];
        (grant.id.clone(), grant.paths[named.pattern].to_string())
    });
    let expected = expected
        .map(|(grant, path)| (grant.to_owned(), path.to_owned()))
        .ok_or(Refusal::NothingGranted);
    assert_eq!(decided, expected, "{call}");
}

#[test]
fn a_call_needs_a_grant_in_force_of_its_method_and_path() {
    let day = "2026-11-24";
    let people = "dukcapil/population/people";
    check(
        &format!("bapenda POST {people}/1/status"),
        day,
        Some(("S-001", "/people/*/status")),
    );
    check(
        &format!("bapenda GET {people}/1"),
        day,
        Some(("S-002", "/people/**")),
    );
    check(&format!("bapenda HEAD {people}/1"), day, None);
    check(&format!("bapenda POST {people}/1"), day, None);
    check(&format!("bapenda GET {people}/1"), "2027-01-01", None);
    check(&format!("bapenda GET {people}/1"), "2025-12-31", None);
    check(&format!("dinsos GET {people}/1"), day, None);
    check(
        &format!("dinsos DELETE {people}/1"),
        day,
        Some(("S-004", "/people/*")),
    );
    check("bapenda GET dukcapil/photos/x", day, None);
    check("bapenda GET dukcapil/nothing/x", day, None);
    check("bapenda GET nobody/population/people/1", day, None);
}

#[test]
fn all_grants_that_name_a_call_are_known_in_order() {
    let directory = Directory::new(with_calls(town::parts())).unwrap();
    let admitted = fixture::admitted(&directory, "bapenda");
    let request = Request::get("/v1/services/dukcapil/population/people/1/status");
    let head = request.body(()).unwrap().into_parts().0;
    let Ok(Operation::Call(target)) = Operation::of(&head) else {
        panic!("it's a call");
    };
    let permitted = authorise_call(admitted, target, &Method::GET, &directory, town::TODAY);
    let permitted = permitted.unwrap();
    let ids: Vec<&str> = permitted
        .grants()
        .map(|named| directory.service_grants()[named.grant].id.as_str())
        .collect();
    assert_eq!(ids, ["S-001", "S-002"]);
}

#[test]
fn what_does_not_fit_is_found() {
    let mut parts = with_calls(town::parts());
    parts.services.push(service("dukcapil", "photos"));
    parts
        .service_grants
        .push(service_grant(1, "nobody absent GET /"));
    parts.service_grants[4].valid_to = "2020-01-01".parse().unwrap();
    let wrong = Directory::new(parts).unwrap_err();
    let keys: Vec<&str> = wrong.iter().map(|it| it.key).collect();
    assert_eq!(
        keys,
        ["service", "grant_id", "consumer", "valid_to", "service"]
    );
}
