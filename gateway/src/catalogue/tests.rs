use loket_sdk::claims::Verify;

use super::*;
use crate::directory::{Grant, GrantState};
use crate::fixture::{self, services, town};

/// `record @ agency for purpose: read | verify`, one a line.
fn show(catalogue: &Catalogue) -> Vec<String> {
    let mut lines = Vec::new();
    for record in &catalogue.records {
        for source in &record.sources {
            for CataloguePurpose {
                purpose,
                read,
                verify,
            } in &source.purposes
            {
                let (read, verify) = (read.join(","), verify.join(","));
                lines.push(format!(
                    "{} @ {} for {purpose}: {read} | {verify}",
                    record.record, source.agency
                ));
            }
        }
    }
    lines
}

fn check(change: fn(&mut Grant), expected: &[&str]) {
    let mut parts = town::parts();
    parts.grants = vec![
        town::grant(
            1,
            "bapenda property_tax,land_transfer property-tax bapenda read nop,tax_year",
        ),
        town::grant(
            2,
            "bapenda property_tax property-tax bapenda verify payer_name,nop",
        ),
        town::grant(3, "bpn property_tax taxpayer djp read npwp"),
    ];
    change(&mut parts.grants[0]);
    let directory = Directory::new(parts).unwrap();
    let who = fixture::identified(&directory, "bapenda");
    let found = catalogue(&directory, &who, town::TODAY);
    assert_eq!(
        (found.member.as_str(), found.system.as_str()),
        ("bapenda", "counter")
    );
    assert_eq!(show(&found), expected);
}

#[test]
fn only_grants_in_force_of_the_caller_are_listed() {
    let second = "property-tax/1 @ bapenda for property_tax:  | nop,payer_name";
    check(
        |_| {},
        &[
            "property-tax/1 @ bapenda for land_transfer: nop,tax_year | nop,tax_year",
            "property-tax/1 @ bapenda for property_tax: nop,tax_year | nop,payer_name,tax_year",
        ],
    );
    check(|grant| grant.state = GrantState::Suspended, &[second]);
    check(
        |grant| grant.valid_to = "2026-11-23".parse().unwrap(),
        &[second],
    );
    check(
        |grant| grant.valid_from = "2026-11-25".parse().unwrap(),
        &[second],
    );
}

#[test]
fn what_may_be_read_may_be_verified_where_the_schema_lets_it() {
    let directory = town::directory();
    for member in directory.members() {
        let who = fixture::identified(&directory, member.id.as_str());
        let catalogue = catalogue(&directory, &who, town::TODAY);
        assert!(!catalogue.records.is_empty(), "{}", member.id);
        for record in &catalogue.records {
            let schema = schema::record(&record.record).unwrap();
            assert_eq!(record.version, schema.version);
            for purpose in record.sources.iter().flat_map(|source| &source.purposes) {
                for field in &purpose.read {
                    let verify = schema.field(field).unwrap().verify;
                    let verifiable = verify != Verify::None;
                    assert_eq!(purpose.verify.contains(field), verifiable, "{field}");
                }
                assert!(
                    purpose
                        .verify
                        .iter()
                        .all(|field| schema.field(field).is_some())
                );
            }
        }
    }
}

#[test]
fn services_are_listed_grant_by_grant() {
    let mut parts = services::with_calls(town::parts());
    parts.service_grants[1].daily_quota = Some(20);
    parts.service_grants[3].valid_to = "2026-11-23".parse().unwrap();
    let directory = Directory::new(parts).unwrap();
    let of = |member: &str| {
        let who = fixture::identified(&directory, member);
        let found = catalogue(&directory, &who, town::TODAY);
        let document = serde_json::to_value(&found).unwrap();
        assert_eq!(schema::catalogue().check(&document), Ok(()), "{member}");
        found
    };
    let expected = serde_json::json!([{
        "agency": "dukcapil", "service": "population", "grants": [
            {"methods": ["GET", "POST"], "paths": ["/people/*/status"]},
            {"methods": ["GET"], "paths": ["/people/**"], "daily_quota": 20},
        ]
    }]);
    assert_eq!(serde_json::json!(of("bapenda").services), expected);
    assert!(of("dinsos").services.is_empty());
}
