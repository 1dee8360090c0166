//! The log as its schema describes it to whoever reads it with other tools.

use std::collections::BTreeSet;

use loket_sdk::testing::Fault;
use loket_tests::Ask;
use loket_tests::town::eventually;
use serde_json::{Map, Value};

use super::town;

/// Every member that is written is described, and every member that is required is written.
fn check(members: &Map<String, Value>, schema: &Value) {
    let described = schema["properties"].as_object().unwrap();
    for name in members.keys() {
        assert!(described.contains_key(name), "{name} isn't in the schema");
    }
    for name in schema["required"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        assert!(members.contains_key(name), "{name} is missing");
    }
}

#[tokio::test]
async fn entries_have_the_members_of_their_schema() {
    let marked = town().grants(|grant| grant.break_glass_ok = true);
    let town = marked.start().await;
    let claims = [("sex", "equals", serde_json::json!("1"))];
    let twice = Ask::identity().all("health-insurance/1");
    town.answer(&twice).await;
    eventually("it is given again", async || {
        let answer = town.ask(&twice).await;
        (answer.status == 200).then_some(())
    })
    .await;
    town.answer(&Ask::new("identity_check").claims("person-identity/1", &claims))
        .await;
    let glass = serde_json::json!({"ground": "disaster", "justification": "A family is missing."});
    let counter = town.counter();
    let ask = Ask::new("complaint_handling")
        .fields("person-identity/1", &["sex", "card_status"])
        .with("/break_glass", glass);
    counter.post("/v1/explain", ask.document()).await.unwrap();
    let broken = town.answer(&ask).await.break_glass.unwrap();
    let path = format!("/v1/break-glass/{}/approvals", broken.entry);
    let approval = serde_json::json!({"clerk": "spv-1", "counter": "B01"});
    counter.post(&path, &approval).await.unwrap();
    town.counter().get("/v1/catalogue").await.unwrap();
    town.counter().get("/nothing").await.unwrap();
    town.problem(&Ask::new("land_transfer").all("family-card/1"))
        .await;
    let stranger = town.ca().system("stranger", "counter");
    town.counter_as(&stranger)
        .get("/openapi.json")
        .await
        .unwrap();
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let counter = town.counter();
    let events = counter
        .events("POST", "/v1/lookups", &headers, Ask::identity().text())
        .await;
    events.unwrap().all().await.unwrap();
    town.agency("dukcapil").set_fault(Fault::Hang);
    let before = town.agency("dukcapil").requests().len();
    let leaving = Ask::identity().within_ms(15_000);
    let asking = tokio::spawn(async move { counter.post("/v1/lookups", leaving.document()).await });
    town.agency("dukcapil").asked(before + 1).await;
    asking.abort();
    town.audit_entries_of("abandoned", 1).await;

    let text = loket_schemas::envelope("audit-entry").unwrap().text;
    let schema: Value = serde_json::from_str(text).unwrap();
    let mut kinds = BTreeSet::new();
    for entry in town.audit_entries() {
        check(entry.as_object().unwrap(), &schema);
        for source in entry["sources"].as_array().into_iter().flatten() {
            check(
                source.as_object().unwrap(),
                &schema["$defs"]["audit_source"],
            );
        }
        kinds.insert(entry["kind"].as_str().unwrap().to_owned());
    }
    assert_eq!(kinds.len(), 9, "{kinds:?}");
    town.stop().await;
}
