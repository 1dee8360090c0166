//! A glass that is broken: within its grant only, on record before anyone is asked, approved by someone
//! else or told of.

use jiff::{SignedDuration, Timestamp};
use loket_gateway::break_glass::Waiting;
use loket_sdk::message::{Answer, Approval, Approved, Ground, Obligation, Outcome, Reason};
use loket_sdk::problem::{Code, Problem};
use loket_sdk::testing::Fault;
use loket_tests::town::{AUDIT_KEY, MALL};
use loket_tests::{Ask, BAGAS, Town, TownBuilder};
use serde_json::{Value, json};

const PERSON: &str = "person-identity/1";
const WHY: &str = "An unconscious victim, CONTOH by the papers.";

fn town() -> TownBuilder {
    Town::builder().agencies(&["dukcapil", "bpjs-kesehatan"])
}

/// Every grant of the identity check is marked.
fn marked() -> TownBuilder {
    town().grants(|grant| {
        grant.break_glass_ok = grant.id.starts_with("identity_check");
    })
}

fn breaking(ask: Ask) -> Ask {
    let glass = json!({"ground": "threat_to_life", "justification": WHY});
    ask.with("/break_glass", glass)
}

/// For a purpose that no grant of the status has.
fn foreign() -> Ask {
    Ask::new("complaint_handling").fields(PERSON, &["identity_status"])
}

async fn hold(town: &Town) {
    town.answer(&Ask::identity()).await;
    let entries = town.audit_entries();
    let held = entries[0]["subject_ref"].as_str().unwrap().to_owned();
    let mut parts = town.parts();
    parts.holds.push(held);
    town.swap(parts);
}

async fn approve(town: &Town, entry: u64, clerk: &str) -> Result<Approved, Problem> {
    let path = format!("/v1/break-glass/{entry}/approvals");
    let approval = json!({"clerk": clerk, "counter": "B01"});
    let answer = town.counter().post(&path, &approval).await.unwrap();
    if answer.status == 200 {
        Ok(answer.json())
    } else {
        Err(answer.json())
    }
}

fn of_kind<'e>(entries: &'e [Value], kind: &str) -> Vec<&'e Value> {
    entries
        .iter()
        .filter(|entry| entry["kind"] == kind)
        .collect()
}

fn broke(answer: &Answer) -> bool {
    let obliged = answer
        .obligations
        .contains(&Obligation::SecondPersonWithin24h);
    assert_eq!(obliged, answer.break_glass.is_some());
    obliged
}

#[tokio::test]
async fn a_purpose_is_passed_within_a_marked_grant_and_a_second_person_approves() {
    let town = marked().start().await;
    town.problem(&foreign()).await;
    let answer = town.answer(&breaking(foreign())).await;
    assert_eq!(answer.results[0].reason, Reason::Complete);
    assert!(broke(&answer));
    let broken = answer.break_glass.unwrap();
    assert!(
        broken.entry < answer.receipt.entry,
        "on record before anyone is asked"
    );
    let day = broken.approve_by.duration_since(Timestamp::now());
    assert!(day > SignedDuration::from_hours(23) && day <= SignedDuration::from_hours(24));

    let refused = approve(&town, broken.entry, "clk-7f3a").await.unwrap_err();
    assert_eq!(refused.code, Code::SecondPersonNeeded);
    let refused = approve(&town, broken.entry + 1, "spv-1").await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound);
    let approval = Approval {
        clerk: "spv-1".to_owned(),
        counter: "B01".to_owned(),
    };
    let approved = town
        .client()
        .approve(broken.entry, &approval)
        .await
        .unwrap();
    assert_eq!(approved.entry, broken.entry);
    let again = approve(&town, broken.entry, "spv-1").await.unwrap_err();
    assert_eq!(again.code, Code::NotFound);

    let entries = town.audit_entries();
    let opened = of_kind(&entries, "break_glass")[0];
    assert_eq!(opened["entry"], broken.entry);
    assert_eq!(opened["break_glass"]["ground"], "threat_to_life");
    assert_eq!(opened["clerk"], "clk-7f3a");
    let lookup = of_kind(&entries, "lookup")[0];
    assert_eq!(
        lookup["break_glass"],
        json!({"ground": "threat_to_life", "entry": broken.entry})
    );
    let second = of_kind(&entries, "break_glass_approved")[0];
    assert_eq!(second["break_glass"], json!({"entry": broken.entry}));
    assert_eq!(
        (&second["clerk"], &second["member"]),
        (&json!("spv-1"), &json!(MALL))
    );
    assert_eq!(second["entry"], approved.receipt.entry);
    town.stop().await;
}

/// The log has it, for the auditor with the key and nobody else.
#[tokio::test]
async fn the_justification_is_sealed_in_the_log() {
    let town = marked().start().await;
    town.answer(&breaking(foreign())).await;
    let entries = town.audit_entries();
    let opened = of_kind(&entries, "break_glass")[0];
    let all = Value::from(entries.clone()).to_string();
    assert!(!all.contains("CONTOH") && !all.contains(BAGAS));
    let sealed = opened["break_glass"]["justification"].as_str().unwrap();
    let trace_id = opened["trace_id"].as_str().unwrap();
    let key = loket_gateway::audit::subject_key(&AUDIT_KEY);
    let text = loket_gateway::audit::seal::unseal(&key, trace_id, sealed).unwrap();
    assert_eq!(text.expose(), WHY);
    town.stop().await;
}

#[tokio::test]
async fn a_hold_is_passed_within_a_marked_grant_only() {
    let town = marked().start().await;
    hold(&town).await;
    let answer = town.answer(&Ask::identity()).await;
    assert_eq!(answer.results[0].reason, Reason::OnHold);
    assert!(!broke(&answer));
    let answer = town.answer(&breaking(Ask::identity())).await;
    assert_eq!(answer.results[0].outcome, Outcome::Found);
    assert!(broke(&answer));
    // The grants of another purpose aren't marked.
    let licence = Ask::new("driving_licence_renewal").all("health-insurance/1");
    let answer = town.answer(&breaking(licence)).await;
    assert_eq!(answer.results[0].reason, Reason::OnHold);
    assert!(!broke(&answer));
    town.stop().await;
}

#[tokio::test]
async fn what_isnt_marked_or_isnt_needed_breaks_nothing() {
    let town = town().start().await;
    let problem = town.problem(&breaking(foreign())).await;
    assert_eq!(problem.code, Code::NothingGranted);
    let answer = town.answer(&breaking(Ask::identity())).await;
    assert!(!broke(&answer));
    let entries = town.audit_entries();
    assert!(of_kind(&entries, "break_glass").is_empty());
    // That it was tried is on record all the same.
    for entry in &entries {
        assert_eq!(entry["break_glass"]["ground"], "threat_to_life", "{entry}");
    }
    town.stop().await;
}

#[tokio::test]
async fn a_glass_opens_no_more_fields() {
    let town = marked().start().await;
    let more = Ask::new("complaint_handling").fields(PERSON, &["identity_status", "religion"]);
    let answer = town.answer(&breaking(more)).await;
    assert_eq!(answer.results[0].withheld[0].field, "religion");
    let other = Ask::new("complaint_handling").fields(PERSON, &["religion"]);
    town.problem(&breaking(other)).await;
    town.stop().await;
}

#[tokio::test]
async fn an_ill_formed_one_is_refused() {
    let town = marked().start().await;
    for glass in [
        json!({"ground": "threat_to_life"}),
        json!({"ground": "threat_to_life", "justification": "in a hurry"}),
        json!({"ground": "threat_to_life", "justification": "x".repeat(501)}),
        json!({"ground": "curiosity", "justification": WHY}),
    ] {
        let problem = town.problem(&foreign().with("/break_glass", glass)).await;
        assert_eq!(problem.code, Code::BreaksSchema);
    }
    let counter = town.counter();
    let answer = counter
        .post("/v1/break-glass/1/approvals", &json!({"clerk": "spv-1"}))
        .await;
    let problem: Problem = answer.unwrap().json();
    assert_eq!(problem.code, Code::BreaksSchema);
    town.stop().await;
}

/// Another member can't tell whether there is one.
#[tokio::test]
async fn another_member_approves_nothing() {
    let town = marked()
        .member("dinsos", "counter", Vec::new())
        .start()
        .await;
    let broken = town.answer(&breaking(foreign())).await.break_glass.unwrap();
    let other = town.counter_as(&town.ca().system("dinsos", "counter"));
    let approval = json!({"clerk": "spv-1", "counter": "B01"});
    let path = format!("/v1/break-glass/{}/approvals", broken.entry);
    let problem: Problem = other.post(&path, &approval).await.unwrap().json();
    assert_eq!(problem.code, Code::NotFound);
    approve(&town, broken.entry, "spv-1").await.unwrap();
    town.stop().await;
}

/// Asked is asked: also when the agency has nothing to say, or the process ends.
#[tokio::test]
async fn what_waits_is_known_after_a_restart() {
    let mut town = marked().start().await;
    town.agency("dukcapil").set_fault(Fault::Status(500));
    let answer = town.answer(&breaking(foreign())).await;
    assert_eq!(answer.obligations, [Obligation::SecondPersonWithin24h]);
    let first = answer.break_glass.unwrap().entry;
    let second = town
        .answer(&breaking(foreign()))
        .await
        .break_glass
        .unwrap()
        .entry;
    approve(&town, first, "spv-1").await.unwrap();
    town.stop_gateway().await;
    town.start_gateway().await;
    let late = Timestamp::now() + SignedDuration::from_hours(25);
    assert_eq!(town.gateway().waiting().overdue(late), 1);
    let gone = approve(&town, first, "spv-1").await.unwrap_err();
    assert_eq!(gone.code, Code::NotFound);
    approve(&town, second, "spv-1").await.unwrap();
    assert_eq!(town.gateway().waiting().overdue(late), 0);
    town.stop().await;
}

/// It is taken, and stays late: in the answer, the log and the count, also of whoever reads the log.
#[tokio::test]
async fn an_approval_after_its_time_is_late() {
    let town = marked().start().await;
    let entry = town.answer(&breaking(foreign())).await;
    let entry = entry.break_glass.unwrap().entry;
    let approved = approve(&town, entry, "spv-1").await.unwrap();
    assert!(!approved.late);

    // As if it had been written yesterday.
    let opened = of_kind(&town.audit_entries(), "break_glass")[0].clone();
    let hours = |hours| Timestamp::now() - SignedDuration::from_hours(hours);
    let mut yesterdays = opened.clone();
    yesterdays["at"] = json!(hours(25));
    let waiting = town.gateway().waiting().clone();
    waiting.replay(&yesterdays.to_string());
    assert_eq!(waiting.unapproved(Timestamp::now()), 1);
    let approved = approve(&town, entry, "spv-1").await.unwrap();
    assert!(approved.late);
    let again = approve(&town, entry, "spv-2").await.unwrap_err();
    assert_eq!(again.code, Code::NotFound);
    let entries = town.audit_entries();
    let second = of_kind(&entries, "break_glass_approved").pop().unwrap();
    let expected = json!({"entry": entry, "late": true});
    assert_eq!(second["break_glass"], expected);
    let count = |waiting: &Waiting| {
        let now = Timestamp::now();
        (waiting.overdue(now), waiting.unapproved(now))
    };
    assert_eq!(count(&waiting), (1, 0));
    assert_eq!(town.metric("loket_break_glass_overdue", &[]).await, 1.0);

    let known = Waiting::default();
    known.replay(&yesterdays.to_string());
    known.replay(&second.to_string());
    assert_eq!(count(&known), (1, 0));
    town.stop().await;
}

#[tokio::test]
async fn the_sdk_breaks_it_and_an_explanation_says_so() {
    let town = marked().start().await;
    let lookup = serde_json::from_value(breaking(foreign()).document().clone()).unwrap();
    let explanation = town.client().explain(&lookup).await.unwrap();
    let says: Vec<&str> = explanation.records[0]
        .steps
        .iter()
        .map(|it| it.says.as_str())
        .collect();
    assert!(says.join(" ").contains("breaking the glass"), "{says:?}");
    assert!(of_kind(&town.audit_entries(), "break_glass").is_empty());
    let subject = loket_sdk::ids::Nik::parse(BAGAS).unwrap();
    let answer = town
        .client()
        .lookup(subject)
        .purpose(loket_sdk::message::Purpose::ComplaintHandling)
        .case("MPP-3510-000123")
        .legal_basis(
            loket_sdk::message::LegalBasisKind::VitalInterest,
            "UU 27/2022 art. 20",
        )
        .record_fields(PERSON, ["identity_status"])
        .break_glass(Ground::Disaster, WHY)
        .send()
        .await
        .unwrap();
    assert!(broke(&answer));
    town.stop().await;
}
