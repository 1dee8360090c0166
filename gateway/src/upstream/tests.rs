use std::num::NonZeroUsize;

use http::Uri;
use loket_sdk::message::Reason;
use loket_sdk::testing::{Ca, Fault, LeafSpec};

use tokio::time::Instant;

use super::*;
use crate::directory::Source;
use crate::fixture::{town, world::World};
use crate::telemetry::ErrorType;

mod broken;
mod forward;
mod several;

const AGENCY: &str = "korlantas";
const OPEN_FOR: Duration = Duration::from_secs(5);

fn upstream(world: &World) -> Arc<Upstream> {
    let found = world
        .snapshot
        .upstreams
        .iter()
        .find(|it| it.agency().as_str() == AGENCY);
    found.unwrap().clone()
}

fn call(world: &World) -> Call {
    let body = serde_json::json!({
        "request_id": "0192f0c4-7d1a-7e55-9b61-000000000001",
        "case_id": "MPP-3510-20261124-000123",
        "purpose": "driving_licence_renewal",
        "legal_basis": {"kind": "public_task", "reference": "UU 22/2009 art. 85"},
        "requester": {"organisation": "korlantas", "counter": "A02", "clerk": "clk-1b22"},
        "subject": {"scheme": "nik", "value": crate::fixture::NIK},
        "fields": ["state"],
    });
    Call {
        record: "driving-licence/1".parse().unwrap(),
        request_id: "0192f0c4-7d1a-7e55-9b61-000000000001".parse().unwrap(),
        body: body.to_string().into(),
        deadline: Instant::now() + Duration::from_secs(10),
        max_answer: 1 << 20,
        key: None,
        parent: world.span(),
    }
}

fn show(answer: &Result<Answered, Failure>) -> String {
    match answer {
        Ok(_) => "answered".to_owned(),
        Err(failure) => format!("{}, {}", failure.reason, failure.error_type.as_str()),
    }
}

async fn ask(world: &World) -> String {
    show(&upstream(world).ask(&call(world)).await)
}

#[tokio::test]
async fn an_answer_comes_as_it_was_sent() {
    let world = World::start(|_| {}).await;
    let bytes = upstream(&world).ask(&call(&world)).await.unwrap().bytes;
    let answer: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(answer["record"], serde_json::json!({"state": "valid"}));
    assert_eq!(
        format!("{:?}", upstream(&world).name().system),
        format!("{:?}", upstream(&world).system())
    );
}

#[tokio::test]
async fn each_failure_has_its_two_words() {
    let world = World::start(|_| {}).await;
    for (fault, expected) in [
        (Fault::TooLarge, "too_large, protocol"),
        (Fault::Status(500), "source_error, 500"),
        (Fault::Status(503), "overloaded, 503"),
        (Fault::Status(401), "refused_by_source, 401"),
        (Fault::Status(408), "no_answer_yet, 408"),
        (Fault::NotJson, "answered"),
        (Fault::Draining, "draining, 503"),
    ] {
        world.set_fault(AGENCY, fault.clone());
        assert_eq!(ask(&world).await, expected, "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_may_be_as_large_as_agreed_and_no_larger() {
    let whole = World::start(|_| {}).await;
    let length = upstream(&whole)
        .ask(&call(&whole))
        .await
        .unwrap()
        .bytes
        .len();
    // The time within has six to nine digits after the second.
    for (max_answer, expected) in [
        (length + 8, "answered"),
        (length - 8, "too_large, protocol"),
    ] {
        let call = Call {
            max_answer,
            ..call(&whole)
        };
        assert_eq!(show(&upstream(&whole).ask(&call).await), expected);
    }
}

#[tokio::test]
async fn a_question_that_left_is_not_asked_again() {
    let world = World::start(|_| {}).await;
    let licence = "driving-licence/1".parse().unwrap();
    let agency = world.agency(AGENCY);
    agency.faults().set_for(licence, Fault::Down);
    assert_eq!(ask(&world).await, "source_error, connection_reset");
    assert_eq!(agency.requests().len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_question_left_is_tried_again_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = tokio::spawn(async move {
        let mut connections = 0;
        while let Ok(Ok((stream, _))) =
            tokio::time::timeout(Duration::from_secs(1), listener.accept()).await
        {
            connections += 1;
            drop(stream);
        }
        connections
    });
    let url: Uri = format!("https://{address}").parse().unwrap();
    let world = World::start(|parts| {
        parts
            .sources
            .iter_mut()
            .for_each(|it| it.backend.endpoints = vec![url.clone()]);
    })
    .await;
    let failure = upstream(&world).ask(&call(&world)).await.unwrap_err();
    assert_eq!(
        (failure.reason, failure.asked),
        (Reason::Unreachable, false)
    );
    assert_eq!(connections.await.unwrap(), 2);
}

#[tokio::test]
async fn an_answered_error_is_not_asked_again() {
    let world = World::start(|_| {}).await;
    world.set_fault(AGENCY, Fault::Status(500));
    ask(&world).await;
    assert_eq!(world.questions(), 1);
}

#[tokio::test]
async fn only_so_many_questions_are_in_flight() {
    let world = World::start(|parts| {
        parts
            .sources
            .iter_mut()
            .for_each(|it| it.backend.max_in_flight = NonZeroUsize::new(2).unwrap());
    })
    .await;
    world.set_fault(AGENCY, Fault::Hang);
    let upstream = upstream(&world);
    let (one, two) = (call(&world), call(&world));
    let mut running = Box::pin(async { tokio::join!(upstream.ask(&one), upstream.ask(&two)) });
    tokio::select! {
        _ = &mut running => panic!("the agency hangs"),
        () = world.agency(AGENCY).asked(2) => {}
    }
    assert_eq!(ask(&world).await, "overloaded, rate_limited");
    drop(running);
    world.set_fault(AGENCY, Fault::None);
    assert_eq!(ask(&world).await, "answered");
}

#[tokio::test]
async fn an_agency_that_hangs_costs_its_own_timeout() {
    let world = World::start(|_| {}).await;
    world.set_fault(AGENCY, Fault::Hang);
    let (upstream, call) = (upstream(&world), call(&world));
    let mut asking = Box::pin(upstream.ask(&call));
    tokio::select! {
        _ = &mut asking => panic!("the agency hangs"),
        () = world.agency(AGENCY).asked(1) => {}
    }
    let started = Instant::now();
    tokio::time::pause();
    assert_eq!(
        show(&asking.await),
        "timed_out, timeout".replace("timed_out", "no_answer_yet")
    );
    let took = started.elapsed();
    assert!(took <= Duration::from_millis(3_010), "{took:?}");
}

#[tokio::test]
async fn a_breaker_opens_after_failures_in_a_row_and_closes_after_a_probe() {
    let world = World::start(|_| {}).await;
    world.set_fault(AGENCY, Fault::Status(500));
    for _ in 0..8 {
        assert_eq!(ask(&world).await, "source_error, 500");
    }
    let upstream = upstream(&world);
    let failure = upstream.ask(&call(&world)).await.unwrap_err();
    assert_eq!(
        (failure.reason, failure.error_type),
        (Reason::BreakerOpen, ErrorType::BreakerOpen)
    );
    assert!((1..=5).contains(&failure.retry_after_s.unwrap()));
    assert_eq!(world.questions(), 8, "nothing was sent");

    pass(OPEN_FOR).await;
    assert_eq!(ask(&world).await, "source_error, 500");
    assert_eq!(ask(&world).await, "breaker_open, breaker_open");

    pass(OPEN_FOR).await;
    world.set_fault(AGENCY, Fault::None);
    assert_eq!(ask(&world).await, "answered");
    assert_eq!(ask(&world).await, "answered");
    let metrics = world.telemetry.prometheus_text();
    let closed =
        |line: &&str| line.contains("breaker") && line.contains(AGENCY) && line.contains("closed");
    assert!(
        metrics
            .lines()
            .find(closed)
            .is_some_and(|line| line.ends_with(" 1")),
        "{metrics}"
    );
}

/// Moves the clock; what waits on the network isn't woken by it.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn an_agency_that_answers_as_agreed_keeps_its_breaker_closed() {
    let world = World::start(|_| {}).await;
    for fault in [Fault::Status(404), Fault::Status(403), Fault::NotJson] {
        world.set_fault(AGENCY, fault);
        for _ in 0..10 {
            assert!(!ask(&world).await.contains("breaker_open"));
        }
    }
}

/// Asks at the address of an agency whose certificate is another one's.
async fn check_certificate(change: impl FnOnce(&mut Source), expected: &str) {
    let world = World::start(|parts| {
        let source = parts
            .sources
            .iter_mut()
            .find(|it| it.agency.as_str() == AGENCY)
            .unwrap();
        change(source);
    })
    .await;
    assert_eq!(ask(&world).await, expected);
    assert_eq!(world.questions(), 0);
}

#[tokio::test]
async fn only_the_agency_that_should_be_there_is_asked() {
    let untrusted = "unreachable, tls_cert_untrusted";
    check_certificate(
        |source| source.system = SystemId::parse("archive").unwrap(),
        untrusted,
    )
    .await;
    check_certificate(
        |source| source.backend.server_name = Some("korlantas.example".into()),
        untrusted,
    )
    .await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let closed = format!("https://{nobody}").parse().unwrap();
    check_certificate(
        |source| source.backend.endpoints = vec![closed],
        "unreachable, connect_failed",
    )
    .await;
}

/// Another authority's agency, and one whose certificate is over, at the address of ours.
#[tokio::test]
async fn only_a_certificate_that_we_trust_and_that_is_valid_counts() {
    let (ours, theirs) = (Ca::new(town::TRUST_DOMAIN), Ca::new(town::TRUST_DOMAIN));
    let uris = vec![format!("spiffe://{}/{AGENCY}/registry", town::TRUST_DOMAIN)];
    let over = LeafSpec {
        uris,
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2026-01-02T00:00:00Z".parse().unwrap(),
        ..LeafSpec::default()
    };
    for (leaf, expected) in [
        (
            theirs.system(AGENCY, "registry"),
            "unreachable, tls_cert_untrusted",
        ),
        (ours.issue(over), "unreachable, tls_cert_expired"),
    ] {
        let agency = loket_sdk::testing::FakeAgency::builder(AGENCY)
            .gateways([ours.spiffe("gateway", "mpp-1")])
            .samples()
            .tls(ours.mutual_tls(&leaf, None))
            .start(&ours)
            .await;
        let mut source = town::source(AGENCY, vec!["driving-licence/1".parse().unwrap()]);
        source.backend.endpoints = vec![format!("https://{}", agency.address()).parse().unwrap()];
        let world = World::start(|_| {}).await;
        let tls = Arc::new(
            ours.system("gateway", "mpp-1")
                .mutual_tls()
                .client()
                .unwrap(),
        );
        let upstream = Upstream::new(
            source.name(),
            &source.backend,
            town::TRUST_DOMAIN,
            &tls,
            world.telemetry.clone(),
        );
        assert_eq!(show(&upstream.ask(&call(&world)).await), expected);
    }
}

/// Else one counter in a hurry could close an agency to all the others.
#[tokio::test]
async fn a_callers_haste_does_not_count_against_the_agency() {
    let world = World::start(|_| {}).await;
    world.set_fault(AGENCY, Fault::Hang);
    let upstream = upstream(&world);
    for _ in 0..12 {
        let mut call = call(&world);
        call.deadline = Instant::now() + Duration::from_millis(5);
        assert_eq!(show(&upstream.ask(&call).await), "no_answer_yet, timeout");
    }
    world.agency(AGENCY).faults().clear();
    assert_eq!(show(&upstream.ask(&call(&world)).await), "answered");
}
