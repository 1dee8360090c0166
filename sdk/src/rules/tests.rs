use std::collections::BTreeSet;

use jiff::civil::date;
use serde_json::json;

use super::*;
use crate::schema;

const TODAY: Date = date(2026, 11, 24);

fn breaches(record: &str, data: &Value) -> Vec<Breach> {
    check(&record.parse().unwrap(), data.as_object().unwrap(), TODAY)
}

/// Rule, record, data, and the places that break the rule.
fn cases() -> Vec<(&'static str, &'static str, Value, &'static [&'static str])> {
    let member = |nik: &str, relation: &str| json!({"nik": nik, "relation": relation});
    let (one, other) = ("3510161405889901", "3510166307919902");
    let family = |head: &str, members: Value| json!({"head_nik": head, "members": members});
    let passport = |member: &str, value: &str| {
        let mut passport = json!({
            "passport_number": "X9990001",
            "sex": "1",
            "birth_date": "1988-05-14",
            "expires_on": "2034-01-05",
            "mrz": {
                "line1": "P<IDNPRATAMA<<BAGAS<CONTOH<<<<<<<<<<<<<<<<<<",
                "line2": "X9990001<3IDN8805142M3401055<<<<<<<<<<<<<<08",
            },
        });
        passport[member] = value.into();
        passport
    };
    let misread = |line2: &str| {
        json!({"passport_number": "X9990001", "mrz": {
            "line1": "P<IDNPRATAMA<<BAGAS<CONTOH<<<<<<<<<<<<<<<<<<", "line2": line2,
        }})
    };
    let birth = |registered: &str, timeliness: &str| json!({"birth_date": "2026-01-01", "registered_on": registered, "timeliness": timeliness});
    let shares = |shares: &[&str]| {
        let holders: Vec<_> = shares.iter().map(|share| json!({"share": share})).collect();
        json!({"holders": holders})
    };
    let nitku = |nitku: &str| json!({"npwp": one, "business_places": [{"nitku": nitku}]});
    let taxpayer =
        |kind: &str, npwp: &str| json!({"taxpayer_type": kind, "npwp": npwp, "nik": one});
    let licence = |numbering: &str, number: &str| json!({"numbering": numbering, "licence_number": number, "nik": one});

    let rule = "issued-before-expiry";
    let mut cases: Vec<(_, _, _, &[&str])> = vec![
        (
            rule,
            "driving-licence/1",
            json!({"issued_on": "2024-12-02", "expires_on": "2024-12-02"}),
            &[],
        ),
        (
            rule,
            "driving-licence/1",
            json!({"issued_on": "2024-12-02", "expires_on": "2024-12-01"}),
            &["/expires_on"],
        ),
        (
            rule,
            "land-title/1",
            json!({"issued_on": "2024-12-02", "valid_until": "2004-12-02"}),
            &["/valid_until"],
        ),
        (
            rule,
            "land-title/1",
            json!({"valid_until": "2004-12-02"}),
            &[],
        ),
    ];
    let rule = "not-in-the-future";
    cases.extend::<[(_, _, _, &[&str]); 6]>([
        (
            rule,
            "person-identity/1",
            json!({"birth_date": "2026-11-24", "updated_on": "2026-11-24"}),
            &[],
        ),
        (
            rule,
            "person-identity/1",
            json!({"updated_on": "2026-11-25"}),
            &["/updated_on"],
        ),
        (
            rule,
            "person-identity/1",
            json!({"birth_date": "2026"}),
            &[],
        ),
        (
            rule,
            "person-identity/1",
            json!({"birth_date": "2026-12"}),
            &["/birth_date"],
        ),
        (
            rule,
            "family-card/1",
            json!({"members": [{}, {"birth_date": "2027"}]}),
            &["/members/1/birth_date"],
        ),
        (rule, "property-tax/1", json!({"due_on": "2027-09-30"}), &[]),
    ]);
    let rule = "one-head";
    cases.extend::<[(_, _, _, &[&str]); 4]>([
        (
            rule,
            "family-card/1",
            json!({"members": [member(one, "1"), member(other, "3")]}),
            &[],
        ),
        (
            rule,
            "family-card/1",
            json!({"members": [member(one, "1"), member(other, "1")]}),
            &["/members"],
        ),
        (
            rule,
            "family-card/1",
            json!({"members": [member(other, "3")]}),
            &["/members"],
        ),
        (rule, "family-card/1", json!({"head_nik": one}), &[]),
    ]);
    let rule = "head-is-a-member";
    cases.extend::<[(_, _, _, &[&str]); 3]>([
        (
            rule,
            "family-card/1",
            family(one, json!([member(one, "1"), member(other, "3")])),
            &[],
        ),
        (
            rule,
            "family-card/1",
            family(other, json!([member(one, "1"), member(other, "3")])),
            &["/head_nik"],
        ),
        (
            rule,
            "family-card/1",
            json!({"members": [member(one, "1")]}),
            &[],
        ),
    ]);
    let rule = "member-once";
    cases.extend::<[(_, _, _, &[&str]); 2]>([
        (
            rule,
            "family-card/1",
            json!({"members": [member(one, "1"), member(other, "3")]}),
            &[],
        ),
        (
            rule,
            "family-card/1",
            json!({"members": [member(one, "1"), member(one, "4")]}),
            &["/members/1/nik"],
        ),
    ]);
    let rule = "death-after-birth";
    cases.extend::<[(_, _, _, &[&str]); 5]>([
        (
            rule,
            "death-certificate/1",
            json!({"birth_date": "1952-03-12", "death_date": "1952-03-12"}),
            &[],
        ),
        (
            rule,
            "death-certificate/1",
            json!({"birth_date": "1952-03-12", "death_date": "1952-03-11"}),
            &["/death_date"],
        ),
        (
            rule,
            "death-certificate/1",
            json!({"birth_date": "1952", "death_date": "1952-01-02"}),
            &[],
        ),
        (
            rule,
            "death-certificate/1",
            json!({"birth_date": "1952", "death_date": "1951-12-31"}),
            &["/death_date"],
        ),
        (
            rule,
            "death-certificate/1",
            json!({"death_date": "1951-12-31"}),
            &[],
        ),
    ]);
    let rule = "mrz-check-digits";
    cases.extend::<[(_, _, _, &[&str]); 6]>([
        (rule, "passport/1", passport("sex", "1"), &[]),
        (
            rule,
            "passport/1",
            misread("X9990001<4IDN8805142M3401055<<<<<<<<<<<<<<08"),
            &["/mrz"],
        ),
        (
            rule,
            "passport/1",
            misread("X9990001<3IDN8805143M3401055<<<<<<<<<<<<<<08"),
            &["/mrz"],
        ),
        (
            rule,
            "passport/1",
            misread("X9990001<3IDN8805142M3401056<<<<<<<<<<<<<<08"),
            &["/mrz"],
        ),
        (
            rule,
            "passport/1",
            misread("X9990001<3IDN8805142M3401055<<<<<<<<<<<<<<18"),
            &["/mrz"],
        ),
        (
            rule,
            "passport/1",
            misread("X9990001<3IDN8805142M3401055<<<<<<<<<<<<<<09"),
            &["/mrz"],
        ),
    ]);
    cases.extend::<[(_, _, _, &[&str]); 10]>([
        (
            "mrz-number",
            "passport/1",
            passport("passport_number", "X9990001"),
            &[],
        ),
        (
            "mrz-number",
            "passport/1",
            passport("passport_number", "X9990002"),
            &["/passport_number"],
        ),
        (
            "mrz-birth-date",
            "passport/1",
            passport("birth_date", "1988-05-14"),
            &[],
        ),
        (
            "mrz-birth-date",
            "passport/1",
            passport("birth_date", "1888-05-14"),
            &[],
        ),
        (
            "mrz-birth-date",
            "passport/1",
            passport("birth_date", "1988-05-15"),
            &["/birth_date"],
        ),
        (
            "mrz-expiry",
            "passport/1",
            passport("expires_on", "2034-01-05"),
            &[],
        ),
        (
            "mrz-expiry",
            "passport/1",
            passport("expires_on", "2035-01-05"),
            &["/expires_on"],
        ),
        ("mrz-sex", "passport/1", passport("sex", "1"), &[]),
        ("mrz-sex", "passport/1", passport("sex", "2"), &["/sex"]),
        ("mrz-sex", "passport/1", passport("sex", "0"), &["/sex"]),
    ]);
    cases.extend::<[(_, _, _, &[&str]); 5]>([
        (
            "voen-check-digit",
            "az-taxpayer/1",
            json!({"voen": "9900001062"}),
            &[],
        ),
        (
            "voen-check-digit",
            "az-taxpayer/1",
            json!({"voen": "9900001072"}),
            &["/voen"],
        ),
        (
            "voen-type",
            "az-taxpayer/1",
            json!({"voen": "9900001062", "taxpayer_type": "2"}),
            &[],
        ),
        (
            "voen-type",
            "az-taxpayer/1",
            json!({"voen": "9900001062", "taxpayer_type": "1"}),
            &["/taxpayer_type"],
        ),
        (
            "voen-type",
            "az-taxpayer/1",
            json!({"taxpayer_type": "1"}),
            &[],
        ),
    ]);
    let rule = "timeliness";
    cases.extend::<[(_, _, _, &[&str]); 5]>([
        (
            rule,
            "birth-certificate/1",
            birth("2026-03-02", "on_time"),
            &[],
        ),
        (
            rule,
            "birth-certificate/1",
            birth("2026-03-02", "late"),
            &["/timeliness"],
        ),
        (
            rule,
            "birth-certificate/1",
            birth("2026-03-03", "late"),
            &[],
        ),
        (
            rule,
            "birth-certificate/1",
            birth("2026-03-03", "on_time"),
            &["/timeliness"],
        ),
        (
            rule,
            "birth-certificate/1",
            json!({"timeliness": "late"}),
            &[],
        ),
    ]);
    cases.extend::<[(_, _, _, &[&str]); 8]>([
        (
            "nitku-of-taxpayer",
            "taxpayer/1",
            nitku("3510161405889901000000"),
            &[],
        ),
        (
            "nitku-of-taxpayer",
            "taxpayer/1",
            nitku("3510166307919902000000"),
            &["/business_places/0/nitku"],
        ),
        (
            "npwp-is-nik",
            "taxpayer/1",
            taxpayer("individual_resident", one),
            &[],
        ),
        (
            "npwp-is-nik",
            "taxpayer/1",
            taxpayer("individual_resident", other),
            &["/npwp"],
        ),
        ("npwp-is-nik", "taxpayer/1", taxpayer("entity", other), &[]),
        (
            "licence-is-nik",
            "driving-licence/1",
            licence("nik16", one),
            &[],
        ),
        (
            "licence-is-nik",
            "driving-licence/1",
            licence("nik16", other),
            &["/licence_number"],
        ),
        (
            "licence-is-nik",
            "driving-licence/1",
            licence("legacy12", "123456789012"),
            &[],
        ),
    ]);
    let rule = "shares-make-one";
    cases.extend::<[(_, _, _, &[&str]); 5]>([
        (rule, "land-title/1", shares(&["1/3", "1/6", "2/4"]), &[]),
        (
            rule,
            "land-title/1",
            shares(&["1/3", "1/3", "3333/9999"]),
            &[],
        ),
        (
            rule,
            "land-title/1",
            shares(&["1/3", "1/3", "3332/9999"]),
            &["/holders"],
        ),
        (rule, "land-title/1", shares(&["1/1", "1/2"]), &["/holders"]),
        (
            rule,
            "land-title/1",
            json!({"holders": [{}, {"share": "1/2"}]}),
            &[],
        ),
    ]);
    let rule = "kbli-version";
    cases.extend::<[(_, _, _, &[&str]); 2]>([
        (
            rule,
            "business-licence/1",
            json!({"activities": [{"kbli_version": "2020"}, {"kbli_version": "2025"}]}),
            &[],
        ),
        (
            rule,
            "business-licence/1",
            json!({"activities": [{"kbli_version": "2017"}]}),
            &["/activities/0/kbli_version"],
        ),
    ]);
    let rule = "decile-recent";
    cases.extend::<[(_, _, _, &[&str]); 3]>([
        (
            rule,
            "social-assistance/1",
            json!({"decile": 5, "decile_as_of": "2026-08-16"}),
            &[],
        ),
        (
            rule,
            "social-assistance/1",
            json!({"decile": 5, "decile_as_of": "2026-08-15"}),
            &["/decile_as_of"],
        ),
        (
            rule,
            "social-assistance/1",
            json!({"decile_as_of": "2020-08-15"}),
            &[],
        ),
    ]);
    let rule = "village-known";
    cases.extend::<[(_, _, _, &[&str]); 3]>([
        (
            rule,
            "land-title/1",
            json!({"village_code": "35.10.16.1003"}),
            &[],
        ),
        (
            rule,
            "land-title/1",
            json!({"village_code": "99.10.16.1003"}),
            &["/village_code"],
        ),
        (
            rule,
            "person-identity/1",
            json!({"address": {"village_code": "29.10.16.1003"}}),
            &["/address/village_code"],
        ),
    ]);
    cases
}

#[test]
fn each_case_breaks_its_rule_where_it_should() {
    for (rule, record, data, pointers) in cases() {
        let found = breaches(record, &data);
        let places: Vec<&str> = found
            .iter()
            .filter(|breach| breach.rule == rule)
            .map(|breach| breach.pointer.as_str())
            .collect();
        assert_eq!(places, pointers, "{rule} {data}");
        for breach in &found {
            assert!(data.pointer(&breach.pointer).is_some(), "{breach:?}");
        }
    }
}

#[test]
fn each_rule_has_a_passing_and_a_failing_case() {
    let names = |fails: bool| -> BTreeSet<&str> {
        let cases = cases()
            .into_iter()
            .filter(|(.., pointers)| pointers.is_empty() != fails);
        cases.map(|(rule, ..)| rule).collect()
    };
    let rules: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(rules.len(), RULES.len());
    assert_eq!(names(false), rules);
    assert_eq!(names(true), rules);
}

#[test]
fn each_rule_is_of_a_record_that_exists_and_stands_in_the_table() {
    let table = include_str!("../rules.rs");
    for rule in &RULES {
        if let Some(record) = rule.record {
            assert!(loket_schemas::record(record, 1).is_some(), "{record}");
        }
        let severity = match rule.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let records = rule.record.unwrap_or("all");
        let row = format!("//! | `{}` | {records} | {severity} | ", rule.name);
        assert!(table.contains(&row), "{row}");
    }
}

#[test]
fn golden_records_break_no_rule() {
    for entry in &loket_schemas::RECORDS {
        let record = RecordRef::new(entry.name, entry.major).unwrap();
        for (case, text) in entry.valid {
            let data: Value = serde_json::from_str(text).unwrap();
            let mut found = check(&record, data.as_object().unwrap(), TODAY);
            found.retain(|breach| breach.severity == Severity::Error);
            assert_eq!(found, [], "{record} {case}");
        }
    }
}

/// A new date in a schema has to be sorted: told of the past, or of what may come.
#[test]
fn every_date_of_the_catalogue_is_past_or_may_lie_in_the_future() {
    const MAY_BE_FUTURE: [&str; 7] = [
        "due_on",
        "effective_from",
        "effective_to",
        "expires_on",
        "stnk_expires_on",
        "tax_valid_until",
        "valid_until",
    ];
    fn dates<'v>(schema: &'v Value, found: &mut BTreeSet<&'v str>) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let reference = property["$ref"].as_str().unwrap_or_default();
            if reference.ends_with("/date") || reference.ends_with("/partial_date") {
                found.insert(name);
            }
        }
        for definition in schema["$defs"].as_object().into_iter().flatten() {
            dates(definition.1, found);
        }
    }
    let mut found = BTreeSet::new();
    schema::records()
        .iter()
        .for_each(|schema| dates(&schema.document, &mut found));
    let sorted: BTreeSet<&str> = dates::PAST.into_iter().chain(MAY_BE_FUTURE).collect();
    assert_eq!(found, sorted);
}

#[test]
fn shares_too_fine_to_add_are_not_judged() {
    let primes = (9000..9999).filter(|n| (2..100).all(|d| n % d != 0));
    let holders: Vec<_> = primes.map(|p| json!({"share": format!("1/{p}")})).collect();
    assert_eq!(breaches("land-title/1", &json!({"holders": holders})), []);
}

#[test]
fn a_record_outside_the_catalogue_has_the_common_rules() {
    let data =
        json!({"issued_on": "2027-01-01", "numbering": "nik16", "licence_number": "1", "nik": "2"});
    let found = breaches("driving-licence/2", &data);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].rule, "not-in-the-future");
}
