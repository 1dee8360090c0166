//! The collector of spans and metrics: gone, and one that takes everything and says nothing.

use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use loket_tests::real::{Site, report, untouched};
use loket_tests::town::eventually_within;

use crate::collector::Collector;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_collector_is_gone_and_comes_back() {
    let mut site = Site::new().await;
    let collector = Collector::start().await;
    let address = collector.address();
    site.collector = Some(collector.endpoint());
    let gateway = site.start();
    let load = site.load(&gateway);
    let before = load.before().await;

    collector.stop().await;
    // Until the gateway has noticed.
    eventually_within(60, "it complains", async || {
        gateway.log().contains("collector").then_some(())
    })
    .await;
    let during = load.some(60).await;
    untouched("no collector", &before, &during);

    let collector = Collector::start_at(address).await;
    eventually_within(60, "spans arrive again", async || {
        (!collector.spans().is_empty()).then_some(())
    })
    .await;
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_collector_hangs() {
    let mut site = Site::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    site.collector = Some(format!("http://{}", listener.local_addr().unwrap()));
    let hanging = tokio::spawn(async move {
        let mut taken = tokio::task::JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            taken.spawn(async move {
                let mut ignored = [0; 4096];
                while stream.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    let gateway = site.start();
    let load = site.load(&gateway);
    let before = load.before().await;
    eventually_within(60, "it complains", async || {
        gateway.log().contains("collector").then_some(())
    })
    .await;
    let during = load.some(60).await;
    untouched("hanging collector", &before, &during);
    site.recorded(&load.end().await);
    // It ends all the same, and well.
    let from = Instant::now();
    gateway.stop().await;
    let took = from.elapsed();
    report(&format!(
        "hanging collector: stopped after {} ms",
        took.as_millis()
    ));
    assert!(took < Duration::from_secs(25), "{took:?}");
    hanging.abort();
    site.close().await;
}
