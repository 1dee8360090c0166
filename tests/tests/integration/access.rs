//! The citizen's view: who looked, told at a desk, on record, and stopped by a hold.

use loket_gateway::audit::{subject_key, subject_ref};
use loket_gateway::directory::{Hidden, Role, VisibilityRule};
use loket_sdk::ids::Scheme;
use loket_sdk::message::{
    AccessKind, AccessReport, AccessRequest, LegalBasisKind, Locale, Outcome, Purpose, Reason,
    Subject, SubjectKey,
};
use loket_sdk::sensitive::Sensitive;
use loket_tests::town::AUDIT_KEY;
use loket_tests::{Ask, BAGAS, LARAS, SEKAR, Town};
use serde_json::{Value, json};
use uuid::Uuid;

const PERSON: &str = "person-identity/1";

/// A town whose counter is a desk for subjects too.
async fn town() -> Town {
    let town = Town::builder()
        .agencies(&["dukcapil", "bpjs-kesehatan"])
        .start()
        .await;
    let mut parts = town.parts();
    parts.members[0].systems[0].roles.insert(Role::SubjectDesk);
    parts.visibility.push(VisibilityRule {
        purposes: [Purpose::DrivingLicenceRenewal].into(),
        legal_bases: [LegalBasisKind::PublicTask].into(),
        then: Hidden::For("UU 27/2022 art. 15".into()),
    });
    town.swap(parts);
    town
}

fn request(number: &str) -> AccessRequest {
    AccessRequest {
        request_id: Uuid::now_v7(),
        case_id: "MPP-3510-000900".parse().unwrap(),
        clerk: "clk-7f3a".to_owned(),
        counter: "D01".to_owned(),
        subject: Subject {
            scheme: Scheme::Nik,
            value: Sensitive::new(number.to_owned()),
            presented_as: None,
        },
        from: None,
        to: None,
        before: None,
        locale: Some(Locale::En),
    }
}

async fn report(town: &Town, number: &str) -> AccessReport {
    town.client().access_report(&request(number)).await.unwrap()
}

fn reference(number: &str) -> String {
    let subject = SubjectKey {
        scheme: Scheme::Nik,
        value: Sensitive::new(number.to_owned()),
    };
    subject_ref(&subject_key(&AUDIT_KEY), &subject)
}

#[tokio::test]
async fn a_citizen_sees_who_looked() {
    let town = town().await;
    town.answer(&Ask::identity()).await;
    let claim = ("full_name", "name_matches", json!("BAGAS CONTOH PRATAMA"));
    town.answer(&Ask::new("identity_check").claims(PERSON, &[claim]))
        .await;
    // Withheld, and about somebody else: it names him, and isn't his.
    town.answer(&Ask::new("driving_licence_renewal").all(PERSON))
        .await;
    town.answer(
        &Ask::new("birth_registration")
            .about(LARAS)
            .all("birth-certificate/1"),
    )
    .await;
    // The same as a stream.
    let accept = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    let stream = town
        .counter()
        .send("POST", "/v1/lookups", &accept, Ask::identity().text())
        .await
        .unwrap();
    assert_eq!(stream.status, 200);

    let told = report(&town, BAGAS).await;
    let kinds: Vec<AccessKind> = told.entries.iter().map(|entry| entry.what).collect();
    assert_eq!(kinds, [AccessKind::Lookup; 3], "{told:#?}");
    assert_eq!(told.held_back.deferred_days, None);
    assert_eq!(told.held_back.grounds, ["UU 27/2022 art. 15"]);
    let given = &told.entries[2].records[0];
    let names: Vec<&str> = given
        .given
        .iter()
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(names, ["card_status", "identity_status"]);
    assert_eq!(given.outcome, Outcome::Found);
    let verified = &told.entries[1].records[0].verified;
    assert_eq!(
        (verified[0].name.as_str(), verified[0].label.as_str()),
        ("full_name", "Full name")
    );
    assert_eq!(told.entries[2].counter.as_deref(), Some("B07"));
    assert!(
        !json!(told).to_string().contains("clk-7f3a"),
        "the clerk isn't named"
    );

    // On record before it left, under the citizen's right.
    let entry = town.audit_entries_of("access_report", 1).await.remove(0);
    assert_eq!(entry["report"], json!({"entries": 3}));
    assert_eq!(entry["subject_ref"], reference(BAGAS));
    assert_eq!(entry["legal_basis"]["reference"], "UU 27/2022 art. 32");
    let withheld: Vec<Value> = town.audit_entries();
    let withheld = withheld
        .iter()
        .filter(|entry| entry["visibility"] == "withheld");
    assert_eq!(withheld.count(), 1);
    assert_eq!(report(&town, LARAS).await.entries.len(), 1);
    assert!(report(&town, SEKAR).await.entries.is_empty());
    town.stop().await;
}

#[tokio::test]
async fn a_report_can_be_printed_and_only_a_desk_gets_one() {
    let town = town().await;
    town.answer(&Ask::identity()).await;
    let body = serde_json::to_string(&request(BAGAS)).unwrap();
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/html"),
    ];
    let counter = town.counter();
    let page = counter
        .send("POST", "/v1/access-reports", &headers, body.clone())
        .await
        .unwrap();
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    let text = String::from_utf8(page.body.to_vec()).unwrap();
    assert!(
        text.contains("Who looked at my data") && text.contains("Identity-card status"),
        "{text}"
    );
    assert!(!text.contains(BAGAS));

    let plain = [
        ("content-type", "application/json"),
        ("accept", "image/png"),
    ];
    let other = counter
        .send("POST", "/v1/access-reports", &plain, body.clone())
        .await
        .unwrap();
    assert_eq!(other.status, 406);
    let mut parts = town.parts();
    parts.members[0].systems[0].roles.clear();
    town.swap(parts);
    let refused = counter
        .send("POST", "/v1/access-reports", &headers, body)
        .await
        .unwrap();
    assert_eq!(refused.status, 403);
    let entries = town.audit_entries_of("refusal", 2).await;
    let last = entries.last().unwrap();
    assert_eq!(last["operation"], "/v1/access-reports");
    // Nobody who may not ask learns, or leaves on record, about whom.
    assert_eq!(last.get("subject_ref"), None);
    town.stop().await;
}

/// Fields, claims and another name of the same citizen; the desk's report goes on.
#[tokio::test]
async fn a_hold_stops_all_that_the_law_does_not_oblige() {
    let town = town().await;
    let mut parts = town.parts();
    parts.members[0].systems[0].roles.insert(Role::SubjectDesk);
    parts.holds.push(reference(BAGAS));
    town.swap(parts);
    let claim = ("full_name", "name_matches", json!("BAGAS CONTOH PRATAMA"));
    for held in [
        Ask::identity(),
        Ask::new("identity_check").claims(PERSON, &[claim]),
    ] {
        let answer = town.answer(&held).await;
        assert_eq!(answer.results[0].reason, Reason::OnHold);
    }
    assert!(town.agency("dukcapil").requests().is_empty());
    let obliged = town.answer(&Ask::new("address_change").all(PERSON)).await;
    assert_eq!(obliged.results[0].outcome, Outcome::Found);
    let told = report(&town, BAGAS).await;
    assert_eq!(told.entries.len(), 3);
    assert!(told.entries[2].records[0].text.contains("on hold"));
    town.stop().await;
}

/// The index is a cache: where it can't be kept, the gateway starts, and tells.
#[tokio::test]
async fn without_a_directory_for_its_index_a_gateway_starts_and_tells() {
    let mut town = town().await;
    town.answer(&Ask::identity()).await;
    let mut parts = town.parts();
    parts.members[0].systems[0].roles.insert(Role::SubjectDesk);
    town.stop_gateway().await;
    let index = town.audit_dir().join("index");
    let _ = std::fs::remove_dir_all(&index);
    std::fs::write(&index, "in the way").unwrap();
    town.start_gateway_on(parts).await;
    assert_eq!(report(&town, BAGAS).await.entries.len(), 1);
    let behind = town.metric("loket_audit_index_behind", &[]).await;
    assert!(behind <= 1.0, "{behind}");
    town.stop().await;
}
