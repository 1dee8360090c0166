//! What is asked: routes, headers, bodies.

use super::*;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn town() -> (Town, [FakeCounter; 2]) {
    let town = Town::new(the_sample()).await;
    let gateways = [town.gateway(), town.gateway().http2()];
    (town, gateways)
}

#[tokio::test]
async fn every_other_route_is_a_problem() {
    let (_town, gateways) = town().await;
    for gateway in gateways {
        for path in [
            "/",
            "/v1",
            "/v1/records/person-identity",
            "/v1/records/person-identity/2",
            "/v1/records/person-identity/01",
            "/v1/records/person-identity/1/",
            "/v1/records/taxpayer/1",
            "/v1/records/../health",
            "/x/health",
        ] {
            let answer = gateway.post(path, &question()).await.unwrap();
            assert_problem(&answer, Code::NotFound);
        }
        for (method, path, allow) in [("GET", PATH, "POST"), ("POST", "/health", "GET, HEAD")] {
            let answer = gateway.send(method, path, &[], "").await.unwrap();
            assert_problem(&answer, Code::MethodNotAllowed);
            assert_eq!(answer.header("allow"), allow);
        }
    }
}

#[tokio::test]
async fn a_base_path_is_part_of_every_route() {
    let town = Town::with(the_sample(), |server| server.base("/dukcapil")).await;
    let gateway = town.gateway();
    let answer = gateway.get("/dukcapil/health").await.unwrap();
    assert_eq!(answer.json::<Value>(), json!({"status": "up"}));
    let path = format!("/dukcapil{PATH}");
    assert_eq!(gateway.post(&path, &question()).await.unwrap().status, 200);
    assert_problem(&gateway.get("/health").await.unwrap(), Code::NotFound);
}

#[tokio::test]
async fn headers_are_checked() {
    let (_town, gateways) = town().await;
    let body = question().to_string();
    let cases: &[(&[(&str, &str)], Code)] = &[
        (&[], Code::UnsupportedMediaType),
        (&[("content-type", "text/json")], Code::UnsupportedMediaType),
        (
            &[JSON[0], ("content-encoding", "gzip")],
            Code::UnsupportedMediaType,
        ),
        (
            &[JSON[0], ("loket-deadline-ms", "1.5")],
            Code::MalformedRequest,
        ),
        (
            &[JSON[0], ("loket-deadline-ms", "+900")],
            Code::MalformedRequest,
        ),
        (
            &[JSON[0], ("loket-deadline-ms", "")],
            Code::MalformedRequest,
        ),
        (
            &[
                JSON[0],
                ("loket-deadline-ms", "900"),
                ("loket-deadline-ms", "900"),
            ],
            Code::MalformedRequest,
        ),
        (
            &[JSON[0], ("loket-request-id", "another")],
            Code::MalformedRequest,
        ),
    ];
    for gateway in gateways {
        for (headers, code) in cases {
            let answer = gateway.send("POST", PATH, headers, body.clone()).await;
            assert_problem(&answer.unwrap(), *code);
        }
        let headers = [("content-type", "Application/JSON; charset=utf-8")];
        let answer = gateway.send("POST", PATH, &headers, body.clone()).await;
        assert_eq!(answer.unwrap().status, 200);
    }
}

#[tokio::test]
async fn what_two_parties_could_read_differently_is_refused() {
    let (_town, gateways) = town().await;
    let twice =
        question()
            .to_string()
            .replacen('{', r#"{"case_id": "MPP-3510-20261124-000123","#, 1);
    for gateway in gateways {
        for body in [twice.as_str(), "", "{", "\u{feff}{}", "{} {}"] {
            let body = body.to_owned();
            let answer = gateway.send("POST", PATH, &JSON, body).await.unwrap();
            assert_problem(&answer, Code::MalformedRequest);
        }
    }
}

#[tokio::test]
async fn a_body_too_large_is_refused_and_the_connection_lives() {
    let (_town, gateways) = town().await;
    for gateway in gateways {
        let mut connection = gateway.connect().await.unwrap();
        for _ in 0..30 {
            let body = " ".repeat(64 * 1024 + 1);
            let answer = connection.send("POST", PATH, &JSON, body).await.unwrap();
            assert_problem(&answer, Code::BodyTooLarge);
        }
        let body = question().to_string();
        let padding = " ".repeat(64 * 1024 - body.len());
        let answer = connection
            .send("POST", PATH, &JSON, body + &padding)
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn the_question_is_checked_without_showing_values() {
    let (_town, [gateway, _]) = town().await;
    let claim = |claim: Value| json!({"fields": null, "claims": [claim]});
    let cases = [
        (json!({"purpose": "curiosity"}), "/purpose"),
        (json!({"fields": []}), "/fields"),
        (json!({"fields": null}), ""),
        (json!({"fields": ["full_name", "shoe_size"]}), "/fields/1"),
        (json!({"extra": NIK}), ""),
        (
            json!({"subject": {"scheme": "kk", "value": "3510161006159901"}}),
            "/subject/scheme",
        ),
        (
            json!({"subject": {"scheme": "nik", "value": "3510161405889x01"}}),
            "/subject/value",
        ),
        (
            json!({"subject": {"scheme": "nik", "value": "351016 140588 9901"}}),
            "/subject/value",
        ),
        (
            json!({"legal_basis": {"kind": "consent", "reference": "formulir"}}),
            "/legal_basis",
        ),
        (
            claim(json!({"field": "shoe_size", "op": "equals", "value": 43})),
            "/claims/0/field",
        ),
    ];
    for (changes, pointer) in cases {
        let asked = with(question(), changes);
        let answer = gateway.post(PATH, &asked).await.unwrap();
        let problem = assert_problem(&answer, Code::BreaksSchema);
        let pointers: Vec<_> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert!(pointers.contains(&pointer), "{asked}: {pointers:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("351016"));
    }
}

#[tokio::test]
async fn the_trace_is_joined() {
    let (_town, [gateway, _]) = town().await;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    for (path, status) in [(PATH, 200), ("/nowhere", 404)] {
        let headers = [JSON[0], ("traceparent", &parent)];
        let body = question().to_string();
        let answer = gateway.send("POST", path, &headers, body).await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("x-trace-id"), trace);
    }
    let headers = [("traceparent", "nonsense")];
    let answer = gateway.send("GET", "/health", &headers, "").await.unwrap();
    assert_eq!(answer.header("x-trace-id").len(), 32);
}
