//! A source whose certificate expired, is another system's, or of an authority that nobody knows.

use jiff::Timestamp;
use loket_sdk::testing::{Ca, Leaf, LeafSpec};
use loket_tests::real::{Seen, Site, only, register, untouched};

fn expired(ca: &Ca, agency: &str) -> Leaf {
    let now = Timestamp::now().as_second();
    let at = |seconds| Timestamp::from_second(now + seconds).unwrap();
    ca.issue(LeafSpec {
        uris: vec![ca.spiffe(agency, "registry").to_string()],
        not_before: at(-7200),
        not_after: at(-3600),
        ..LeafSpec::default()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_show_certificates_that_wont_do() {
    let mut site = Site::new().await;
    let all = ["korlantas", "djp", "bpn"].map(register);
    let mut liars = Vec::new();
    for register in all {
        liars.push(site.liar(register).await);
    }
    let gateway = site.start();
    let load = site.load(&gateway);
    let before = load.before().await;

    let (ca, stranger) = (site.ca(), Ca::new("loket.example"));
    liars[0].show(&expired(ca, "korlantas"));
    liars[1].show(&ca.system("bkpm", "registry"));
    liars[2].show(&stranger.system("bpn", "registry"));
    let during = load.some(60).await;
    for register in all {
        // The first may still find a connection of before that is about to be closed.
        let is_well = |seen: &&Seen| {
            let reason = seen.reason(register.record);
            reason.is_some_and(|reason| reason.as_str() == "complete")
        };
        let since: Vec<Seen> = during.iter().skip_while(is_well).cloned().collect();
        only(
            "certificate",
            &since,
            register,
            &["unreachable", "breaker_open"],
        );
    }
    untouched("certificate", &before, &during);
    let log = gateway.log();
    for word in ["tls_cert_expired", "tls_cert_untrusted"] {
        assert!(log.contains(word), "operators are told: {word}");
    }

    for liar in &liars {
        liar.show(&ca.system(liar.register().agency, "registry"));
    }
    load.well("certificate", &all).await;
    site.recorded(&load.end().await);
    gateway.stop().await;
    site.close().await;
}
