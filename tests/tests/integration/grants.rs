//! Signed grants under the built gateway: what an agency changes counts from the next request on, is
//! on record, and can't be undone by whoever has the files.

use std::fs;
use std::process::Command;

use loket_sdk::message::Answer;
use loket_sdk::testing::FakeCounter;
use loket_tests::admin;
use loket_tests::real::{BYSTANDERS, Gateway, Ledger, Site, loket};
use serde_json::{Value, json};

const MALL: &str = "mpp-kota";

/// What became of the two questions, the first of the agency that never changes a thing.
async fn asked(site: &Site, counter: &FakeCounter) -> [String; 2] {
    let reply = counter.post("/v1/lookups", site.ask().document()).await;
    let answer: Answer = reply.unwrap().json();
    let said = answer.results.iter();
    let said: Vec<_> = said
        .map(|it| format!("{}/{}", it.outcome, it.reason))
        .collect();
    said.try_into().unwrap()
}

const FOUND: &str = "found/complete";
const DENIED: &str = "denied/no_grant";

async fn reload(gateway: &Gateway) -> (u16, Value) {
    let reply = admin::request(gateway.admin_address(), "POST", "/reload").await;
    let reply = reply.expect("the operators' listener answers");
    (reply.status, serde_json::from_str(&reply.body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_agency_suspends_is_over_at_the_next_request() {
    let site = Site::new().await;
    let config = site.config();
    let (agency, id) = (BYSTANDERS[1], "bpjs-kesehatan-mpp-kota");
    let gateway = Gateway::start(&config);
    let counter = site.counter(gateway.address());
    assert_eq!(asked(&site, &counter).await, [FOUND, FOUND]);

    let file = site.grant(agency, MALL, 2, "suspended");
    let (status, changes) = reload(&gateway).await;
    assert_eq!(status, 200, "{changes}");
    assert_eq!(asked(&site, &counter).await, [FOUND, DENIED]);

    // Whoever has the files can neither put the older version back nor write one.
    site.grant(agency, MALL, 1, "active");
    let (status, problem) = reload(&gateway).await;
    assert_eq!((status, &problem["code"]), (422, &json!("grant_put_back")));
    let told = "an older version of the grant bpjs-kesehatan-mpp-kota was put back";
    assert!(
        problem["detail"].as_str().unwrap().starts_with(told),
        "{problem}"
    );
    assert_eq!(asked(&site, &counter).await, [FOUND, DENIED]);

    site.grant(agency, MALL, 3, "active");
    let text = fs::read_to_string(&file).unwrap();
    let (head, rest) = text.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    let altered = payload.replacen(&payload[40..44], "QUJD", 1);
    fs::write(&file, format!("{head}.{altered}.{signature}")).unwrap();
    let (status, problem) = reload(&gateway).await;
    assert_eq!((status, &problem["code"]), (422, &json!("config_wrong")));
    let finding = &problem["findings"][0];
    assert!(
        finding["file"]
            .as_str()
            .unwrap()
            .ends_with(&format!("{id}.jws")),
        "{finding}"
    );
    assert!(
        finding["message"]
            .as_str()
            .unwrap()
            .contains("it was altered"),
        "{finding}"
    );
    assert_eq!(asked(&site, &counter).await, [FOUND, DENIED]);

    fs::write(&file, &text).unwrap();
    assert_eq!(reload(&gateway).await.0, 200);
    assert_eq!(asked(&site, &counter).await, [FOUND, FOUND]);
    gateway.stop().await;

    let ledger = Ledger::read(&site.audit);
    let changes = ledger.of_kind("grant_changed");
    let said: Vec<_> = changes
        .map(|entry| &entry["change"])
        .filter(|change| change["grant_id"] == id)
        .map(|change| {
            let version = |when: &str| {
                let version = &change[when];
                json!([version["serial"], version["state"], version["kid"]])
            };
            [version("before"), version("after")]
        })
        .collect();
    let version = |serial: u64, state: &str| json!([serial, state, "bpjs-kesehatan/key"]);
    let expected = [
        [json!([null, null, null]), version(1, "active")],
        [version(1, "active"), version(2, "suspended")],
        [version(2, "suspended"), version(3, "active")],
    ];
    assert_eq!(said, expected);

    // A restart remembers from the log, and records what it finds as before only once.
    site.grant(agency, MALL, 2, "active");
    let mut serve = Command::new(loket());
    let refused = serve.args(["serve", "--config"]).arg(&config).output();
    let refused = refused.unwrap();
    assert_eq!(refused.status.code(), Some(3));
    let told = "serial 2, and 3 was in force";
    assert!(String::from_utf8_lossy(&refused.stdout).contains(told));
    fs::write(&file, &text).unwrap();
    let gateway = Gateway::start(&config);
    assert_eq!(
        asked(&site, &site.counter(gateway.address())).await,
        [FOUND, FOUND]
    );
    gateway.stop().await;
    let before = ledger.count("grant_changed");
    let ledger = Ledger::read(&site.audit);
    assert_eq!(ledger.count("grant_changed"), before);
    // What is known is on record at each start, so that no later one has to look for it further back.
    let standing: Vec<_> = ledger.of_kind("grants_standing").collect();
    let whole = standing
        .iter()
        .filter(|it| it["standing"]["since"].is_u64());
    assert_eq!(whole.count(), 2);
    let known = |it: &&Value| Some(it["standing"]["highest"].get(id)?["serial"].clone());
    assert_eq!(standing.iter().rev().find_map(known), Some(json!(3)));
    site.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_see_who_signed() {
    let site = Site::new().await;
    let config = site.config();
    site.grant(BYSTANDERS[1], MALL, 4, "suspended");
    let list = |output: &str| {
        let mut list = Command::new(loket());
        list.args(["grant", "list", "--output", output, "--config"]);
        let said = list.arg(&config).env("COLUMNS", "200").output().unwrap();
        assert!(said.status.success());
        String::from_utf8(said.stdout).unwrap()
    };
    let table = list("text");
    assert!(table.contains("bpjs-kesehatan/key, serial 4"), "{table}");
    assert!(table.contains("2 grants, 1 in force today"), "{table}");
    let document: Value = serde_json::from_str(&list("json")).unwrap();
    assert_eq!(document["grants"][0]["state"], "suspended");
    let checked = Command::new(loket())
        .args(["check", "--config"])
        .arg(&config)
        .output();
    let checked = String::from_utf8(checked.unwrap().stdout).unwrap();
    let line = "bpjs-kesehatan-mpp-kota: suspended, until 2099-12-31, signed by bpjs-kesehatan/key, serial 4";
    assert!(checked.contains(line), "{checked}");
    let mut verify = Command::new(loket());
    verify.args(["grant", "verify", "--config"]).arg(&config);
    let file = site.grant(BYSTANDERS[0], MALL, 1, "active");
    assert!(verify.arg(file).output().unwrap().status.success());
    site.close().await;
}
