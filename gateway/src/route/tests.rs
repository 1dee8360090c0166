use serde_json::json;

use super::*;
use crate::fixture::{self, town};

/// `extra` agencies serve `person-identity/1` too; `without` agencies serve nothing.
fn check(records: &[&str], extra: &[&str], without: &[&str], expected: &[&str]) {
    let mut parts = town::parts();
    parts.grants.clear();
    parts
        .sources
        .retain(|source| !without.contains(&source.agency.as_str()));
    for agency in extra {
        parts.sources.push(town::source(
            agency,
            vec!["person-identity/1".parse().unwrap()],
        ));
    }
    let directory = Directory::new(parts).unwrap();
    let asked: Vec<_> = records
        .iter()
        .map(|record| json!({"record": record}))
        .collect();
    let lookup = fixture::lookup("property_tax", json!(asked));
    let routed = fixture::routed(&directory, "bapenda", &lookup);
    let legs: Vec<String> = routed
        .legs()
        .iter()
        .map(|leg| {
            assert_eq!(routed.query(leg).record, leg.schema.record);
            let source = leg
                .source
                .map_or("nobody", |s| directory.sources()[s].agency.as_str());
            format!("{} {} @ {source}", leg.query, leg.schema.record)
        })
        .collect();
    assert_eq!(legs, expected);
}

#[test]
fn each_record_goes_to_all_its_sources_in_the_order_asked() {
    let asked = ["property-tax/1", "person-identity/1", "land-title/1"];
    check(
        &asked,
        &[],
        &[],
        &[
            "0 property-tax/1 @ bapenda",
            "1 person-identity/1 @ dukcapil",
            "2 land-title/1 @ bpn",
        ],
    );
    check(
        &asked[1..2],
        &["kemenag", "bpjs-ketenagakerjaan"],
        &[],
        &[
            "0 person-identity/1 @ dukcapil",
            "0 person-identity/1 @ kemenag",
            "0 person-identity/1 @ bpjs-ketenagakerjaan",
        ],
    );
}

#[test]
fn a_record_that_nobody_serves_keeps_its_leg() {
    check(
        &["passport/1", "property-tax/1"],
        &[],
        &["imigrasi"],
        &["0 passport/1 @ nobody", "1 property-tax/1 @ bapenda"],
    );
}

#[test]
fn the_subject_travels_in_normal_form() {
    let mut lookup = fixture::lookup("property_tax", json!([{"record": "property-tax/1"}]));
    lookup["subject"]["value"] = json!("3510 1614 0588 9901");
    let routed = fixture::routed(&town::directory(), "bapenda", &lookup);
    assert_eq!(routed.subject().value.expose(), fixture::NIK);
    assert_eq!(routed.admitted().identified().member().as_str(), "bapenda");
}
