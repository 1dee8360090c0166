//! A child's data is specific, whatever shows that it is a child's.

use loket_sdk::message::Obligation;
use loket_sdk::testing::sample;
use loket_tests::{Ask, BAGAS, LARAS, Town};
use serde_json::json;

const DEED: &str = "birth-certificate/1";
const CHILDS: [Obligation; 5] = [
    Obligation::ShowOnly,
    Obligation::DoNotStore,
    Obligation::DeleteAfterCase,
    Obligation::NoOnwardTransfer,
    Obligation::GuardianCheck,
];

#[tokio::test]
async fn a_childs_data_is_shown_only_and_so_recorded() {
    let town = Town::builder().agencies(&["dukcapil"]).start().await;
    let born = sample(DEED)["birth_date"].clone();
    let ask = || Ask::new("birth_registration").about(LARAS);
    let read = ask().fields(DEED, &["child_name", "birth_date"]);
    let equals = ask().claims(DEED, &[("birth_date", "date_equals", born)]);
    let after = ask().claims(DEED, &[("birth_date", "after", json!("2020-01-01"))]);
    let before = ask().claims(DEED, &[("birth_date", "before", json!("2020-01-01"))]);
    for ask in [&read, &equals, &after, &before] {
        let answer = town.answer(ask).await;
        assert_eq!(answer.obligations, CHILDS, "{}", ask.document()["records"]);
    }
    // What doesn't show it: another field, a wrong guess, an adult.
    let name = ask().fields(DEED, &["child_name"]);
    let wrong = ask().claims(DEED, &[("birth_date", "date_equals", json!("2021-01-01"))]);
    let adult = Ask::new("birth_registration")
        .about(BAGAS)
        .fields("person-identity/1", &["birth_date"]);
    for ask in [&name, &wrong, &adult] {
        let answer = town.answer(ask).await;
        let obliged = &answer.obligations;
        assert!(!obliged.contains(&Obligation::GuardianCheck), "{obliged:?}");
    }
    let entries = town.audit_entries();
    let minors: Vec<bool> = entries.iter().map(|it| it["minor"] == true).collect();
    assert_eq!(minors, [true, true, true, true, false, false, false]);
    assert!(entries[4].get("minor").is_none());
    town.stop().await;
}
