use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Duration;

use http::Response;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::message::{SourceAnswer, SourceStatus};
use crate::problem::{Code, Problem};
use crate::schema;

const PATH: &str = "/v1/records/person-identity/1";
const NIK: &str = "3510161405889901";

fn question() -> Value {
    json!({
        "request_id": "0192f0c4-7d1a-7e55-9b61-000000000001",
        "case_id": "MPP-3510-20261124-000123",
        "purpose": "identity_check",
        "legal_basis": {"kind": "public_task", "reference": "UU 23/2006 art. 58"},
        "requester": {"organisation": "bapenda-3510", "counter": "A02", "clerk": "clk-1b22"},
        "subject": {"scheme": "nik", "value": NIK},
        "fields": ["nik", "full_name"],
    })
}

fn claiming() -> Value {
    let mut question = question();
    let claim =
        json!({"field": "full_name", "op": "name_matches", "value": "BAGAS CONTOH PRATAMA"});
    question.as_object_mut().unwrap().remove("fields");
    question["claims"] = json!([claim]);
    question
}

async fn dukcapil() -> (FakeAgency, [FakeCounter; 2]) {
    let ca = Ca::new("loket.example");
    let agency = FakeAgency::builder("dukcapil")
        .gateways([ca.spiffe("gateway", "mpp-1")])
        .samples()
        .start(&ca)
        .await;
    let gateway = FakeCounter::new(
        &ca.system("gateway", "mpp-1").mutual_tls(),
        agency.address(),
    );
    (agency, [gateway.clone(), gateway.http2()])
}

#[tokio::test]
async fn a_sound_agency_finds_its_samples() {
    let (agency, gateways) = dukcapil().await;
    for gateway in gateways {
        let answer: SourceAnswer = gateway.post(PATH, &question()).await.unwrap().json();
        assert_eq!(answer.status, SourceStatus::Found);
        let record = answer.record.unwrap().into_exposed();
        assert_eq!(
            Value::Object(record),
            json!({"nik": NIK, "full_name": "BAGAS CONTOH PRATAMA"})
        );
    }
    agency.asked(2).await;
    assert_eq!(agency.requests()[0].subject.value.expose(), NIK);
    assert_eq!(agency.requests().len(), 2);
}

#[tokio::test]
async fn records_can_be_replaced() {
    let (agency, [gateway, _]) = dukcapil().await;
    let bagas = sample("person-identity/1");
    for (records, status) in [
        (vec![], SourceStatus::NotFound),
        (
            vec![bagas.clone(), bagas.clone()],
            SourceStatus::SeveralRecords,
        ),
        (vec![bagas], SourceStatus::Found),
    ] {
        agency.set_records("person-identity/1", records);
        let answer: SourceAnswer = gateway.post(PATH, &question()).await.unwrap().json();
        assert_eq!(answer.status, status);
    }
}

/// What the gateway would find wrong with an answer.
fn verdict(answer: &CounterAnswer, asked: &Value) -> String {
    if answer.status != 200 {
        let problem = serde_json::from_slice::<Problem>(&answer.body);
        return problem.map_or(answer.status.to_string(), |it| it.code.as_str().to_owned());
    }
    if answer.body.len() > 1024 * 1024 {
        return "too_large".to_owned();
    }
    let Ok(document) = serde_json::from_slice::<Value>(&answer.body) else {
        return "not_json".to_owned();
    };
    if schema::source_answer().check(&document).is_err() {
        return "breaks_schema".to_owned();
    }
    let answer: SourceAnswer = answer.json();
    let subject = answer.subject.as_ref();
    if subject.is_some_and(|subject| json!(subject) != asked["subject"]) {
        return "other_subject".to_owned();
    }
    let record = answer
        .record
        .map(|record| json!(record))
        .unwrap_or_default();
    let person = schema::record(&"person-identity/1".parse().unwrap()).unwrap();
    if !record.is_null() && person.check_part(&record, []).is_err() {
        return "breaks_schema".to_owned();
    }
    let more = record.as_object().is_some_and(|record| record.len() > 2);
    if more {
        "more than was asked".to_owned()
    } else {
        answer.status.to_string()
    }
}

#[tokio::test]
async fn every_fault_shows_and_passes() {
    let (agency, gateways) = dukcapil().await;
    let cases = [
        (Fault::None, "found", "found"),
        (Fault::Slow(Duration::from_millis(1)), "found", "found"),
        (Fault::Broken, "breaks_schema", "breaks_schema"),
        (Fault::NotJson, "not_json", "not_json"),
        (Fault::TooLarge, "too_large", "too_large"),
        (Fault::Refusing, "refused", "refused"),
        (Fault::WrongCitizen, "other_subject", "other_subject"),
        (Fault::Status(418), "418 I'm a teapot", "418 I'm a teapot"),
        (Fault::QuotaUsedUp, "quota_used_up", "quota_used_up"),
        (Fault::Later, "later", "later"),
        (
            Fault::CitizenMustAct,
            "citizen_must_act",
            "citizen_must_act",
        ),
        (Fault::SeveralRecords, "several_records", "several_records"),
        (Fault::Draining, "draining", "draining"),
        (
            Fault::ExtraField,
            "more than was asked",
            "more than was asked",
        ),
    ];
    for gateway in gateways {
        for (fault, of_fields, of_claims) in &cases {
            agency.set_fault(fault.clone());
            for (asked, expected) in [(question(), of_fields), (claiming(), of_claims)] {
                let answer = gateway.post(PATH, &asked).await.unwrap();
                assert_eq!(verdict(&answer, &asked), *expected, "{fault:?}");
            }
        }
        agency.set_fault(Fault::None);
        let answer = gateway.post(PATH, &question()).await.unwrap();
        assert_eq!(verdict(&answer, &question()), "found");
    }
}

#[tokio::test]
async fn another_citizens_record_is_another_citizens() {
    let (agency, [gateway, _]) = dukcapil().await;
    agency.set_fault(Fault::WrongCitizen);
    let answer: SourceAnswer = gateway.post(PATH, &question()).await.unwrap().json();
    let record = answer.record.unwrap().into_exposed();
    let (person, subject) = (
        schema::record(&"person-identity/1".parse().unwrap()).unwrap(),
        serde_json::from_value(question()["subject"].take()).unwrap(),
    );
    person
        .check_part(&json!(record), ["nik", "full_name"])
        .unwrap();
    assert_eq!(person.is_about(&subject, &record), Some(false));
    assert_eq!(
        person.is_about(&answer.subject.unwrap(), &record),
        Some(true)
    );
}

#[tokio::test]
async fn a_wrong_question_is_refused_whatever_is_broken() {
    let (agency, [gateway, _]) = dukcapil().await;
    agency.set_fault(Fault::Refusing);
    let mut wrong = question();
    wrong["fields"] = json!(["shoe_size"]);
    let problem: Problem = gateway.post(PATH, &wrong).await.unwrap().json();
    assert_eq!(problem.code, Code::BreaksSchema);
}

#[tokio::test]
async fn down_closes_what_is_open_and_what_comes() {
    let (agency, gateways) = dukcapil().await;
    for gateway in gateways {
        let mut open = gateway.connect().await.unwrap();
        agency.set_fault(Fault::Down);
        assert!(open.send("GET", "/health", &[], "").await.is_err());
        assert!(gateway.get("/health").await.is_err());
        agency.set_fault(Fault::None);
        assert_eq!(gateway.get("/health").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn one_record_can_be_broken_alone() {
    let (agency, gateways) = dukcapil().await;
    agency
        .faults()
        .set_for("person-identity/1".parse().unwrap(), Fault::Down);
    for gateway in gateways {
        assert!(gateway.post(PATH, &question()).await.is_err());
        let mut family = question();
        family["fields"] = json!(["kk_number"]);
        let answer = gateway
            .post("/v1/records/family-card/1", &family)
            .await
            .unwrap();
        assert_eq!(answer.status, 200);
    }
    agency.faults().clear();
}

#[tokio::test]
async fn a_hanging_agency_has_the_question() {
    let (agency, [gateway, _]) = dukcapil().await;
    agency.set_fault(Fault::Hang);
    let asked = question();
    tokio::select! {
        _ = gateway.post(PATH, &asked) => panic!("it answered"),
        () = agency.asked(1) => {}
    }
}

#[tokio::test]
async fn a_stopped_agency_refuses_connections() {
    let (agency, [gateway, _]) = dukcapil().await;
    agency.stop().await;
    let error = gateway.get("/health").await.unwrap_err();
    assert!(matches!(error, CounterError::Connect(_)), "{error}");
}

#[tokio::test]
async fn events_are_read_one_by_one() {
    const STREAM: &str = ": hello\n\nevent: accepted\nid: 1\ndata: {\"a\":\ndata: 1}\n\n\
                          : still here\nevent: done\r\ndata: {}\r\n\r\ndata: cut off";
    let ca = Ca::new("loket.example");
    let leaf = ca.system("gateway", "mpp-1");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(leaf.mutual_tls().server().unwrap()));
    let serving = tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let io = TokioIo::new(acceptor.accept(tcp).await.unwrap());
            let answer =
                service_fn(|_| async { Ok::<_, Infallible>(Response::new(STREAM.to_owned())) });
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            drop(server.serve_connection(io, answer).await);
        }
    });
    let counter = FakeCounter::new(&ca.system("a-counter", "desk").mutual_tls(), address);
    for counter in [counter.clone(), counter.http2()] {
        let mut stream = counter.events("POST", "/", &[], "").await.unwrap();
        assert_eq!(stream.status, 200);
        let first = stream.next().await.unwrap().unwrap();
        assert_eq!((first.name.as_str(), first.id.as_str()), ("accepted", "1"));
        assert_eq!(first.json::<Value>(), json!({"a": 1}));
        assert_eq!(first.comments, ["hello"]);
        let rest = stream.all().await.unwrap();
        assert_eq!(rest.len(), 1);
        assert_eq!(
            (rest[0].name.as_str(), rest[0].data.as_str()),
            ("done", "{}")
        );
    }
    serving.abort();
}
