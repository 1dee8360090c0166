//! The operators' listener, and how a gateway stops.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use loket_sdk::message::Answer;
use loket_sdk::problem::{Code, Problem};
use loket_sdk::testing::Fault;
use loket_tests::admin::request;
use loket_tests::town::eventually;
use loket_tests::{Ask, Town, TownBuilder};

fn town() -> TownBuilder {
    Town::builder().agencies(&["dukcapil"])
}

#[tokio::test]
async fn a_well_gateway_is_live_and_ready() {
    let town = town().start().await;
    let admin = town.admin_address();
    for (path, word) in [
        ("/livez", "ok"),
        ("/healthz", "ok"),
        ("/readyz", "ready"),
        ("/startupz", ""),
    ] {
        let reply = request(admin, "GET", path).await.unwrap();
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.body.contains(word), "{path}: {}", reply.body);
        let head = request(admin, "HEAD", path).await.unwrap();
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
    }
    let verbose = request(admin, "GET", "/readyz?verbose").await.unwrap().body;
    for check in ["[+]started", "[+]accepting", "[+]audit"] {
        assert!(verbose.contains(check), "{check}: {verbose}");
    }
    let metrics = request(admin, "GET", "/metrics").await.unwrap();
    assert!(
        metrics.head.contains("text/plain; version=0.0.4"),
        "{}",
        metrics.head
    );
    town.stop().await;
}

#[tokio::test]
async fn what_isnt_an_operators_command() {
    let town = town().start().await;
    let admin = town.admin_address();
    let cases = [
        ("GET", "/", 404),
        ("GET", "/v1/catalogue", 404),
        ("POST", "/v1/lookups", 404),
        ("POST", "/metrics", 405),
        ("GET", "/drain", 405),
        ("DELETE", "/livez", 405),
    ];
    for (method, path, status) in cases {
        let reply = request(admin, method, path).await.unwrap();
        assert_eq!(reply.status, status, "{method} {path}");
        assert!(
            reply.head.contains("application/problem+json"),
            "{}",
            reply.head
        );
    }
    // And nobody's counter finds the operators' paths on the public side.
    for path in ["/metrics", "/readyz", "/drain", "/livez"] {
        let answer = town.counter().get(path).await.unwrap();
        assert_eq!(answer.json::<Problem>().code, Code::NotFound, "{path}");
    }
    town.answer(&Ask::identity()).await;
    town.stop().await;
}

/// One agency down isn't the gateway's illness.
#[tokio::test]
async fn an_agency_that_is_down_makes_nobody_unready() {
    let town = town().start().await;
    town.agency("dukcapil").set_fault(Fault::Down);
    for _ in 0..10 {
        town.answer(&Ask::identity().within_ms(300)).await;
    }
    let reply = request(town.admin_address(), "GET", "/readyz")
        .await
        .unwrap();
    assert_eq!(reply.status, 200);
    town.stop().await;
}

#[tokio::test]
async fn a_broken_audit_log_makes_it_unready_until_it_is_mended() {
    let town = town().start().await;
    town.answer(&Ask::identity()).await;
    let (here, away) = (town.audit_dir(), town.scratch().join("away"));
    copy(&here, &away);
    // What is open is gone; what comes back is another file that says the same.
    std::fs::remove_dir_all(&here).unwrap();
    assert_eq!(town.ask(&Ask::identity()).await.status, 503);
    let reply = request(town.admin_address(), "GET", "/readyz")
        .await
        .unwrap();
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains("[-]audit failed"), "{}", reply.body);
    assert!(
        !reply.body.contains(town.scratch().to_str().unwrap()),
        "{}",
        reply.body
    );
    let live = request(town.admin_address(), "GET", "/livez")
        .await
        .unwrap();
    assert_eq!(live.status, 200, "a restart wouldn't mend it");
    copy(&away, &here);
    // Nobody asks meanwhile: the log itself tries, or the balancer would never come back.
    let ready = async || {
        let reply = request(town.admin_address(), "GET", "/readyz").await?;
        (reply.status == 200).then_some(())
    };
    eventually("ready again", ready).await;
    town.answer(&Ask::identity()).await;
    assert!(town.audit_entries().len() >= 2, "the log is whole");
    town.stop().await;
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// What runs ends well, what comes new finds the door closed, and then it is over.
#[tokio::test]
async fn a_drain_finishes_what_runs() {
    let mut town = town().start().await;
    town.agency("dukcapil")
        .set_fault(Fault::Slow(Duration::from_millis(400)));
    let mut running = Vec::new();
    // Two questions: the same would share one answer.
    let other = Ask::new("identity_check").fields("person-identity/1", &["card_status"]);
    for (counter, ask) in [
        (town.counter(), Ask::identity()),
        (town.counter().http2(), other),
    ] {
        running.push(tokio::spawn(async move {
            counter.post("/v1/lookups", ask.document()).await
        }));
    }
    town.agency("dukcapil").asked(2).await;
    let newcomer = town.counter();
    let stopping = town.tell_to_stop();
    let refused = async || newcomer.get("/v1/catalogue").await.is_err().then_some(());
    eventually("a closed door", refused).await;
    let ready = request(stopping.admin, "GET", "/readyz").await.unwrap();
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains("[-]accepting failed: draining"),
        "{}",
        ready.body
    );
    assert_eq!(
        request(stopping.admin, "GET", "/livez")
            .await
            .unwrap()
            .status,
        200
    );
    let admin = stopping.admin;
    stopping.ended().await;
    for asked in running {
        let answer: Answer = asked.await.unwrap().unwrap().json();
        assert_eq!(answer.overall.as_str(), "complete");
    }
    assert!(request(admin, "GET", "/livez").await.is_none());
    town.stop().await;
}

/// While balancers take notice, requests are still served.
#[tokio::test]
async fn a_drain_leaves_balancers_time() {
    let mut town = town()
        .drain(Duration::from_millis(600), Duration::from_secs(5))
        .start()
        .await;
    let counter = town.counter();
    let mut idle = counter.connect().await.unwrap();
    let stopping = town.tell_to_stop();
    let unready = async || {
        let reply = request(stopping.admin, "GET", "/readyz").await?;
        (reply.status == 503).then_some(())
    };
    eventually("not ready", unready).await;
    let answer = counter
        .post("/v1/lookups", Ask::identity().document())
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    let answer = idle.send("GET", "/v1/catalogue", &[], "").await.unwrap();
    assert_eq!(answer.status, 200);
    stopping.ended().await;
    town.stop().await;
}

/// An operator's `POST /drain` does what a signal does, but no page in a browser can.
#[tokio::test]
async fn a_drain_by_command() {
    let mut town = town().start().await;
    let (admin, counter) = (town.admin_address(), town.counter());
    let reply = request(admin, "POST", "/drain").await.unwrap();
    assert_eq!(reply.status, 202);
    let refused = async || counter.get("/v1/catalogue").await.is_err().then_some(());
    eventually("a closed door", refused).await;
    town.wait_for_end().await;
    town.stop().await;
}

/// A stream that would go on for long is told and cut at the end of the grace; nothing hangs.
#[tokio::test]
async fn a_drain_waits_no_longer_than_its_grace() {
    let mut town = town()
        .drain(Duration::ZERO, Duration::from_millis(300))
        .start()
        .await;
    town.agency("dukcapil").set_fault(Fault::Hang);
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let ask = Ask::identity().within_ms(15_000);
    let stream = town
        .counter()
        .events("POST", "/v1/lookups", &headers, ask.text())
        .await
        .unwrap();
    town.agency("dukcapil").asked(1).await;
    let stopped = tokio::time::timeout(Duration::from_secs(8), town.stop_gateway()).await;
    assert!(stopped.is_ok(), "the stop hangs on a stream");
    drop(stream);
    let recorded = async || {
        let entries = town.audit_entries();
        (entries.last()?["request_id"] == ask.request_id()).then_some(())
    };
    eventually("an entry of the lookup that was cut", recorded).await;
    town.stop().await;
}
