//! The journeys of the mall, each as its clerk asks it of the sample family.

use loket_sdk::message::SourceResult;
use loket_sdk::testing::sample;
use loket_tests::{Ask, LARAS, SEKAR, Town, WAGIMAN};
use serde_json::{Value, json};

/// One line per result: record, outcome, reason, claims, number of fields, what was withheld.
fn line(result: &SourceResult) -> String {
    let mut line = format!("{} {} {}", result.record, result.outcome, result.reason);
    for claim in &result.claims {
        line.push_str(&format!(" {}:{}", claim.field, claim.result.as_str()));
    }
    if let Some(data) = &result.data {
        line.push_str(&format!(" {} fields", data.expose().len()));
    }
    for withheld in &result.withheld {
        line.push_str(&format!(" -{}:{}", withheld.field, withheld.reason));
    }
    line
}

async fn check(ask: Ask, overall: &str, expected: &[&str], findings: &[&str]) {
    let town = Town::start().await;
    check_in(&town, ask, overall, expected, findings).await;
    town.stop().await;
}

async fn check_in(town: &Town, ask: Ask, overall: &str, expected: &[&str], findings: &[&str]) {
    let answer = town.answer(&ask).await;
    let lines: Vec<String> = answer.results.iter().map(line).collect();
    assert_eq!(lines, expected);
    assert_eq!(answer.overall.as_str(), overall);
    let codes: Vec<String> = answer
        .findings
        .iter()
        .map(|finding| format!("{} {} {}", finding.rule, finding.code, finding.severity))
        .collect();
    assert_eq!(codes, findings);
}

fn name(value: &str) -> (&'static str, &'static str, Value) {
    ("full_name", "name_matches", json!(value))
}

const PERSON: &str = "person-identity/1";
const BIRTH_DATE: &str = "1988-05-14";

#[tokio::test]
async fn j1_newborn_the_parents() {
    let ask = Ask::new("birth_registration")
        .all(PERSON)
        .all("family-card/1")
        .claims(
            "marriage-certificate/1",
            &[
                ("certificate_number", "equals", json!("0123/045/VI/2015")),
                ("spouse_2", "name_matches", json!("SEKAR CONTOH LESTARI")),
                ("married_on", "date_equals", json!("2015-06-06")),
            ],
        )
        .all("health-insurance/1");
    check(ask, "partial", &["person-identity/1 found complete 8 fields", "family-card/1 found complete 8 fields", "marriage-certificate/1 found complete certificate_number:match spouse_2:match married_on:match", "health-insurance/1 denied not_this_purpose"], &[]).await;
}

#[tokio::test]
async fn j1_newborn_the_deed() {
    let ask = Ask::new("birth_registration")
        .about(LARAS)
        .all("birth-certificate/1")
        .fields("family-card/1", &["members", "head_name"]);
    check(
        ask,
        "complete",
        &[
            "birth-certificate/1 found complete 20 fields",
            "family-card/1 found complete 2 fields",
        ],
        &["C20 minor info"],
    )
    .await;
}

#[tokio::test]
async fn j1_newborn_the_insurance() {
    let ask = Ask::new("health_insurance_enrolment")
        .about(LARAS)
        .claims(
            "birth-certificate/1",
            &[
                ("mother_nik", "equals", json!(SEKAR)),
                ("state", "equals", json!("valid")),
            ],
        )
        .claims("family-card/1", &[("members", "exists", Value::Null)])
        .all("health-insurance/1");
    check(
        ask,
        "complete",
        &[
            "birth-certificate/1 found complete mother_nik:match state:match",
            "family-card/1 found complete members:match",
            "health-insurance/1 not_found no_record",
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn j2_driving_licence() {
    let ask = Ask::new("driving_licence_renewal")
        .claims(
            PERSON,
            &[
                name("Bagas Contoh Pratama"),
                ("birth_date", "date_equals", json!(BIRTH_DATE)),
                ("sex", "equals", json!("2")),
                ("mother_name", "name_matches", json!("SUMINAH")),
            ],
        )
        .fields(PERSON, &["identity_status", "address"])
        .all("driving-licence/1")
        .fields("health-insurance/1", &["membership_status", "segment"]);
    check(ask, "complete", &["person-identity/1 found in_part full_name:match birth_date:match sex:mismatch mother_name:not_permitted", "person-identity/1 found complete 2 fields", "driving-licence/1 found complete 11 fields", "health-insurance/1 found in_part 1 fields -segment:not_granted"], &["C03 sex_claim_differs warning", "C17 insurance_not_active warning"]).await;
}

#[tokio::test]
async fn j3_passport() {
    let ask = Ask::new("passport_application")
        .all(PERSON)
        .claims(
            "family-card/1",
            &[("kk_number", "equals", json!("3510161006159901"))],
        )
        .claims(
            "marriage-certificate/1",
            &[("state", "equals", json!("married"))],
        )
        .claims(
            "birth-certificate/1",
            &[("child_name", "name_matches", json!("BAGAS CONTOH PRATAMA"))],
        )
        .all("passport/1");
    check(
        ask,
        "complete",
        &[
            "person-identity/1 found complete 8 fields",
            "family-card/1 found complete kk_number:match",
            "marriage-certificate/1 found complete state:match",
            "birth-certificate/1 not_found no_record",
            "passport/1 found complete 13 fields",
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn j4_business_licence() {
    let ask = Ask::new("business_licence")
        .claims(
            PERSON,
            &[
                name("BAGAS C PRATAMA SE"),
                ("birth_date", "date_equals", json!("1988")),
            ],
        )
        .required()
        .all("taxpayer/1")
        .all("business-licence/1")
        .claims(
            "land-title/1",
            &[
                ("holders", "name_matches", json!("BAGAS CONTOH PRATAMA")),
                ("state", "equals", json!("active")),
            ],
        );
    check(
        ask,
        "complete",
        &[
            "person-identity/1 found complete full_name:mismatch birth_date:match",
            "taxpayer/1 found complete 5 fields",
            "business-licence/1 found in_part 10 fields -entity_decree_number:not_provided",
            "land-title/1 found complete holders:match state:match",
        ],
        &[
            "C01 name_claim_variant warning",
            "C10 nik_not_matched blocking",
            "C15 kbli_outdated warning",
        ],
    )
    .await;
}

#[tokio::test]
async fn j4_business_licence_the_property_tax() {
    let ask = Ask::new("business_licence")
        .about_by("nop", "351016000300199010")
        .all("property-tax/1");
    check(
        ask,
        "complete",
        &["property-tax/1 found complete 1 fields"],
        &[],
    )
    .await;
}

#[tokio::test]
async fn j5_land_sale() {
    let ask = Ask::new("land_transfer")
        .all("land-title/1")
        .claims(PERSON, &[name("BAGAS CONTOH PRATAMA")])
        .claims(
            "taxpayer/1",
            &[(
                "registered_name",
                "name_matches",
                json!("BAGAS CONTOH PRATAMA"),
            )],
        )
        .fields("health-insurance/1", &["membership_status"])
        .claims(
            "death-certificate/1",
            &[("state", "equals", json!("valid"))],
        );
    check(
        ask,
        "complete",
        &[
            "land-title/1 found in_part 10 fields -valid_until:not_provided",
            "person-identity/1 found complete full_name:match",
            "taxpayer/1 found complete registered_name:mismatch",
            "health-insurance/1 found complete 1 fields",
            "death-certificate/1 not_found no_record",
        ],
        &[
            "C01 name_claim_variant warning",
            "C17 insurance_not_active warning",
        ],
    )
    .await;
}

#[tokio::test]
async fn j6_moving_house() {
    let ask = Ask::new("address_change")
        .all("family-card/1")
        .all(PERSON)
        .fields("health-insurance/1", &["primary_facility"])
        .claims(
            "vehicle-registration/1",
            &[("owner_nik", "exists", Value::Null)],
        );
    check(
        ask,
        "complete",
        &[
            "family-card/1 found complete 8 fields",
            "person-identity/1 found complete 5 fields",
            "health-insurance/1 found complete 1 fields",
            "vehicle-registration/1 found complete owner_nik:match",
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn j7_death() {
    let ask = Ask::new("death_registration")
        .about(WAGIMAN)
        .all("death-certificate/1")
        .required()
        .all(PERSON)
        .all("health-insurance/1")
        .claims(
            "social-assistance/1",
            &[("programmes", "exists", Value::Null)],
        );
    check(
        ask,
        "partial",
        &[
            "death-certificate/1 found complete 10 fields",
            "person-identity/1 not_found no_record",
            "health-insurance/1 not_found no_record",
            "social-assistance/1 denied not_these_fields",
        ],
        &[],
    )
    .await;
}

/// The insurer hasn't heard of it: that is what the counter is there to find out.
#[tokio::test]
async fn j7_death_and_still_insured() {
    let town = Town::start().await;
    let mut insured = sample("health-insurance/1");
    insured["nik"] = json!(WAGIMAN);
    insured["full_name"] = json!("WAGIMAN CONTOH");
    insured["birth_date"] = json!("1952-03-12");
    insured["membership_status"] = json!("active");
    insured.as_object_mut().unwrap().remove("arrears_months");
    let agency = town.agency("bpjs-kesehatan");
    agency.set_records("health-insurance/1", [insured]);
    let ask = Ask::new("death_registration")
        .about(WAGIMAN)
        .all("death-certificate/1")
        .all("health-insurance/1");
    let expected = [
        "death-certificate/1 found complete 10 fields",
        "health-insurance/1 found complete 1 fields",
    ];
    let findings = ["C07 deceased_insured info"];
    check_in(&town, ask, "complete", &expected, &findings).await;
    town.stop().await;
}

#[tokio::test]
async fn j8_aid_objection() {
    let ask = Ask::new("social_assistance")
        .about(SEKAR)
        .all("social-assistance/1")
        .all("family-card/1")
        .fields("health-insurance/1", &["membership_status"])
        .claims(
            "vehicle-registration/1",
            &[("owner_nik", "equals", json!(SEKAR))],
        )
        .claims(
            "land-title/1",
            &[("holders", "name_matches", json!("SEKAR CONTOH LESTARI"))],
        );
    check(
        ask,
        "complete",
        &[
            "social-assistance/1 found complete 7 fields",
            "family-card/1 found complete 2 fields",
            "health-insurance/1 not_found no_record",
            "vehicle-registration/1 not_found no_record",
            "land-title/1 found complete holders:match",
        ],
        &[],
    )
    .await;
}

#[tokio::test]
async fn j9_business_in_baku() {
    let ask = Ask::new("business_licence")
        .about_by("az_fin", "7ZX9K2Q")
        .claims(
            "az-person-identity/1",
            &[
                ("surname", "name_matches", json!("NUMUNEYEV")),
                ("given_name", "name_matches", json!("Elçin")),
                ("birth_date", "date_equals", json!("1985-09-12")),
            ],
        )
        .all("az-taxpayer/1");
    check(
        ask,
        "complete",
        &[
            "az-person-identity/1 found complete surname:match given_name:match birth_date:match",
            "az-taxpayer/1 found complete 7 fields",
        ],
        &[],
    )
    .await;
}
