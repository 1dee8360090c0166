//! No file descriptor is left.

use std::time::Duration;

use rustix::process::Resource;

use loket_tests::real::{Gateway, Site, only, register, report, untouched};
use loket_tests::town::eventually;

fn complaints(gateway: &Gateway) -> usize {
    let log = gateway.log();
    log.matches("no connection can be accepted").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptors_run_out_and_come_back() {
    let mut site = Site::new().await;
    let licences = register("korlantas");
    let mut agency = site.process(licences);
    let mut gateway = site.start();
    let load = site.load(&gateway);
    let before = load.before().await;

    let had = gateway.limit(Resource::Nofile, Some(1));
    // The system takes it into its queue; the gateway can't.
    let late = site.counter(gateway.address());
    let late = tokio::spawn(async move { late.get("/openapi.json").await });
    let cpu = gateway.cpu();
    let from = tokio::time::Instant::now();
    // An agency that has to be connected to anew can't be asked.
    let begin_anew = async {
        agency.kill();
        agency.restart();
    };
    let (during, ()) = tokio::join!(load.some(60), begin_anew);
    let reasons = ["overloaded", "complete", "source_error"];
    only("no descriptors", &during, licences, &reasons);
    untouched("no descriptors", &before, &during);
    assert!(!late.is_finished(), "nobody can be let in");
    let (cpu, took) = (gateway.cpu() - cpu, from.elapsed());
    assert!(
        cpu < took,
        "it waits rather than spins: {cpu:?} of {took:?}"
    );
    let given_up = gateway.log().contains("isn't asked for a while");
    assert!(!given_up, "no agency is at fault");
    report(&format!("no descriptors: {} ms", took.as_millis()));
    assert_eq!(complaints(&gateway), 1);

    gateway.limit(Resource::Nofile, had);
    // Whoever waited is let in.
    let answer = tokio::time::timeout(Duration::from_secs(20), late).await;
    assert_eq!(answer.unwrap().unwrap().unwrap().status, 200);
    load.well("no descriptors", &[licences]).await;
    gateway.is_alive();
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}

/// One descriptor is left, which is taken and given back: that is one episode and not many.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptors_run_out_again_and_again() {
    let site = Site::new().await;
    let gateway = site.start();
    let counter = site.counter(gateway.address());
    let own = format!("/proc/{}/fd", gateway.pid());
    let last = (0..).find(|fd| !std::path::Path::new(&format!("{own}/{fd}")).exists());
    let had = gateway.limit(Resource::Nofile, Some(last.unwrap() + 1));
    for _ in 0..5 {
        let mut held = counter.connect().await.unwrap();
        let waiting = counter.clone();
        let waiting = tokio::spawn(async move { waiting.get("/openapi.json").await });
        eventually("it complains", async || {
            (complaints(&gateway) > 0).then_some(())
        })
        .await;
        // Who is in is served all the while.
        let answer = held.send("GET", "/openapi.json", &[], "").await;
        assert_eq!(answer.unwrap().status, 200);
        assert!(!waiting.is_finished(), "nobody can be let in");
        drop(held);
        let answer = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        assert_eq!(answer.unwrap().unwrap().unwrap().status, 200);
    }
    assert_eq!(complaints(&gateway), 1);
    gateway.limit(Resource::Nofile, had);
    gateway.stop().await;
    site.close().await;
}
