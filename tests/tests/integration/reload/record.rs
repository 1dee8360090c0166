//! Who asked for a reload or a drain, and what came of it, stands in the audit log.

use std::fs;
use std::process::Command;

use loket_gateway::audit::verify;
use loket_tests::admin;
use loket_tests::town::eventually;
use serde_json::{Value, json};

use super::site::{Site, Wish};

/// The entries about the gateway itself.
fn acts(site: &Site) -> Vec<Value> {
    let lines = verify::read(&site.path().join("audit")).map(Result::unwrap);
    let entries = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    entries.filter(|entry| entry.get("act").is_some()).collect()
}

#[tokio::test]
async fn a_reload_is_on_record_applied_or_refused() {
    let site = Site::new().await;
    let file = site.write(&Wish::default());
    let running = site.start().await;
    let reload = async || {
        admin::request(running.admin, "POST", "/reload")
            .await
            .unwrap()
            .status
    };
    let sha256sum = Command::new("sha256sum").arg(&file).output().unwrap();
    let first = String::from_utf8(sha256sum.stdout).unwrap()[..64].to_owned();

    assert_eq!(reload().await, 200);
    site.revoke(0);
    assert_eq!(reload().await, 200);
    let healthy = fs::read_to_string(&file).unwrap();
    site.replace("loket.toml", "[S3CRET]");
    assert_eq!(reload().await, 422);
    site.write(&Wish {
        max_connections: 9,
        ..Wish::default()
    });
    assert_eq!(reload().await, 409);
    site.replace("loket.toml", &(healthy + "# one more line"));
    running.reload().await.unwrap();
    // Each stands in the log when it is answered.
    let acts = acts(&site);
    let told: Vec<Value> = acts
        .iter()
        .map(|entry| {
            json!([
                entry["kind"],
                entry["act"]["asked_by"],
                entry["act"]["outcome"],
                entry["refusal"]
            ])
        })
        .collect();
    assert_eq!(
        told,
        [
            json!(["reload", "admin", "applied", null]),
            json!(["reload", "admin", "applied", null]),
            json!(["reload", "admin", "refused", "config_wrong"]),
            json!(["reload", "admin", "refused", "needs_restart"]),
            json!(["reload", "signal", "applied", null]),
        ]
    );
    let hash =
        |entry: &Value, when: &str, of: &str| entry["act"][when][of].as_str().unwrap().to_owned();
    let changed: Vec<[bool; 2]> = acts
        .iter()
        .map(|entry| {
            ["file", "material"].map(|of| hash(entry, "before", of) != hash(entry, "after", of))
        })
        .collect();
    // Nothing; the list; refused twice; a line of the file.
    assert_eq!(
        changed,
        [
            [false, false],
            [false, true],
            [false; 2],
            [false; 2],
            [true, false]
        ]
    );
    assert_eq!(hash(&acts[0], "before", "file"), first);
    for pair in acts.windows(2) {
        assert_eq!(pair[0]["act"]["after"], pair[1]["act"]["before"]);
    }
    let text = loket_schemas::envelope("audit-entry").unwrap().text;
    let schema: Value = serde_json::from_str(text).unwrap();
    for entry in &acts {
        for (at, members) in [
            (&schema, entry),
            (&schema["$defs"]["audit_act"], &entry["act"]),
        ] {
            let described = at["properties"].as_object().unwrap();
            for name in members.as_object().unwrap().keys() {
                assert!(described.contains_key(name), "{name} isn't in the schema");
            }
        }
        assert!(!entry.to_string().contains("S3CRET"), "{entry}");
    }
    let metrics = admin::request(running.admin, "GET", "/metrics")
        .await
        .unwrap();
    let counted = "loket_audit_records_total{kind=\"reload\"";
    let line = metrics.body.lines().find(|line| line.starts_with(counted));
    assert!(line.is_some_and(|line| line.ends_with(" 5")), "{line:?}");
    running.stop().await;
    site.agency.stop().await;
}

#[tokio::test]
async fn a_drain_is_on_record() {
    for asked_by in ["admin", "signal"] {
        let site = Site::new().await;
        site.write(&Wish::default());
        let running = site.start().await;
        if asked_by == "admin" {
            let reply = admin::request(running.admin, "POST", "/drain").await;
            assert_eq!(reply.unwrap().status, 202);
            running.ended().await;
        } else {
            running.stop().await;
        }
        let drained = eventually("it is on record", async || acts(&site).pop()).await;
        assert_eq!(drained["kind"], "drain");
        assert_eq!(
            drained["act"],
            json!({"asked_by": asked_by, "outcome": "applied"})
        );
        site.agency.stop().await;
    }
}
