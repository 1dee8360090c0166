//! The network between the gateway and a source: cut without a word, and lossy.

use loket_tests::real::{Hosts, Site, only, register, skip, untouched};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_is_cut() {
    let hosts = match Hosts::new() {
        Ok(hosts) => hosts,
        Err(reason) => return skip("the_network_is_cut", &reason),
    };
    let mut site = Site::new().await;
    let licences = register("korlantas");
    let _agency = site.remote(licences, &hosts);
    let gateway = site.start();
    let load = site.load(&gateway);
    let before = load.before().await;

    hosts.cut();
    let during = load.some(60).await;
    only(
        "cut",
        &during,
        licences,
        &["no_answer_yet", "breaker_open", "unreachable"],
    );
    untouched("cut", &before, &during);

    hosts.mend();
    load.well("cut", &[licences]).await;
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_network_loses_packets() {
    let hosts = match Hosts::new() {
        Ok(hosts) => hosts,
        Err(reason) => return skip("the_network_loses_packets", &reason),
    };
    let mut site = Site::new().await;
    let licences = register("korlantas");
    let _agency = site.remote(licences, &hosts);
    let gateway = site.start();
    let load = site.load(&gateway);
    let before = load.before().await;

    hosts.lose(20);
    let during = load.some(100).await;
    let reasons = [
        "complete",
        "no_answer_yet",
        "breaker_open",
        "unreachable",
        "source_error",
    ];
    only("lossy", &during, licences, &reasons);
    untouched("lossy", &before, &during);

    hosts.mend();
    load.well("lossy", &[licences]).await;
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}
