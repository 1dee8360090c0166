use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;

use super::gateway::lookup;
use crate::claims::Op;
use crate::client::{Client, ClientBuilder, Error, LookupBuilder};
use crate::ids::Nik;
use crate::message::{LegalBasisKind, Lookup, Purpose};
use crate::problem::Fault;
use crate::testing::Ca;

fn client() -> Client {
    Client::builder()
        .url("https://gateway.example")
        .mutual_tls(
            Ca::new("loket.example")
                .system("mpp", "counter")
                .mutual_tls(),
        )
        .build()
        .unwrap()
}

#[track_caller]
fn check_usage(error: &Error, words: &[&str]) {
    assert_eq!(error.code(), "usage", "{error}");
    assert_eq!(error.fault(), Fault::Caller);
    for words in words {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(!error.to_string().contains("3510161405889901"));
}

#[test]
fn all_that_is_missing_is_named_at_once() {
    let lookup = client().lookup(Nik::parse("3510161405889901").unwrap());
    check_usage(
        &lookup.build().unwrap_err(),
        &[
            "purpose(…)",
            "case(…)",
            "by(clerk, counter)",
            "legal_basis(…)",
            "claim(…)",
        ],
    );
}

#[test]
fn what_is_wrong_is_named() {
    let client = client();
    let cases: [(LookupBuilder, &str); 7] = [
        (lookup(&client).case("x"), "case_id"),
        (
            lookup(&client).record("person-identity"),
            "person-identity/1",
        ),
        (lookup(&client).required("passport/1"), "isn't asked for"),
        (lookup(&client).by("clk 1", "B07"), "/clerk"),
        (
            lookup(&client).deadline(Duration::from_millis(20)),
            "200 to 15000",
        ),
        (
            lookup(&client).legal_basis(LegalBasisKind::Consent, "signed form"),
            "consent_id",
        ),
        (
            lookup(&client).record_fields("taxpayer/1", ["No Field"]),
            "/records/2/fields",
        ),
    ];
    for (builder, words) in cases {
        check_usage(&builder.build().unwrap_err(), &[words]);
    }
}

#[tokio::test]
async fn a_prepared_lookup_is_checked_too() {
    let client = client();
    let mut message = lookup(&client).build().unwrap();
    message.records.clear();
    check_usage(&client.send(&message).await.unwrap_err(), &["/records"]);
}

#[track_caller]
fn records(lookup: &Lookup) -> serde_json::Value {
    serde_json::to_value(&lookup.records).unwrap()
}

#[test]
fn questions_about_one_record_are_merged() {
    let builder = client()
        .lookup(Nik::parse("3510161405889901").unwrap())
        .purpose(Purpose::BusinessLicence)
        .case("MPP-3510-000123")
        .by("clk-7f3a", "B07")
        .legal_basis(LegalBasisKind::LegalObligation, "PP 28/2025")
        .claim("taxpayer/1", "registered_name", Op::NameMatches, "BAGAS")
        .record_fields("taxpayer/1", ["npwp"])
        .claim("taxpayer/1", "npwp", Op::Exists, ())
        .record_fields("taxpayer/1", ["npwp", "registered_name"])
        .record_fields("passport/1", ["number"])
        .record("passport/1");
    assert_eq!(
        records(&builder.build().unwrap()),
        json!([
            {"record": "taxpayer/1", "claims": [
                {"field": "registered_name", "op": "name_matches", "value": "BAGAS"},
                {"field": "npwp", "op": "exists"},
            ]},
            {"record": "taxpayer/1", "fields": ["npwp", "registered_name"]},
            {"record": "passport/1"},
        ])
    );
}

#[test]
fn a_request_id_is_fresh_and_of_version_7() {
    let client = client();
    let (one, two) = (
        lookup(&client).build().unwrap(),
        lookup(&client).build().unwrap(),
    );
    assert_ne!(one.request_id, two.request_id);
    assert_eq!(one.request_id.get_version_num(), 7);
}

#[test]
fn only_https_urls_are_taken() {
    let tls = Ca::new("loket.example")
        .system("mpp", "counter")
        .mutual_tls();
    for url in [
        "http://a.example",
        "a.example",
        "https://",
        "https://u@a.example",
        "https://a.example/?x",
    ] {
        let error = Client::builder()
            .url(url)
            .mutual_tls(tls.clone())
            .build()
            .unwrap_err();
        check_usage(&error, &["https://host"]);
    }
    for url in [
        "https://[::1]:8443",
        "https://127.0.0.1",
        "https://a.example/prefix/",
    ] {
        assert!(
            Client::builder()
                .url(url)
                .mutual_tls(tls.clone())
                .build()
                .is_ok(),
            "{url}"
        );
    }
}

#[test]
fn the_environment_sets_a_client_up() {
    let directory = tempfile::tempdir().unwrap();
    let ca = Ca::new("loket.example");
    let files = ca.system("mpp", "counter").write_to(directory.path());
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let whole = HashMap::from([
        ("LOKET_URL", "https://gateway.example".to_owned()),
        ("LOKET_CERT", path(&files.certificate)),
        ("LOKET_KEY", path(&files.key)),
        ("LOKET_CA", path(&ca.write_to(directory.path()))),
        ("LOKET_CLERK", "clk-7f3a".to_owned()),
        ("LOKET_COUNTER", "B07".to_owned()),
    ]);
    let build = |variables: &HashMap<&str, String>| {
        ClientBuilder::from_variables(|name| variables.get(name).cloned()).build()
    };
    let client = build(&whole).unwrap();
    let message = client
        .lookup(Nik::parse("3510161405889901").unwrap())
        .purpose(Purpose::IdentityCheck)
        .case("MPP-3510-000123")
        .legal_basis(LegalBasisKind::PublicTask, "UU 24/2013")
        .record("person-identity/1")
        .build()
        .unwrap();
    assert_eq!(
        (message.clerk.as_str(), message.counter.as_str()),
        ("clk-7f3a", "B07")
    );

    for missing in ["LOKET_URL", "LOKET_CERT", "LOKET_KEY", "LOKET_CA"] {
        let mut variables = whole.clone();
        variables.insert(missing, String::new());
        check_usage(&build(&variables).unwrap_err(), &[missing]);
    }
    let mut variables = whole;
    variables.insert("LOKET_KEY", "no-such-file.key".to_owned());
    check_usage(
        &build(&variables).unwrap_err(),
        &["private key", "no-such-file.key"],
    );
}

#[test]
fn lookups_can_be_spawned() {
    fn is_send(_: impl Send) {}
    fn is_shared<T: Send + Sync + Clone>(_: &T) {}
    let client = client();
    is_shared(&client);
    is_send(lookup(&client).send());
    is_send(lookup(&client).stream());
}
