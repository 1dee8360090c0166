//! Five times what can be served: as much is served as before, and whoever doesn't flood gets it.
//!
//! The gateway's places bound what it can serve, for every answer takes half a second: what is
//! measured is how places are shared out, and not how fast this machine is.

use std::time::Duration;

use loket_sdk::message::Overall;
use loket_tests::real::{Lie, Load, Saw, Seen, Site, register, report};
use tokio::time::Instant;

const SERVED_IN: Duration = Duration::from_millis(500);
const FLOODER: &str = "mpp-kota";
const OTHERS: &[&str] = &["mpp-desa", "mpp-pantai"];

fn is_served(seen: &&Seen) -> bool {
    let answer = seen.answer();
    answer.is_some_and(|answer| answer.overall == Overall::Complete)
}

/// Until each of the others was served so often; what each load saw, and in what time.
async fn watch(others: &[Load], flooder: &Load, often: usize) -> (Vec<Vec<Seen>>, f64) {
    let from = Instant::now();
    for load in others {
        let enough = |seen: &[Seen]| seen.iter().filter(is_served).count() >= often;
        load.until("others are served", |_| enough(&load.since(from)))
            .await;
    }
    let took = from.elapsed().as_secs_f64();
    let loads = others.iter().chain([flooder]);
    (loads.map(|load| load.since(from)).collect(), took)
}

fn served(seen: &[Seen]) -> f64 {
    seen.iter().filter(is_served).count() as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_times_as_much_as_can_be_served() {
    let mut site = Site::new().await;
    // Of sixteen places fourteen are shared out, among three: four each.
    site.places = 16;
    site.others = OTHERS;
    site.single_flight = false;
    site.timeout = "8s";
    let agency = site.liar(register("djp")).await;
    agency.tell(Lie::Slow(SERVED_IN));
    let gateway = site.start();
    let counter = |member: &str| site.counter_of(member, gateway.address());
    let three = |member: &&str| site.load_by(&counter(member), 3, Duration::ZERO);
    let others: Vec<Load> = OTHERS.iter().map(three).collect();

    let calm = three(&FLOODER);
    watch(&others, &calm, 6).await;
    let (before, took_before) = watch(&others, &calm, 30).await;
    let memory = gateway.memory();
    calm.end().await;

    let flood = site.load_by(&counter(FLOODER), 30, Duration::from_millis(200));
    watch(&others, &flood, 6).await;
    let (during, took) = watch(&others, &flood, 30).await;
    let grown = gateway.memory().saturating_sub(memory);

    let rate =
        |seen: &[Vec<Seen>], took: f64| seen.iter().map(|seen| served(seen) / took).sum::<f64>();
    let (peak, goodput) = (rate(&before, took_before), rate(&during, took));
    let offered = during.iter().map(Vec::len).sum::<usize>() as f64 / took;
    report(&format!(
        "goodput {goodput:.1}/s of {offered:.0}/s offered, {peak:.1}/s before; {grown} MiB more"
    ));
    assert!(offered >= 5.0 * peak, "{offered} of {peak}");
    assert!(goodput >= 0.8 * peak, "{goodput} of {peak}");
    for (before, during) in before.iter().zip(&during).take(OTHERS.len()) {
        let (was, is) = (served(before) / took_before, served(during) / took);
        assert!(is >= 0.8 * was, "{is} of {was}");
        for seen in during {
            assert!(is_served(&seen), "no other is refused: {seen}");
        }
    }
    // Whoever floods is told so, at once, and has a share all the same.
    let flooding = &during[OTHERS.len()];
    assert!(served(flooding) > 0.0);
    let refused = flooding.iter().filter(|seen| !is_served(seen));
    let mut waits: Vec<Duration> = refused.clone().map(|seen| seen.took).collect();
    waits.sort_unstable();
    assert!(waits[waits.len() / 2] < SERVED_IN / 2, "{waits:?}");
    for seen in refused {
        let told = matches!(&seen.saw, Saw::Problem(503, code) if code == "overloaded");
        assert!(told, "{seen}");
    }
    assert!(grown <= 32, "{grown} MiB");

    let mut seen = flood.end().await;
    for load in others {
        seen.extend(load.end().await);
    }
    site.recorded(&seen);
    gateway.stop().await;
    site.close().await;
}
