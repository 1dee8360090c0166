//! Every problem, as a caller gets it.

mod states;

use std::collections::BTreeSet;
use std::time::Duration;

use loket_sdk::problem::{Code, MEDIA_TYPE, Problem};
use loket_sdk::schema;
use loket_sdk::testing::CounterAnswer;
use loket_tests::{Ask, BAGAS, Town, TownBuilder};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("content-type", "application/json");

/// Codes that other files show.
const ELSEWHERE: &[Code] = &[
    // Of a lookup that comes again; see `replay.rs`.
    Code::RequestIdReused,
    Code::RequestInProgress,
    // Routed calls.
    Code::SourceUnavailable,
    Code::SourceTimeout,
];

/// Codes that this file shows, one by one.
const SHOWN: &[Code] = &[
    Code::MalformedRequest,
    Code::NotEnrolled,
    Code::IdentityContradicted,
    Code::NothingGranted,
    Code::SecondPersonNeeded,
    Code::NotFound,
    Code::MethodNotAllowed,
    Code::NotAcceptable,
    Code::RequestTimeout,
    Code::BodyTooLarge,
    Code::UnsupportedMediaType,
    Code::BreaksSchema,
    Code::RateLimited,
    Code::HeadersTooLarge,
    Code::Internal,
    Code::Overloaded,
    Code::Draining,
    Code::AuditUnavailable,
];

#[test]
fn every_code_is_shown_or_out_of_reach() {
    let listed: BTreeSet<&str> = SHOWN.iter().chain(ELSEWHERE).map(|c| c.as_str()).collect();
    let all: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(listed, all);
    let source = concat!(
        include_str!("problems.rs"),
        include_str!("problems/states.rs")
    );
    for code in SHOWN {
        let name = format!("Code::{code:?}");
        assert!(
            source.matches(&name).count() >= 2,
            "{name} is shown nowhere"
        );
    }
}

/// What every problem must be: as its schema says, traceable, silent about the citizen.
fn is_problem(answer: &CounterAnswer, code: Code) -> Problem {
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(answer.header("content-type"), MEDIA_TYPE, "{text}");
    let document: Value = answer.json();
    schema::problem().check(&document).unwrap();
    let problem: Problem = answer.json();
    assert_eq!(problem.code, code, "{text}");
    assert_eq!(answer.status.as_u16(), code.status());
    assert_eq!(problem.status, code.status());
    assert_eq!(problem.trace_id, answer.header("x-trace-id"));
    assert_ne!(problem.trace_id, "0".repeat(32));
    assert!(!text.contains(BAGAS) && !text.contains("CONTOH"), "{text}");
    assert_eq!(answer.header("cache-control"), "no-store");
    problem
}

/// One request to the usual town; the refusal is in the audit log, and the town still serves.
async fn check(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
    code: Code,
) -> (CounterAnswer, Problem) {
    let town = Town::builder().agencies(&["dukcapil"]).start().await;
    let sent = town
        .counter()
        .send(method, path, headers, body.to_owned())
        .await;
    let answer = sent.unwrap();
    let problem = is_problem(&answer, code);
    let entries = town.audit_entries();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["kind"], "refusal");
    assert_eq!(entries[0]["refusal"], code.as_str());
    assert_eq!(entries[0]["trace_id"], problem.trace_id);
    town.answer(&Ask::identity()).await;
    town.stop().await;
    (answer, problem)
}

async fn check_lookup(ask: Ask, code: Code) -> Problem {
    check("POST", "/v1/lookups", &[JSON], &ask.text(), code)
        .await
        .1
}

#[tokio::test]
async fn what_isnt_as_agreed() {
    let good = Ask::identity().text();
    let cases = [
        (
            "POST",
            "/v1/lookups",
            vec![JSON],
            "{",
            Code::MalformedRequest,
        ),
        (
            "POST",
            "/v1/lookups",
            vec![JSON],
            "",
            Code::MalformedRequest,
        ),
        ("GET", "/", vec![], "", Code::NotFound),
        ("GET", "/v1/lookups/", vec![], "", Code::NotFound),
        (
            "GET",
            "/v1/schemas/person-identity/9",
            vec![],
            "",
            Code::NotFound,
        ),
        (
            "GET",
            "/v1/schemas/3510161405889901/1",
            vec![],
            "",
            Code::NotFound,
        ),
        (
            "POST",
            "/v1/lookups",
            vec![],
            &good,
            Code::UnsupportedMediaType,
        ),
        (
            "POST",
            "/v1/lookups",
            vec![("content-type", "text/plain")],
            &good,
            Code::UnsupportedMediaType,
        ),
        (
            "POST",
            "/v1/lookups",
            vec![JSON, ("content-encoding", "gzip")],
            &good,
            Code::UnsupportedMediaType,
        ),
        (
            "POST",
            "/v1/lookups",
            vec![JSON, ("accept", "text/csv")],
            &good,
            Code::NotAcceptable,
        ),
        (
            "POST",
            "/v1/lookups",
            vec![JSON, ("loket-member", "dukcapil")],
            &good,
            Code::IdentityContradicted,
        ),
    ];
    for (method, path, headers, body, code) in cases {
        check(method, path, &headers, body, code).await;
    }
}

#[tokio::test]
async fn another_method_is_told_which() {
    let cases = [
        ("GET", "/v1/lookups", "POST"),
        ("DELETE", "/v1/catalogue", "GET"),
        ("PUT", "/v1/schemas/person-identity/1", "GET"),
        ("POST", "/openapi.json", "GET"),
    ];
    for (method, path, allowed) in cases {
        let (answer, _) = check(method, path, &[], "", Code::MethodNotAllowed).await;
        let allow = answer.header("allow");
        assert!(
            allow.split(", ").any(|method| method == allowed),
            "{path}: {allow}"
        );
    }
}

#[tokio::test]
async fn a_broken_lookup_is_told_where() {
    let person = "person-identity/1";
    let cases: Vec<(Ask, &[&str])> = vec![
        (Ask::identity().without("case_id"), &[""]),
        (
            Ask::identity().with("/purpose", json!("curiosity")),
            &["/purpose"],
        ),
        (Ask::identity().with("/more", json!(1)), &[""]),
        (
            Ask::identity().about("351016140588990"),
            &["/subject/value"],
        ),
        (
            Ask::identity().about(&format!("{BAGAS}9")),
            &["/subject/value"],
        ),
        (Ask::identity().within_ms(100), &["/deadline_ms"]),
        (Ask::new("identity_check"), &["/records"]),
        (
            Ask::identity().all("no-such-record/1"),
            &["/records/1/record"],
        ),
        (
            Ask::identity().all("person-identity/7"),
            &["/records/1/record"],
        ),
        (
            Ask::identity().fields(person, &["shoe_size"]),
            &["/records/1/fields/0"],
        ),
        (
            Ask::identity().about_by("plate", "P 9901 ZZ"),
            &["/records/0/record"],
        ),
        (
            Ask::identity().claims(
                person,
                &[("birth_date", "date_equals", json!("14-05-1988"))],
            ),
            &["/records/1/claims/0/value"],
        ),
        (
            Ask::new("social_assistance").claims(
                "social-assistance/1",
                &[
                    ("decile", "at_least", json!(3)),
                    ("decile", "at_most", json!(3)),
                ],
            ),
            &["/records/0/claims/1"],
        ),
    ];
    for (ask, pointers) in cases {
        let problem = check_lookup(ask, Code::BreaksSchema).await;
        for pointer in pointers {
            let told = problem
                .errors
                .iter()
                .any(|e| e.pointer.starts_with(pointer));
            assert!(told, "{pointer}: {:?}", problem.errors);
        }
    }
}

#[tokio::test]
async fn what_nobody_granted() {
    let town = Town::builder()
        .agencies(&["dukcapil"])
        .without_grants()
        .start()
        .await;
    let answer = town.ask(&Ask::identity()).await;
    is_problem(&answer, Code::NothingGranted);
    assert!(town.agency("dukcapil").requests().is_empty());
    let stranger = town.ca().system("stranger", "counter");
    let answer = town
        .counter_as(&stranger)
        .get("/v1/catalogue")
        .await
        .unwrap();
    is_problem(&answer, Code::NotEnrolled);
    town.stop().await;
}

/// What broke the glass can't be approved by whoever broke it.
#[tokio::test]
async fn what_needs_a_second_person() {
    let town = Town::builder()
        .agencies(&["dukcapil"])
        .grants(|grant| grant.break_glass_ok = true)
        .start()
        .await;
    let glass =
        json!({"ground": "disaster", "justification": "A family is missing after the flood."});
    let ask = Ask::new("complaint_handling")
        .fields("person-identity/1", &["identity_status"])
        .with("/break_glass", glass);
    let broken = town.answer(&ask).await.break_glass.unwrap();
    let path = format!("/v1/break-glass/{}/approvals", broken.entry);
    let own = json!({"clerk": "clk-7f3a", "counter": "B01"});
    let answer = town.counter().post(&path, &own).await.unwrap();
    is_problem(&answer, Code::SecondPersonNeeded);
    town.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large() {
    let (body, large) = (Ask::identity().text(), " ".repeat(64 * 1024));
    let (_, problem) = check(
        "POST",
        "/v1/lookups",
        &[JSON],
        &(body + &large),
        Code::BodyTooLarge,
    )
    .await;
    assert!(problem.detail.contains("65536"));
}

#[tokio::test]
async fn a_body_that_never_ends() {
    let town = dukcapil().limits(|limits| limits.body_timeout = Duration::from_millis(200));
    let town = town.start().await;
    let head = "POST /v1/lookups HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 500\r\n\r\n{";
    let text = town.counter().send_bytes(head.as_bytes()).await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(text.starts_with("HTTP/1.1 408"), "{text}");
    assert!(text.contains(Code::RequestTimeout.as_str()), "{text}");
    town.stop().await;
}

fn dukcapil() -> TownBuilder {
    Town::builder().agencies(&["dukcapil"])
}
