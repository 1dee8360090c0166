//! No file descriptor is left.

use std::time::Duration;

use rustix::process::Resource;

use loket_tests::real::{Site, only, register, report, untouched};

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
    let lines = gateway
        .log()
        .matches("no connection can be accepted")
        .count();
    report(&format!(
        "no descriptors: {lines} complaints in {} ms",
        took.as_millis()
    ));

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
