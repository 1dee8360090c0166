//! Why a lookup would be refused is what refuses it, and asks nobody.

use loket_sdk::message::{Explanation, Reason, Step, Verdict};
use loket_sdk::problem::{Code, Problem};
use loket_sdk::testing::CounterAnswer;
use loket_tests::{Ask, BAGAS, Town, TownBuilder};
use serde_json::{Value, json};

const PERSON: &str = "person-identity/1";

fn town() -> TownBuilder {
    Town::builder().agencies(&["dukcapil", "bpjs-kesehatan"])
}

async fn sent(town: &Town, ask: &Ask) -> CounterAnswer {
    let answer = town.counter().post("/v1/explain", ask.document()).await;
    answer.expect("an answer comes")
}

async fn explained(town: &Town, ask: &Ask) -> Explanation {
    let answer = sent(town, ask).await;
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, 200, "{text}");
    assert!(!text.contains(BAGAS), "{text}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let document: Value = answer.json();
    loket_sdk::schema::explanation().check(&document).unwrap();
    let explanation: Explanation = answer.json();
    assert_eq!(explanation.request_id.to_string(), ask.request_id());
    assert_eq!(explanation.trace_id, answer.header("x-trace-id"));
    explanation
}

fn asked(town: &Town) -> usize {
    town.agencies().map(|(_, it)| it.requests().len()).sum()
}

#[tokio::test]
async fn an_explanation_asks_nobody_and_draws_nothing() {
    let town = town()
        .grants(|grant| grant.daily_quota = Some(1))
        .start()
        .await;
    for _ in 0..3 {
        let explanation = explained(&town, &Ask::identity()).await;
        assert_eq!(explanation.verdict, Verdict::Allowed);
        assert_eq!(explanation.first_failing, None);
    }
    assert_eq!(asked(&town), 0);
    town.answer(&Ask::identity()).await;
    let explanation = explained(&town, &Ask::identity()).await;
    assert_eq!(explanation.first_failing, Some(Step::Quota));
    assert_eq!(explanation.records[0].reason, Some(Reason::QuotaUsedUp));
    assert_eq!(asked(&town), 1);
    town.stop().await;
}

/// Each step that can fail, by the reason that the lookup gives.
#[tokio::test]
async fn each_step_that_fails_is_the_lookups_reason() {
    let town = town().start().await;
    town.answer(&Ask::identity()).await;
    let held = town.audit_entries()[0]["subject_ref"]
        .as_str()
        .unwrap()
        .to_owned();
    let needs = Ask::identity().all("passport/1").required();
    for (ask, step, reason) in [
        (
            Ask::new("identity_check").all("passport/1"),
            Step::Grant,
            Reason::NoGrant,
        ),
        (
            Ask::new("land_transfer").all("family-card/1"),
            Step::Purpose,
            Reason::NotThisPurpose,
        ),
        (
            Ask::new("identity_check").fields(PERSON, &["religion"]),
            Step::Fields,
            Reason::NotTheseFields,
        ),
        (needs, Step::Grant, Reason::RequiredSourceFailed),
    ] {
        let explanation = explained(&town, &ask).await;
        assert_eq!(explanation.verdict, Verdict::Denied);
        assert_eq!(explanation.first_failing, Some(step));
        assert_eq!(explanation.records[0].reason, Some(reason));
        assert!(
            explanation.records[0]
                .steps
                .last()
                .unwrap()
                .mended_by
                .is_some()
        );
    }
    let mut parts = town.parts();
    parts.holds.push(held);
    town.swap(parts);
    let explanation = explained(&town, &Ask::identity()).await;
    assert_eq!(explanation.first_failing, Some(Step::Hold));
    let says = &explanation.records[0].steps.last().unwrap().says;
    assert!(says.contains(&explanation.trace_id), "{says}");
    let by_law = Ask::new("address_change").all(PERSON);
    assert_eq!(explained(&town, &by_law).await.verdict, Verdict::Allowed);
    town.stop().await;
}

#[tokio::test]
async fn it_is_let_in_and_recorded_as_a_lookup_is() {
    let town = town().start().await;
    let denied = Ask::identity().all("passport/1");
    explained(&town, &denied).await;
    let wrong = Ask::identity().with("/purpose", json!("curiosity"));
    let refused: Problem = sent(&town, &wrong).await.json();
    assert_eq!(refused.code, Code::BreaksSchema);
    let stranger = town.ca().system("stranger", "counter");
    let counter = town.counter_as(&stranger);
    let ask = Ask::identity();
    let answer = counter.post("/v1/explain", ask.document()).await;
    let refused: Problem = answer.unwrap().json();
    assert_eq!(refused.code, Code::NotEnrolled);
    let got: Problem = town.counter().get("/v1/explain").await.unwrap().json();
    assert_eq!(got.code, Code::MethodNotAllowed);

    let entries = town.audit_entries();
    let kinds: Vec<&str> = entries
        .iter()
        .map(|it| it["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["explain", "refusal", "refusal", "refusal"]);
    let entry = &entries[0];
    for member in [
        "case_id",
        "purpose",
        "legal_basis",
        "clerk",
        "counter",
        "request_id",
    ] {
        assert_eq!(entry[member], denied.document()[member], "{member}");
    }
    assert_eq!(entry["subject_ref"].as_str().unwrap().len(), 64);
    let sources = entry["sources"].as_array().unwrap();
    assert_eq!(sources.len(), 1);
    assert_eq!(sources[0]["reason"], "no_grant");
    assert!(sources[0].get("grants").is_none());
    town.stop().await;
}

#[tokio::test]
async fn it_counts_against_the_members_rate() {
    let town = town().rate(1, 2).start().await;
    let mut refused = 0;
    for _ in 0..4 {
        let answer = sent(&town, &Ask::identity()).await;
        refused += u32::from(answer.status == 429);
    }
    assert!(refused >= 1);
    town.stop().await;
}

#[tokio::test]
async fn the_sdk_asks_for_it() {
    let town = town().start().await;
    let lookup = serde_json::from_value(Ask::identity().document().clone()).unwrap();
    let explanation = town.client().explain(&lookup).await.unwrap();
    assert_eq!(explanation.verdict, Verdict::Allowed);
    town.stop().await;
}
