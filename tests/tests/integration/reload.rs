//! Change without a dropped request: what a reload puts in force, refuses and leaves alone.

mod process;
mod record;
mod site;

use std::fs;
use std::sync::{Arc, Weak};

use loket_sdk::message::Answer;
use loket_sdk::problem::Problem;
use loket_sdk::testing::{Ca, Connection, CounterAnswer, CounterError, FakeCounter, Fault};
use loket_tests::{Ask, admin};
use serde_json::Value;

use site::{Running, Site, Wish};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn ask(connection: &mut Connection) -> Result<CounterAnswer, CounterError> {
    let text = Ask::identity().text();
    connection.send("POST", "/v1/lookups", &JSON, text).await
}

/// Asks over a connection of its own, and is answered.
async fn answered(counter: &FakeCounter) -> Answer {
    let answer = counter
        .post("/v1/lookups", Ask::identity().document())
        .await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    answer.json()
}

fn problem(answer: &CounterAnswer, status: u16, code: &str) -> Problem {
    assert_eq!(answer.status, status, "{:?}", answer.body);
    let problem: Problem = answer.json();
    assert_eq!(problem.code.as_str(), code);
    problem
}

async fn metrics(running: &Running) -> String {
    let reply = admin::request(running.admin, "GET", "/metrics").await;
    reply.unwrap().body
}

#[track_caller]
fn has_metric(text: &str, begins: &str, value: &str) {
    let found = text
        .lines()
        .any(|line| line.starts_with(begins) && line.ends_with(&format!(" {value}")));
    let near: Vec<&str> = text.lines().filter(|l| l.contains("config")).collect();
    assert!(found, "{begins} {value} in {near:#?}");
}

#[tokio::test]
async fn a_revoked_client_is_out_at_its_next_request_on_an_open_connection() {
    for http2 in [false, true] {
        let site = Site::new().await;
        site.write(&Wish::default());
        let running = site.start().await;
        let speak = |counter: FakeCounter| if http2 { counter.http2() } else { counter };
        let revoked = speak(site.counter(0, running.address));
        let mut bad = revoked.connect().await.unwrap();
        let mut good = speak(site.counter(1, running.address))
            .connect()
            .await
            .unwrap();
        assert_eq!(ask(&mut bad).await.unwrap().status, 200);
        assert_eq!(ask(&mut good).await.unwrap().status, 200);

        site.revoke(0);
        // Nothing changes before it is read.
        assert_eq!(ask(&mut bad).await.unwrap().status, 200);
        let changes = running.reload().await.unwrap();
        assert!(changes.server_tls && !changes.upstream_tls, "{changes:?}");

        let refused = problem(&ask(&mut bad).await.unwrap(), 403, "not_enrolled");
        assert!(refused.detail.contains("revoked"), "{}", refused.detail);
        // The connection ends: at once, or when the next request meets its end.
        let mut more = 0;
        while let Ok(answer) = ask(&mut bad).await {
            problem(&answer, 403, "not_enrolled");
            more += 1;
            assert!(more < 50, "the connection doesn't end");
        }
        // The session that it was given before lets nobody in either.
        let again = revoked
            .post("/v1/lookups", Ask::identity().document())
            .await;
        assert!(again.is_err(), "{again:?}");
        assert_eq!(ask(&mut good).await.unwrap().status, 200);
        running.stop().await;
        site.agency.stop().await;
    }
}

#[tokio::test]
async fn an_anchor_that_is_gone_takes_its_clients_along() {
    let site = Site::new().await;
    site.write(&Wish::default());
    let running = site.start().await;
    let mut connection = site.counter(0, running.address).connect().await.unwrap();
    assert_eq!(ask(&mut connection).await.unwrap().status, 200);

    let other = Ca::new("loket.example");
    site.replace("ca.pem", &other.certificate_pem());
    site.replace("crl.pem", &other.crl(&[]));
    let changes = running.reload().await.unwrap();
    assert!(changes.server_tls && changes.upstream_tls, "{changes:?}");
    let refused = problem(&ask(&mut connection).await.unwrap(), 403, "not_enrolled");
    assert!(
        refused.detail.contains("isn't trusted"),
        "{}",
        refused.detail
    );
    running.stop().await;
    site.agency.stop().await;
}

#[tokio::test]
async fn the_directory_changes_on_open_connections() {
    let site = Site::new().await;
    let wish = Wish::default();
    site.write(&wish);
    let running = site.start().await;
    let mut town = site.counter(0, running.address).connect().await.unwrap();
    let mut village = site.counter(1, running.address).connect().await.unwrap();
    assert_eq!(ask(&mut town).await.unwrap().status, 200);
    assert_eq!(ask(&mut village).await.unwrap().status, 200);

    let members = vec!["mpp-kota", "mpp-baru"];
    let fields = r#"["identity_status"]"#.to_owned();
    site.write(&Wish {
        members,
        fields,
        ..wish.clone()
    });
    let changes = running.reload().await.unwrap();
    assert_eq!(changes.members.added, ["mpp-baru"]);
    assert_eq!(changes.members.removed, ["mpp-desa"]);
    assert_eq!(changes.grants.changed, ["mpp-kota-1"]);
    assert_eq!(
        changes.sources,
        loket_gateway::reload::Difference::default()
    );
    assert!(!changes.server_tls && !changes.upstream_tls && !changes.holds);

    let answer: Answer = ask(&mut town).await.unwrap().json();
    assert_eq!(answer.results[0].withheld.len(), 1, "{answer:?}");
    problem(&ask(&mut village).await.unwrap(), 403, "not_enrolled");
    site.write(&wish);
    running.reload().await.unwrap();
    assert_eq!(ask(&mut village).await.unwrap().status, 200);
    running.stop().await;
    site.agency.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_the_old_stays() {
    let site = Site::new().await;
    site.write(&Wish::default());
    let running = site.start().await;
    let counter = site.counter(0, running.address);
    let reload = async || {
        admin::request(running.admin, "POST", "/reload")
            .await
            .unwrap()
    };
    let text = metrics(&running).await;
    has_metric(&text, "loket_config_last_reload_success", "1");

    // A certificate without its key, a list that is none, a key that nobody knows.
    site.replace(
        "gateway-mpp-1.pem",
        &site.ca.system("gateway", "mpp-1").certificate_pem,
    );
    site.replace("crl.pem", "S3CRET");
    let path = site.config();
    let broken = fs::read_to_string(&path).unwrap() + "\n[[nothing]]\npassword = \"S3CRET\"\n";
    site.replace("loket.toml", &broken);
    let reply = reload().await;
    assert_eq!(reply.status, 422, "{}", reply.body);
    assert!(
        reply.head.contains("application/problem+json"),
        "{}",
        reply.head
    );
    assert!(!reply.body.contains("S3CRET"), "{}", reply.body);
    let document: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(document["code"], "config_wrong");
    let keys: Vec<&str> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["key"].as_str().unwrap())
        .collect();
    for key in ["tls.revocation_lists", "nothing"] {
        assert!(
            keys.iter().any(|found| found.contains(key)),
            "{key} in {keys:?}"
        );
    }
    assert_eq!(answered(&counter).await.overall.as_str(), "complete");
    let text = metrics(&running).await;
    has_metric(&text, "loket_config_last_reload_success", "0");
    has_metric(&text, "loket_config_reloads_total{result=\"refused\"", "1");

    // What only a restart can change takes nothing else along.
    site.ca.system("gateway", "mpp-1").write_to(site.path());
    site.revoke(0);
    site.write(&Wish {
        max_connections: 9,
        ..Wish::default()
    });
    let reply = reload().await;
    assert_eq!(reply.status, 409, "{}", reply.body);
    assert!(reply.body.contains("needs_restart"), "{}", reply.body);
    assert!(reply.body.contains("[listener]"), "{}", reply.body);
    assert_eq!(answered(&counter).await.overall.as_str(), "complete");

    site.write(&Wish::default());
    let reply = reload().await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let document: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(document["server_tls"], true);
    assert_eq!(document["members"]["changed"], serde_json::json!([]));
    assert!(
        counter
            .post("/v1/lookups", Ask::identity().document())
            .await
            .is_err()
    );
    let text = metrics(&running).await;
    has_metric(&text, "loket_config_last_reload_success", "1");
    has_metric(&text, "loket_config_reloads_total{result=\"applied\"", "1");
    running.stop().await;
    site.agency.stop().await;
}

#[tokio::test]
async fn the_server_certificate_is_renewed() {
    let site = Site::new().await;
    site.write(&Wish::default());
    let running = site.start().await;
    let mut open = site.counter(0, running.address).connect().await.unwrap();
    // Another authority's, so that a counter can tell.
    let other = Ca::new("loket.example");
    other.system("gateway", "mpp-1").write_to(site.path());
    let changes = running.reload().await.unwrap();
    assert!(changes.server_tls && changes.upstream_tls, "{changes:?}");
    let old = site.counter(0, running.address);
    assert!(
        old.post("/v1/lookups", Ask::identity().document())
            .await
            .is_err()
    );
    let new = FakeCounter::new(&other.mutual_tls(&site.counters[0], None), running.address);
    let catalogue = new.get("/v1/catalogue").await.unwrap();
    assert_eq!(catalogue.status, 200);
    // Whoever is connected stays so.
    let catalogue = open.send("GET", "/v1/catalogue", &[], "").await.unwrap();
    assert_eq!(catalogue.status, 200);
    running.stop().await;
    site.agency.stop().await;
}

#[tokio::test]
async fn a_reload_is_no_way_around_a_quota() {
    let site = Site::new().await;
    let wish = |quota, burst| Wish {
        quota,
        burst,
        ..Wish::default()
    };
    site.write(&wish(Some(2), 10_000));
    let running = site.start().await;
    let counter = site.counter(0, running.address);
    let reason = async || {
        answered(&counter).await.results[0]
            .reason
            .as_str()
            .to_owned()
    };
    assert_eq!(reason().await, "complete");
    running.reload().await.unwrap();
    assert_eq!(reason().await, "complete");
    running.reload().await.unwrap();
    let used_up = reason().await;
    assert!(used_up.contains("quota"), "{used_up}");
    // Out and in again is none either, and neither is a lower quota; a higher one gives what it adds.
    site.write(&Wish {
        members: vec!["mpp-desa"],
        ..wish(Some(2), 10_000)
    });
    running.reload().await.unwrap();
    site.write(&wish(Some(2), 10_000));
    running.reload().await.unwrap();
    assert_eq!(reason().await, used_up);
    site.write(&wish(Some(3), 10_000));
    running.reload().await.unwrap();
    assert_eq!(reason().await, "complete");
    assert_eq!(reason().await, used_up);
    running.stop().await;
    site.agency.stop().await;
}

#[tokio::test]
async fn pools_of_sources_that_are_the_same_go_on() {
    let site = Site::new().await;
    site.write(&Wish::default());
    let running = site.start().await;
    let counter = site.counter(0, running.address);
    let upstream = || running.gateway.snapshot().upstreams[0].clone();
    answered(&counter).await;
    let first = upstream();
    site.write(&Wish {
        burst: 9_000,
        ..Wish::default()
    });
    running.reload().await.unwrap();
    assert!(Arc::ptr_eq(&first, &upstream()));

    site.write(&Wish {
        timeout: "9s",
        ..Wish::default()
    });
    running.reload().await.unwrap();
    let second = upstream();
    assert!(!Arc::ptr_eq(&first, &second));
    answered(&counter).await;

    // Another certificate towards agencies, the same source.
    site.ca.system("gateway", "mpp-1").write_to(site.path());
    running.reload().await.unwrap();
    assert!(!Arc::ptr_eq(&second, &upstream()));
    answered(&counter).await;
    let old: [Weak<_>; 2] = [Arc::downgrade(&first), Arc::downgrade(&second)];
    drop((first, second));
    loket_tests::town::eventually("the old pools end", async || {
        old.iter().all(|old| old.upgrade().is_none()).then_some(())
    })
    .await;
    running.stop().await;
    site.agency.stop().await;
}

#[tokio::test]
async fn requests_under_way_keep_what_they_began_with() {
    let site = Site::new().await;
    site.write(&Wish::default());
    let running = site.start().await;
    site.agency
        .set_fault(Fault::Slow(std::time::Duration::from_millis(700)));
    let counter = site.counter(0, running.address);
    let under_way = tokio::spawn(async move { answered(&counter).await });
    site.agency.asked(1).await;
    // Its member, its grant and its pool are gone; its certificate is revoked.
    site.revoke(0);
    site.ca.system("gateway", "mpp-1").write_to(site.path());
    site.write(&Wish {
        members: vec!["mpp-desa"],
        ..Wish::default()
    });
    running.reload().await.unwrap();
    assert!(!under_way.is_finished());
    let answer = under_way.await.unwrap();
    assert_eq!(answer.overall.as_str(), "complete");
    running.stop().await;
    site.agency.stop().await;
}

#[tokio::test]
async fn what_stops_reads_nothing_more() {
    let site = Site::new().await;
    site.write(&Wish {
        delay: "1s".to_owned(),
        ..Wish::default()
    });
    let running = site.start().await;
    let reply = admin::request(running.admin, "POST", "/drain")
        .await
        .unwrap();
    assert_eq!(reply.status, 202);
    loket_tests::town::eventually("it drains", async || {
        let refused = running.reload().await;
        matches!(refused, Err(loket_gateway::reload::Refused::Stopping)).then_some(())
    })
    .await;
    let reply = admin::request(running.admin, "POST", "/reload")
        .await
        .unwrap();
    assert_eq!(reply.status, 409, "{}", reply.body);
    assert!(reply.body.contains("\"draining\""), "{}", reply.body);
    running.ended().await;
    site.agency.stop().await;
}
