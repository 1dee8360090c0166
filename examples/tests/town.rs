//! The town as the demo runs it, and as it is when everybody is well.

use std::collections::BTreeSet;
use std::path::PathBuf;

use loket_examples::world::World;
use loket_examples::{counter, journeys, table};
use loket_sdk::ids::Nik;
use loket_sdk::message::{LegalBasisKind, Outcome, Overall, Purpose, Reason};
use serde_json::Value;

#[tokio::test]
async fn the_journeys_come_out_as_expected_and_see_every_outcome() {
    let town = World::sample().start().await.unwrap();
    let mut seen = BTreeSet::new();
    for journey in journeys::all() {
        let client = town.client(journey.consumer).unwrap();
        let mut answer = counter::ask(&client, journey).await.unwrap();
        assert_eq!(journey.check(&answer), [], "{}", journey.name);
        seen.extend(answer.results.iter().map(|result| result.outcome));
        if journey.name == "business_licence" {
            // What differs from run to run, and what is another crate's to test.
            answer.results.iter_mut().for_each(|r| r.elapsed_ms = 0);
            answer.findings.clear();
            let text = table::render(journey, &answer);
            assert!(text.lines().all(|line| line.chars().count() <= 100));
            assert_eq!(text, golden("business_licence.txt", &text).unwrap());
        }
    }
    assert_eq!(Vec::from_iter(seen), Outcome::ALL);
    town.stop().await;
}

#[tokio::test]
async fn where_everybody_is_well_every_agency_answers() {
    let town = World::healthy().start().await.unwrap();
    for journey in journeys::all() {
        let client = town.client(journey.consumer).unwrap();
        let answer = counter::ask(&client, journey).await.unwrap();
        assert_eq!(answer.overall, Overall::Complete, "{}", journey.name);
        assert_eq!(answer.required_missing, []);
    }
    town.stop().await;
}

#[tokio::test]
async fn a_difference_is_told() {
    let town = World::healthy().start().await.unwrap();
    let journey = journeys::named("vehicle_tax").unwrap();
    let client = town.client(journey.consumer).unwrap();
    let answer = counter::ask(&client, journey).await.unwrap();
    let differences = journey.check(&answer);
    let told: Vec<String> = differences.iter().map(ToString::to_string).collect();
    let expected = "vehicle-registration/1: expected samsat invalid breaks_schema, \
                    got samsat found complete";
    assert_eq!(told, [expected]);
}

#[tokio::test]
async fn nothing_is_left_of_a_stopped_town() {
    let town = World::healthy().start().await.unwrap();
    let (directory, gateway) = (town.directory().to_owned(), town.gateway());
    assert!(town.certificates().join("ca.pem").exists());
    town.stop().await;
    assert!(!directory.exists());
    assert!(tokio::net::TcpStream::connect(gateway).await.is_err());
}

#[tokio::test]
async fn a_mood_of_nobody_is_refused() {
    let world = World::healthy().mood("kemensos", loket_examples::mood::Mood::Down);
    let error = world.start().await.err().unwrap().to_string();
    assert!(error.contains("kemensos"), "{error}");
}

#[tokio::test]
async fn a_passport_on_paper_is_answered_later() {
    let town = World::healthy().start().await.unwrap();
    let client = town.client("imigrasi").unwrap();
    let mother = Nik::parse("3510166307919902").unwrap();
    let answer = client
        .lookup(mother)
        .purpose(Purpose::PassportApplication)
        .legal_basis(LegalBasisKind::PublicTask, "UU 6/2011")
        .case("MPP-3510-000200")
        .record("passport/1")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.results[0].reason, Reason::SourceWillAnswerLater);
    assert_eq!(answer.results[0].retry_after_s, Some(900));
}

#[test]
fn the_demo_prints_for_programs_and_ends_well() {
    let demo = std::process::Command::new(env!("CARGO_BIN_EXE_loket-demo"))
        .args(["--once", "--output", "json"])
        .output()
        .unwrap();
    let told = String::from_utf8(demo.stderr).unwrap();
    assert!(demo.status.success(), "{told}");
    assert!(told.starts_with("up in "), "{told}");
    let reports: Value = serde_json::from_slice(&demo.stdout).unwrap();
    let reports = reports.as_array().unwrap();
    assert_eq!(reports.len(), journeys::all().len());
    for (report, journey) in reports.iter().zip(journeys::all()) {
        assert_eq!(report["journey"], journey.name);
        assert_eq!(report["differences"], Value::Array(Vec::new()));
        let results = report["answer"]["results"].as_array().unwrap();
        assert_eq!(results.len(), journey.expected.len());
    }
}

/// The text as it should be; `UPDATE_GOLDEN=1` writes it anew.
fn golden(name: &str, text: &str) -> std::io::Result<String> {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let path = golden.join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text)?;
    }
    std::fs::read_to_string(&path)
}
