//! `kill -9` under load, again and again: whoever had an answer finds it in the log, the chain is
//! whole, and the next gateway goes on where the last one fell.

use std::time::{Duration, Instant};

use uuid::Uuid;

use loket_sdk::message::Answer;
use loket_tests::BAGAS;
use loket_tests::real::{Seen, Site, is_long, report};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_survives() {
    let mut site = Site::new().await;
    // The machine is as busy as the callers can make it, and nothing is wrong with the sources.
    site.timeout = "8s";
    let period = Duration::from_secs(if is_long() { 60 } else { 10 });
    let from = Instant::now();
    let (mut seen, mut kills) = (Vec::new(), 0);
    while from.elapsed() < period || kills < 3 {
        let mut gateway = site.start();
        let load = site.load_of(&gateway, 8, Duration::ZERO);
        // A moment that nobody chose: the id's random part.
        let moment = 10 + usize::from(Uuid::new_v4().as_bytes()[0]) % 80;
        let answered = |seen: &[Seen]| seen.iter().filter(|s| s.answer().is_some()).count();
        load.until("some are answered", |seen| answered(seen) >= moment)
            .await;
        gateway.kill();
        kills += 1;
        let new = load.end().await;
        for seen in &new {
            let answer = seen.answer();
            let whole = answer.is_none_or(|answer| answer.overall.as_str() == "complete");
            assert!(whole, "{seen}");
        }
        assert!(!gateway.log().contains(BAGAS));
        site.recorded(&new);
        seen.extend(new);
    }
    let receipts = seen.iter().filter_map(Seen::answer);
    let last = receipts.map(|answer| answer.receipt.entry).max().unwrap();
    let gateway = site.start();
    let counter = site.counter(gateway.address());
    let answer = counter.post("/v1/lookups", site.ask().document()).await;
    assert!(answer.unwrap().json::<Answer>().receipt.entry > last);
    gateway.stop().await;
    let ledger = site.recorded(&seen);
    report(&format!(
        "killed {kills} times: {} entries hold every answer of {} asked",
        ledger.len(),
        seen.len()
    ));
    site.close().await;
}
