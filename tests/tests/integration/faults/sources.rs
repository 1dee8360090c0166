//! A source that is killed, frozen, slow.

use std::time::Duration;

use loket_tests::real::{Lie, Site, only, register, untouched};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_killed_and_comes_back() {
    let mut site = Site::new().await;
    let licences = register("korlantas");
    let mut agency = site.process(licences);
    let gateway = site.start();
    let load = site.load(&gateway);
    let before = load.before().await;

    agency.kill();
    let during = load.some(60).await;
    only(
        "killed",
        &during,
        licences,
        // The last while it was asked.
        &["unreachable", "breaker_open", "source_error"],
    );
    untouched("killed", &before, &during);

    agency.restart();
    load.well("killed", &[licences]).await;
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_freezes_and_thaws() {
    let mut site = Site::new().await;
    let licences = register("korlantas");
    let agency = site.process(licences);
    let gateway = site.start();
    let load = site.load(&gateway);
    let before = load.before().await;

    agency.freeze();
    let during = load.some(60).await;
    only(
        "frozen",
        &during,
        licences,
        &["no_answer_yet", "breaker_open", "unreachable"],
    );
    untouched("frozen", &before, &during);

    agency.thaw();
    load.well("frozen", &[licences]).await;
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_becomes_slow() {
    let mut site = Site::new().await;
    let (slower, too_slow) = (register("djp"), register("bpn"));
    let (taxes, land) = (site.liar(slower).await, site.liar(too_slow).await);
    let gateway = site.start();
    let load = site.load(&gateway);
    let before = load.before().await;

    taxes.tell(Lie::Slow(Duration::from_millis(300)));
    land.tell(Lie::Slow(Duration::from_secs(5)));
    let during = load.some(60).await;
    only("slow", &during, slower, &["complete"]);
    only(
        "too slow",
        &during,
        too_slow,
        &["no_answer_yet", "breaker_open"],
    );
    untouched("slow", &before, &during);

    taxes.tell(Lie::None);
    land.tell(Lie::None);
    load.well("slow", &[slower, too_slow]).await;
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}
