use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use loket_sdk::ids::{AgencyId, SystemId};
use loket_sdk::message::SourceName;
use loket_sdk::testing::Ca;

use super::*;
use crate::directory::Backend;
use crate::fixture::{town, world};
use crate::telemetry::Peer;
use crate::upstream::connector::Connector;

fn endpoints(count: usize) -> Vec<Endpoint> {
    let ca = Ca::new(town::TRUST_DOMAIN);
    let tls = Arc::new(ca.system("gateway", "mpp-1").mutual_tls().client().unwrap());
    let name = SourceName {
        agency: AgencyId::parse("djp").unwrap(),
        system: SystemId::parse("core").unwrap(),
    };
    let backend = Backend::default();
    let telemetry = world::telemetry();
    (0..count)
        .map(|port| {
            let url = format!("https://127.0.0.1:{}", port + 1).parse().unwrap();
            let connector = Connector::new(&tls, &backend, town::TRUST_DOMAIN, &name);
            let metrics = telemetry.metrics().clone();
            Endpoint::new(&url, &backend, connector, metrics, Peer::new("djp", "core"))
        })
        .collect()
}

fn drawn(balance: &Balance, endpoints: &[Endpoint], avoid: Option<usize>) -> BTreeMap<usize, u32> {
    let mut counts = BTreeMap::new();
    for _ in 0..1_000 {
        *counts
            .entry(balance.choose(endpoints, avoid).index)
            .or_default() += 1;
    }
    counts
}

fn eject(endpoint: &Endpoint) {
    let telemetry = world::telemetry();
    for _ in 0..5 {
        endpoint.outlier.failed(Instant::now(), || {
            telemetry
                .metrics()
                .agency_ejected(&Peer::new("djp", "core"))
        });
    }
}

#[tokio::test(start_paused = true)]
async fn equal_endpoints_share_and_a_slow_one_is_spared() {
    let (balance, all) = (Balance::new(false), endpoints(3));
    let equal = drawn(&balance, &all, None);
    assert!(equal.values().all(|count| *count > 200), "{equal:?}");
    all[1]
        .load
        .observe(Duration::from_millis(500), false, Instant::now());
    let spared = drawn(&balance, &all, None);
    assert_eq!(spared.get(&1), None, "of two the slow one never wins");
    assert_eq!(
        drawn(&balance, &all[..2], Some(0)).len(),
        1,
        "but it may be all that is left"
    );
}

#[tokio::test(start_paused = true)]
async fn an_ejected_endpoint_gets_one_try_when_its_time_is_over() {
    let (balance, all) = (Balance::new(false), endpoints(3));
    eject(&all[2]);
    assert_eq!(drawn(&balance, &all, None).get(&2), None);
    tokio::time::advance(Duration::from_secs(10)).await;
    let choice = balance.choose(&all, None);
    assert_eq!(
        choice,
        Choice {
            index: 2,
            probe: true
        }
    );
    assert_eq!(drawn(&balance, &all, None).get(&2), None);
    all[2].outlier.succeeded();
    assert!(drawn(&balance, &all, None).contains_key(&2));
}

#[tokio::test(start_paused = true)]
async fn when_all_are_ejected_all_are_asked() {
    let (balance, all) = (Balance::new(true), endpoints(2));
    all.iter().for_each(eject);
    assert_eq!(drawn(&balance, &all, None).len(), 2);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(!balance.choose(&all, None).probe, "the health check tries");
    all[0].hold(Duration::from_secs(3), Instant::now());
    assert_eq!(
        drawn(&balance, &all, None).get(&0),
        None,
        "not before its time"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_said_when_is_not_asked_before() {
    let (balance, all) = (Balance::new(false), endpoints(2));
    all[0].hold(Duration::from_secs(3), Instant::now());
    assert_eq!(drawn(&balance, &all, None).get(&0), None);
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(drawn(&balance, &all, None).len(), 2);
}
