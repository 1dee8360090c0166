//! Who is answered.

use super::*;
use crate::testing::{CounterError, Eku, LeafSpec};

#[tokio::test]
async fn only_a_trusted_gateway_is_answered() {
    let town = Town::new(the_sample()).await;
    assert_eq!(town.gateway().get("/health").await.unwrap().status, 200);
    for (member, system) in [("gateway", "mpp-2"), ("dukcapil", "siak"), ("bpn", "mpp-1")] {
        for counter in [
            town.caller(member, system),
            town.caller(member, system).http2(),
        ] {
            let answer = counter.post(PATH, &question()).await.unwrap();
            assert_problem(&answer, Code::NotEnrolled);
            let answer = counter.get("/health").await.unwrap();
            assert_problem(&answer, Code::NotEnrolled);
        }
    }
}

#[tokio::test]
async fn a_certificate_that_names_nobody_is_refused() {
    let town = Town::new(the_sample()).await;
    let gateway = town.ca.spiffe("gateway", "mpp-1").to_string();
    for uris in [
        vec![],
        vec![gateway.clone(), gateway.clone()],
        vec!["https://loket.example/gateway/mpp-1".to_owned()],
    ] {
        let leaf = town.ca.issue(LeafSpec {
            uris,
            ..LeafSpec::default()
        });
        let counter = FakeCounter::new(&leaf.mutual_tls(), town.address);
        let answer = counter.post(PATH, &question()).await.unwrap();
        assert_problem(&answer, Code::NotEnrolled);
    }
}

#[tokio::test]
async fn the_handshake_refuses_bad_certificates() {
    let town = Town::new(the_sample()).await;
    let uris = vec![town.ca.spiffe("gateway", "mpp-1").to_string()];
    let now = jiff::Timestamp::now();
    let hours = |hours: i64| now + jiff::SignedDuration::from_hours(hours);
    let issue = |spec| {
        let leaf = town.ca.issue(spec);
        FakeCounter::new(&leaf.mutual_tls(), town.address)
    };
    let stranger = Ca::new("loket.example").system("gateway", "mpp-1");
    let counters = [
        FakeCounter::anonymous(&town.ca, town.address),
        FakeCounter::new(&town.ca.mutual_tls(&stranger, None), town.address),
        issue(LeafSpec {
            uris: uris.clone(),
            eku: Eku::Server,
            ..LeafSpec::default()
        }),
        issue(LeafSpec {
            uris: uris.clone(),
            not_before: hours(-3),
            not_after: hours(-2),
            ..LeafSpec::default()
        }),
        issue(LeafSpec {
            uris: uris.clone(),
            not_before: hours(2),
            not_after: hours(3),
            ..LeafSpec::default()
        }),
    ];
    for counter in counters {
        let error = counter.post(PATH, &question()).await.unwrap_err();
        assert!(!matches!(error, CounterError::Connect(_)), "{error}");
    }
}

#[tokio::test]
async fn a_revoked_gateway_is_refused_by_the_handshake() {
    let ca = Ca::new("loket.example");
    let revoked = ca.system("gateway", "mpp-1");
    let siak = ca.system("dukcapil", "siak");
    let list = ca.crl(&[&revoked]);
    for (list, leaf, is_answered) in [
        (list.clone(), &revoked, false),
        (list, &ca.system("gateway", "mpp-1"), true),
        (ca.crl_expired(), &ca.system("gateway", "mpp-1"), false),
    ] {
        let bound = Server::builder(the_sample())
            .address((Ipv4Addr::LOCALHOST, 0).into())
            .tls(ca.mutual_tls(&siak, Some(&list)))
            .gateways([ca.spiffe("gateway", "mpp-1")])
            .bind()
            .await
            .unwrap();
        let counter = FakeCounter::new(&leaf.mutual_tls(), bound.local_addr());
        let serving = tokio::spawn(bound.serve(std::future::pending()));
        assert_eq!(counter.get("/health").await.is_ok(), is_answered);
        serving.abort();
    }
}

#[tokio::test]
async fn a_caller_checks_the_agency_too() {
    let town = Town::new(the_sample()).await;
    let elsewhere = Ca::new("loket.example");
    let leaf = town.ca.system("gateway", "mpp-1");
    let counter = FakeCounter::new(&elsewhere.mutual_tls(&leaf, None), town.address);
    let error = counter.get("/health").await.unwrap_err();
    assert!(matches!(error, CounterError::Handshake(_)), "{error}");
    let other_name = town.gateway().server_name("dukcapil.example");
    assert!(other_name.get("/health").await.is_err());
}
