//! The built binary, killed: what it answered it answers again.

use loket_sdk::testing::CounterAnswer;
use loket_tests::real::{Gateway, Site};
use loket_tests::{Ask, BAGAS};
use serde_json::json;

use super::{KEY, bytes_of, has, is_busy};

async fn send(site: &Site, gateway: &Gateway, ask: &Ask) -> CounterAnswer {
    let headers = [
        ("content-type", "application/json"),
        ("loket-replay-key", KEY),
    ];
    let counter = site.counter(gateway.address());
    let sent = counter.send("POST", "/v1/lookups", &headers, ask.text());
    sent.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_left_survives_kill_9() {
    let mut site = Site::new().await;
    site.timeout = "8s";
    let ask = site.ask();
    let mut gateway = site.start();
    let first = send(&site, &gateway, &ask).await;
    assert_eq!(first.status, 200);
    for _ in 0..2 {
        gateway.kill();
        gateway = site.start();
        let again = send(&site, &gateway, &ask).await;
        assert_eq!(again.body, first.body);
        let other = ask.clone().with("/counter", json!("B99"));
        let refused = send(&site, &gateway, &other).await;
        assert!(refused.status == 409 && !is_busy(&refused));
    }
    let log = gateway.stop().await;
    assert!(!log.contains(BAGAS) && !log.contains(KEY));
    let kept = bytes_of(&site.scratch().join("audit-replay"));
    assert!(kept.len() > 500, "{}", kept.len());
    for word in [BAGAS, "CONTOH", "clk-"] {
        assert!(!has(&kept, word), "{word}");
    }
    site.close().await;
}

/// Killed while callers ask: whoever had an answer has the same one from the next gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_load_changes_no_answer() {
    let mut site = Site::new().await;
    site.timeout = "8s";
    let mut gateway = site.start();
    let asks: Vec<Ask> = (0..40).map(|_| site.ask()).collect();
    let mut answers = Vec::new();
    for ask in &asks[..20] {
        answers.push(send(&site, &gateway, ask).await);
    }
    let (told, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let counter = site.counter(gateway.address());
    let rest = asks[20..].to_vec();
    let asking = tokio::spawn(async move {
        for ask in rest {
            let headers = [
                ("content-type", "application/json"),
                ("loket-replay-key", KEY),
            ];
            let sent = counter.send("POST", "/v1/lookups", &headers, ask.text());
            match sent.await {
                Ok(answer) => told.send(answer).unwrap(),
                Err(_) => break,
            }
        }
    });
    for _ in 0..5 {
        answers.push(seen.recv().await.unwrap());
    }
    gateway.kill();
    asking.await.unwrap();
    while let Some(answer) = seen.recv().await {
        answers.push(answer);
    }
    let gateway = site.start();
    for (ask, first) in asks.iter().zip(&answers) {
        let again = send(&site, &gateway, ask).await;
        assert_eq!(again.body, first.body);
    }
    gateway.stop().await;
    site.close().await;
}
