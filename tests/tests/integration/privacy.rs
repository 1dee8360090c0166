//! A citizen's data travels in bodies and is nowhere else: every agency is asked with every fault,
//! and then everything that the gateway leaves behind is searched for the sample family.

use std::collections::BTreeSet;
use std::time::Duration;

use loket_sdk::testing::{Fault, samples};
use loket_tests::{Ask, BAGAS, LARAS, SEKAR, Town, WAGIMAN, logs};
use serde_json::{Value, json};

/// Every value of the samples that tells something: numbers, names, addresses, dates of birth.
fn needles() -> BTreeSet<String> {
    fn collect(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) if text.len() >= 9 => {
                found.insert(text.clone());
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(members) => members.values().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    for (_, sample) in samples() {
        collect(&sample, &mut found);
    }
    // Somebody else's number, as an agency that mixes people up sends it.
    found.insert("3510161405889902".to_owned());
    for name in ["CONTOH", "BAGAS", "SEKAR", "NÜMUNƏ", "7ZX9K2Q"] {
        found.insert(name.to_owned());
    }
    for number in [BAGAS, SEKAR, LARAS, WAGIMAN] {
        assert!(found.contains(number), "the needles are the samples'");
    }
    found
}

fn search(what: &str, text: &str, needles: &BTreeSet<String>) {
    assert!(!text.is_empty(), "{what} is there to be searched");
    let (text, lower) = (text, text.to_lowercase());
    for needle in needles {
        let found = text.contains(needle) || lower.contains(&needle.to_lowercase());
        assert!(!found, "{needle} is in the {what}");
    }
}

fn faults() -> Vec<Fault> {
    vec![
        Fault::None,
        Fault::Slow(Duration::from_millis(5)),
        Fault::Broken,
        Fault::NotJson,
        Fault::TooLarge,
        Fault::Refusing,
        Fault::WrongCitizen,
        Fault::Status(500),
        Fault::QuotaUsedUp,
        Fault::Later,
        Fault::CitizenMustAct,
        Fault::SeveralRecords,
        Fault::Draining,
        Fault::ExtraField,
        Fault::Hang,
        Fault::Down,
    ]
}

/// Lookups that together ask every agency for values and claims.
fn asks() -> Vec<Ask> {
    let name = || ("full_name", "name_matches", json!("BAGAS CONTOH PRATAMA"));
    vec![
        Ask::new("business_licence")
            .claims(
                "person-identity/1",
                &[name(), ("birth_date", "date_equals", json!("1988-05-14"))],
            )
            .all("taxpayer/1")
            .all("business-licence/1")
            .claims(
                "land-title/1",
                &[("holders", "name_matches", json!("BAGAS CONTOH PRATAMA"))],
            ),
        Ask::new("business_licence")
            .about_by("nop", "351016000300199010")
            .all("property-tax/1"),
        Ask::new("business_licence")
            .about_by("az_fin", "7ZX9K2Q")
            .all("az-taxpayer/1")
            .claims(
                "az-person-identity/1",
                &[("surname", "name_matches", json!("NÜMUNƏYEV"))],
            ),
        Ask::new("passport_application")
            .all("passport/1")
            .all("person-identity/1"),
        Ask::new("driving_licence_renewal")
            .all("driving-licence/1")
            .all("health-insurance/1"),
        Ask::new("address_change").claims(
            "vehicle-registration/1",
            &[("owner_nik", "equals", json!(SEKAR))],
        ),
        Ask::new("social_assistance")
            .about(SEKAR)
            .all("social-assistance/1")
            .all("family-card/1"),
        Ask::new("birth_registration")
            .about(LARAS)
            .all("birth-certificate/1"),
        Ask::new("death_registration")
            .about(WAGIMAN)
            .all("death-certificate/1"),
    ]
}

/// Requests that are wrong in ways that tempt an error message to quote.
fn mistakes() -> Vec<String> {
    let person = "person-identity/1";
    let name = "BAGAS CONTOH PRATAMA";
    let good = Ask::identity;
    let mut all: Vec<String> = vec![
        good().with("/purpose", json!(name)).text(),
        good().with("/case_id", json!(name)).text(),
        good().with("/clerk", json!(name)).text(),
        good().with(&format!("/{BAGAS}"), json!(name)).text(),
        good().about("35101614058899011").text(),
        good().about(name).text(),
        good().about_by(BAGAS, name).text(),
        good().all(BAGAS).text(),
        good().all(&format!("{BAGAS}/1")).text(),
        good().fields(person, &[BAGAS, name]).text(),
        good().fields(person, &["bagas_contoh_pratama"]).text(),
        good()
            .claims(person, &[("birth_date", "date_equals", json!(name))])
            .text(),
        good()
            .claims(person, &[("full_name", "equals", json!({ "name": name }))])
            .text(),
        good()
            .claims(person, &[(BAGAS, "equals", json!(name))])
            .text(),
        good()
            .claims(person, &[("full_name", BAGAS, json!(name))])
            .text(),
        good()
            .with(
                "/subject",
                json!({ "scheme": "nik", "value": { "v": BAGAS } }),
            )
            .text(),
        good()
            .with(
                "/subject",
                json!({ "scheme": "nik", "value": 3_510_161_405_889_901_i64 }),
            )
            .text(),
        good().with("/request_id", json!(BAGAS)).text(),
        good().with("/deadline_ms", json!(name)).text(),
    ];
    let text = good().text();
    all.push(text.replace(&format!("\"{BAGAS}\""), &format!("\"{BAGAS}")));
    all.push(format!("{{\"{BAGAS}\":1,\"{BAGAS}\":2}}"));
    all.push(format!("{name} {BAGAS}"));
    all
}

#[tokio::test]
async fn nothing_of_the_family_is_left_behind() {
    let town = Town::start().await;
    let needles = needles();
    let (mut seen, mut asked) = (0, BTreeSet::new());
    for fault in faults() {
        for (_, agency) in town.agencies() {
            agency.set_fault(fault.clone());
        }
        let rounds = asks().into_iter().map(|ask| one(&town, ask.within_ms(300)));
        for body in futures_util::future::join_all(rounds).await {
            seen += needles
                .iter()
                .filter(|needle| body.contains(needle.as_str()))
                .count();
        }
    }
    for (id, agency) in town.agencies() {
        agency.set_fault(Fault::None);
        if !agency.requests().is_empty() {
            asked.insert(id.to_owned());
        }
    }
    assert_eq!(
        asked.len(),
        town.agencies().count(),
        "every agency was asked: {asked:?}"
    );
    assert!(seen > 100, "the answers had what is searched for: {seen}");

    for mistake in mistakes() {
        let headers = [("content-type", "application/json")];
        let sent = town
            .counter()
            .send("POST", "/v1/lookups", &headers, mistake.clone())
            .await;
        let answer = sent.unwrap();
        assert!(
            [400, 403, 422].contains(&answer.status.as_u16()),
            "{mistake}"
        );
        search(
            "problem",
            std::str::from_utf8(&answer.body).unwrap(),
            &needles,
        );
        search("headers", &format!("{:?}", answer.headers), &needles);
    }
    let path = format!("/v1/schemas/{BAGAS}/1?nik={BAGAS}");
    let _ = town.counter().get(&path).await.unwrap();

    search("metrics", &town.metrics_text().await, &needles);
    search("spans", &format!("{:?}", town.spans()), &needles);
    let catalogue = town.counter().get("/v1/catalogue").await.unwrap();
    search(
        "catalogue",
        std::str::from_utf8(&catalogue.body).unwrap(),
        &needles,
    );
    let mut town = town;
    town.stop_gateway().await;
    let mut beside = vec![town.audit_dir(), town.scratch().join("audit-replay")];
    while let Some(path) = beside.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).unwrap();
            beside.extend(entries.map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        if !bytes.is_empty() {
            search("a file", &String::from_utf8_lossy(&bytes), &needles);
        }
    }
    for entry in town.audit_entries() {
        search("audit log", &entry.to_string(), &needles);
    }
    search("log lines", &logs::text(), &needles);
}

/// Asks by JSON and as a stream; both bodies.
async fn one(town: &Town, ask: Ask) -> String {
    let whole = town.ask(&ask).await;
    assert_eq!(whole.status, 200);
    let headers = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
    ];
    // A lookup of its own, or it would have the same answer again.
    let parts = ask.anew();
    let events = town
        .counter()
        .events("POST", "/v1/lookups", &headers, parts.text())
        .await;
    let events = events.unwrap().all().await.unwrap();
    assert_eq!(events.last().unwrap().name, "done");
    let parts: Vec<String> = events.into_iter().map(|event| event.data).collect();
    String::from_utf8(whole.body.to_vec()).unwrap() + &parts.join("\n")
}

/// The same person is the same name in the log, another is another, and neither is a plain hash.
#[tokio::test]
async fn a_subject_has_one_name_in_the_log() {
    let town = Town::builder().agencies(&["dukcapil"]).start().await;
    let spaced = "3510-1614.0588 9901";
    for value in [BAGAS, spaced, SEKAR] {
        town.ask(&Ask::identity().about(value)).await;
    }
    let names: Vec<String> = town
        .audit_entries()
        .iter()
        .map(|entry| entry["subject_ref"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names[0], names[1], "however it was typed");
    assert_ne!(names[0], names[2]);
    assert!(names.iter().all(|name| name.len() == 64));
    // What is passed on is the normal form.
    let asked = town.agency("dukcapil").requests();
    assert_eq!(asked[1].subject.value.expose(), BAGAS);
    town.stop().await;
}
