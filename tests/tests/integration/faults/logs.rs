//! What the gateway logs: nobody reads it, and it ends badly.

use std::fs;
use std::process::Command;
use std::time::Duration;

use loket_gateway::checkpoint::Signer;
use loket_tests::real::{Gateway, Site, loket, untouched};
use loket_tests::town::{AUDIT_ORIGIN, AUDIT_SIGNING_KEY, eventually_within};
use tlog_tiles::tlog::record_hash;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_not_read_and_read_again() {
    let site = Site::new().await;
    let gateway = site.start();
    let load = site.load_of(&gateway, 8, Duration::ZERO);
    let before = load.before().await;

    gateway.read_log(false);
    eventually_within(60, "lines are lost", async || {
        (lost(&gateway).await > 0).then_some(())
    })
    .await;
    let during = load.some(60).await;
    untouched("log not read", &before, &during);

    gateway.read_log(true);
    eventually_within(60, "it says so", async || {
        gateway.log().contains("log lines were lost").then_some(())
    })
    .await;
    site.recorded(&load.end().await);
    let log = gateway.stop().await;
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("\"stopped\""), "{last}");
    site.close().await;
}

/// Its end waits no longer than that of a gateway whose log is read, but for two seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_not_read_to_the_end() {
    let site = Site::new().await;
    let gateway = site.start();
    let load = site.load_of(&gateway, 8, Duration::ZERO);
    load.before().await;
    gateway.read_log(false);
    eventually_within(60, "lines are lost", async || {
        (lost(&gateway).await > 0).then_some(())
    })
    .await;
    site.recorded(&load.end().await);
    let log = gateway.stop().await;
    assert!(!log.contains("\"stopped\""));
    site.close().await;
}

/// The last line says why it doesn't start, and what to do about a key that was retired.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_log_is_broken_at_the_start() {
    let site = Site::new().await;
    fs::create_dir_all(&site.audit).unwrap();
    let retired = Signer::new(AUDIT_ORIGIN, [AUDIT_SIGNING_KEY.as_bytes()]).unwrap();
    let retired = retired.sign(1, record_hash(b"{}"));
    for (note, why) in [
        ("no checkpoint\n", "it isn't a signed checkpoint"),
        (&retired, "has to stay in verifier_keys"),
    ] {
        fs::write(site.audit.join("checkpoint"), note).unwrap();
        let mut serve = Command::new(loket());
        serve.args(["serve", "--config"]).arg(site.config());
        let ended = serve.output().unwrap();
        assert_eq!(ended.status.code(), Some(8));
        let log = String::from_utf8(ended.stdout).unwrap();
        assert!(log.contains("the audit log is broken"), "{log}");
        assert!(log.contains(why), "{log}");
    }
    site.close().await;
}

async fn lost(gateway: &Gateway) -> u64 {
    let Some((200, text)) = gateway.admin("/metrics").await else {
        return 0;
    };
    let mut samples = text.lines();
    let count = samples.find_map(|line| line.strip_prefix("loket_log_dropped_total "));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}
