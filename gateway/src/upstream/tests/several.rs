//! Several endpoints, over real TLS: retries, ejection, hedging, shared answers.

use loket_sdk::testing::FakeAgency;

use super::*;
use crate::directory::Protocol;
use crate::telemetry::Telemetry;

struct Several {
    agencies: Vec<FakeAgency>,
    upstream: Arc<Upstream>,
    world: World,
}

impl Several {
    async fn start(count: usize, change: impl FnOnce(&mut Backend)) -> Self {
        let ca = Ca::new(town::TRUST_DOMAIN);
        let mut agencies = Vec::new();
        for _ in 0..count {
            let agency = FakeAgency::builder(AGENCY)
                .gateways([ca.spiffe("gateway", "mpp-1")])
                .samples()
                .start(&ca);
            agencies.push(agency.await);
        }
        let source = town::source(AGENCY, Vec::new());
        let mut backend = Backend {
            endpoints: agencies
                .iter()
                .map(|agency| format!("https://{}", agency.address()).parse().unwrap())
                .collect(),
            max_in_flight: NonZeroUsize::new(64).unwrap(),
            ..source.backend.clone()
        };
        change(&mut backend);
        let world = World::start(|_| {}).await;
        let tls = Arc::new(ca.system("gateway", "mpp-1").mutual_tls().client().unwrap());
        let telemetry = world.telemetry.clone();
        let upstream = Upstream::new(source.name(), &backend, town::TRUST_DOMAIN, &tls, telemetry);
        Self {
            agencies,
            upstream: Arc::new(upstream),
            world,
        }
    }

    async fn ask(&self) -> String {
        show(&self.upstream.ask(&call(&self.world)).await)
    }

    fn asked(&self) -> usize {
        self.agencies.iter().map(|it| it.requests().len()).sum()
    }
}

/// The sum of a metric's samples that have all of these labels.
pub(super) fn metric(telemetry: &Telemetry, name: &str, labels: &[&str]) -> f64 {
    telemetry
        .prometheus_text()
        .lines()
        .filter(|line| {
            line.starts_with(&format!("{name}{{")) && labels.iter().all(|it| line.contains(it))
        })
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

#[tokio::test]
async fn what_one_endpoint_refuses_another_answers() {
    let several = Several::start(2, |backend| backend.retry_percent = 100).await;
    several.agencies[0].set_fault(Fault::Status(503));
    for _ in 0..20 {
        assert_eq!(several.ask().await, "answered");
    }
    let telemetry = &several.world.telemetry;
    let retries = metric(telemetry, "loket_agency_resends_total", &["\"retry\""]);
    assert_eq!(several.asked() as f64, 20.0 + retries);
    // Asked until it was ejected, and then no more.
    assert!((1.0..=5.0).contains(&retries), "{retries}");
}

#[tokio::test]
async fn a_failed_endpoint_is_left_out_until_a_try_succeeds() {
    let several = Several::start(2, |backend| {
        backend.retry_percent = 100;
        backend.ejection.failures = std::num::NonZeroU32::MIN;
    })
    .await;
    several.agencies[0].set_fault(Fault::Down);
    for _ in 0..20 {
        assert_eq!(several.ask().await, "answered");
    }
    let telemetry = &several.world.telemetry;
    assert_eq!(metric(telemetry, "loket_agency_ejected", &[AGENCY]), 1.0);
    several.agencies[0].set_fault(Fault::None);
    pass(Duration::from_secs(11)).await;
    for _ in 0..20 {
        assert_eq!(several.ask().await, "answered");
    }
    assert_eq!(metric(telemetry, "loket_agency_ejected", &[AGENCY]), 0.0);
}

#[tokio::test]
async fn without_a_budget_nothing_is_asked_twice() {
    let several = Several::start(2, |backend| backend.retry_percent = 0).await;
    for agency in &several.agencies {
        agency.set_fault(Fault::Status(503));
    }
    for asked in 1..=5 {
        assert_eq!(several.ask().await, "overloaded, 503");
        assert_eq!(several.asked(), asked);
    }
    let telemetry = &several.world.telemetry;
    let spent = metric(telemetry, "loket_agency_resends_total", &["no_budget"]);
    assert_eq!(spent, 5.0);
}

/// Else a source that fails would get twice the load just then.
#[tokio::test]
async fn retries_are_a_share_of_the_requests() {
    let several = Several::start(2, |backend| {
        backend.retry_percent = 20;
        backend.breaker.failures = std::num::NonZeroU32::MAX;
        backend.breaker.percent = 101;
    })
    .await;
    for agency in &several.agencies {
        agency.set_fault(Fault::Status(503));
    }
    for _ in 0..100 {
        several.ask().await;
    }
    // A fifth, and ten from the reserve of the ten seconds.
    let retries = several.asked() - 100;
    assert!((10..=32).contains(&retries), "{retries}");
}

#[tokio::test]
async fn a_slow_answer_is_hedged_and_the_loser_is_no_failure() {
    let several = Several::start(2, |backend| {
        backend.hedge_after = Some(Duration::from_millis(20));
        backend.retry_percent = 100;
        backend.ejection.failures = std::num::NonZeroU32::MIN;
    })
    .await;
    several.agencies[0].set_fault(Fault::Hang);
    for _ in 0..10 {
        assert_eq!(several.ask().await, "answered");
    }
    let telemetry = &several.world.telemetry;
    let hedges = metric(telemetry, "loket_agency_resends_total", &["hedge"]);
    assert!(hedges >= 1.0);
    let calls = "loket_agency_call_duration_seconds_count";
    assert!(metric(telemetry, calls, &["cancelled"]) >= 1.0);
    assert_eq!(metric(telemetry, "loket_agency_ejected", &[AGENCY]), 0.0);
    assert_eq!(metric(telemetry, "loket_agency_in_flight", &[AGENCY]), 0.0);
}

#[tokio::test]
async fn a_short_line_waits_for_its_turn() {
    let several = Several::start(1, |backend| {
        backend.max_in_flight = NonZeroUsize::MIN;
        backend.max_queued = 1;
        backend.queue_timeout = Duration::from_secs(20);
    })
    .await;
    several.agencies[0].set_fault(Fault::Slow(Duration::from_millis(200)));
    let queued = || metric(&several.world.telemetry, "loket_agency_queued", &[AGENCY]);
    let (one, two, three) = tokio::join!(several.ask(), several.ask(), async {
        while queued() < 1.0 {
            tokio::task::yield_now().await;
        }
        several.ask().await
    });
    assert_eq!([one, two], ["answered", "answered"]);
    assert_eq!(three, "overloaded, rate_limited");
    assert_eq!(queued(), 0.0);
}

#[tokio::test]
async fn an_adaptive_limit_tells_where_it_stands() {
    let several = Several::start(1, |backend| backend.adaptive = true).await;
    let limit = || {
        metric(
            &several.world.telemetry,
            "loket_agency_limit",
            &["\"registry\""],
        )
    };
    // The world's own sources have limits too: only what sinks is this one's.
    let before = limit();
    several.agencies[0].set_fault(Fault::Status(503));
    several.ask().await;
    assert!(limit() < before, "{} of {before}", limit());
}

#[tokio::test]
async fn a_source_that_said_when_is_not_asked_before() {
    let several = Several::start(1, |_| {}).await;
    several.agencies[0].set_fault(Fault::Draining);
    assert_eq!(several.ask().await, "draining, 503");
    several.agencies[0].set_fault(Fault::None);
    let failure = several
        .upstream
        .ask(&call(&several.world))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.reason, failure.asked, failure.retry_after_s),
        (Reason::Overloaded, false, Some(1))
    );
    assert_eq!(several.asked(), 1);
    pass(Duration::from_secs(1)).await;
    assert_eq!(several.ask().await, "answered");
}

#[tokio::test]
async fn a_source_that_only_refuses_trips_its_breaker() {
    for fault in [Fault::Status(429), Fault::Status(503), Fault::TooLarge] {
        let several = Several::start(1, |_| {}).await;
        several.agencies[0].set_fault(fault.clone());
        for _ in 0..8 {
            assert!(!several.ask().await.contains("breaker"), "{fault:?}");
        }
        assert_eq!(
            several.ask().await,
            "breaker_open, breaker_open",
            "{fault:?}"
        );
        let telemetry = &several.world.telemetry;
        let state = |word| {
            let labels = [AGENCY, "\"registry\"", word];
            metric(telemetry, "loket_agency_breaker_state", &labels)
        };
        pass(OPEN_FOR).await;
        several.agencies[0].set_fault(Fault::Hang);
        let (upstream, probe) = (several.upstream.clone(), call(&several.world));
        let mut probing = Box::pin(upstream.ask(&probe));
        tokio::select! {
            _ = &mut probing => panic!("the agency hangs"),
            () = several.agencies[0].asked(9) => {}
        }
        assert_eq!((state("\"open\""), state("half_open")), (0.0, 1.0));
        drop(probing);
        several.agencies[0].set_fault(Fault::None);
        assert_eq!(several.ask().await, "answered");
        assert_eq!((state("closed"), state("half_open")), (1.0, 0.0));
    }
}

#[tokio::test]
async fn identical_questions_share_an_answer_and_one_who_leaves_takes_nothing() {
    let several = Several::start(1, |_| {}).await;
    several.agencies[0].set_fault(Fault::Slow(Duration::from_millis(300)));
    let same = Call {
        key: Some([1; 32]),
        ..call(&several.world)
    };
    let other = Call {
        key: Some([2; 32]),
        ..call(&several.world)
    };
    let upstream = &several.upstream;
    let mut leader = Box::pin(upstream.ask(&same));
    tokio::select! {
        _ = &mut leader => panic!("the agency is slow"),
        () = several.agencies[0].asked(1) => {}
    }
    let (one, two, third) = tokio::join!(upstream.ask(&same), upstream.ask(&same), async {
        drop(leader);
        upstream.ask(&other).await
    });
    assert_eq!(one.unwrap().bytes, two.unwrap().bytes);
    assert_eq!(show(&third), "answered");
    assert_eq!(several.asked(), 2);
    let shared = metric(
        &several.world.telemetry,
        "loket_agency_shared_total",
        &[AGENCY],
    );
    assert_eq!(shared, 2.0);
    assert_eq!(upstream.stack.flights.under_way(), 0);
    // Once answered, the question is asked anew.
    upstream.ask(&same).await.unwrap();
    assert_eq!(several.asked(), 3);
}

#[tokio::test]
async fn one_in_a_hurry_does_not_cut_the_others_time() {
    let several = Several::start(1, |_| {}).await;
    several.agencies[0].set_fault(Fault::Slow(Duration::from_millis(200)));
    let patient = Call {
        key: Some([1; 32]),
        ..call(&several.world)
    };
    let hasty = Call {
        deadline: Instant::now() + Duration::from_millis(100),
        ..patient.clone()
    };
    let upstream = &several.upstream;
    let (hasty, patient) = tokio::join!(upstream.ask(&hasty), upstream.ask(&patient));
    assert_eq!(show(&hasty), "no_answer_yet, timeout");
    assert_eq!(show(&patient), "answered");
}

#[tokio::test]
async fn connections_are_kept_and_shared_as_their_protocol_allows() {
    for (protocol, most) in [(Protocol::Http1, 20.0), (Protocol::Http2, 1.0)] {
        let several = Several::start(1, |backend| backend.protocol = protocol).await;
        let open = || {
            let telemetry = &several.world.telemetry;
            metric(telemetry, "loket_agency_connections", &[AGENCY])
        };
        for _ in 0..10 {
            assert_eq!(several.ask().await, "answered");
        }
        assert!(
            open() <= 2.0,
            "one after the other needs one or two: {}",
            open()
        );
        let asks = (0..20).map(|_| several.ask());
        for answer in futures_util::future::join_all(asks).await {
            assert_eq!(answer, "answered");
        }
        assert!(open() <= most, "{protocol:?}: {}", open());
        let pool = &several.upstream.stack.endpoints[0].pool;
        assert!(pool.open() as f64 <= most);
        pool.prune(Instant::now() + Duration::from_secs(31));
        assert_eq!(pool.open(), 0);
    }
}

#[tokio::test]
async fn a_health_check_brings_an_endpoint_back() {
    let several = Several::start(2, |backend| {
        backend.retry_percent = 100;
        backend.ejection.failures = std::num::NonZeroU32::MIN;
        backend.ejection.first = Duration::from_millis(100);
        backend.health = Some(crate::directory::HealthCheck {
            path: "/health".to_owned(),
            interval: Duration::from_millis(50),
        });
    })
    .await;
    let telemetry = &several.world.telemetry;
    let ejected = || metric(telemetry, "loket_agency_ejected", &[AGENCY]);
    let until = async |count: f64| {
        let reached = async {
            while ejected() != count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(20), reached).await;
        assert!(reached.is_ok(), "{} ejected", ejected());
    };
    several.agencies[0].set_fault(Fault::Down);
    until(1.0).await;
    assert_eq!(several.asked(), 0, "no question was needed");
    several.agencies[0].set_fault(Fault::None);
    until(0.0).await;
}
