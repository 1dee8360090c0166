mod documents;
mod family;
mod people;
mod places;
mod properties;

use loket_sdk::claims::{ClaimAnswer, ClaimResult, Op};
use loket_sdk::ids::{AgencyId, Scheme, SystemId};
use loket_sdk::message::{
    Locale, Purpose, Reason, RecordRef, SourceName, SourceResult, SubjectKey,
};
use loket_sdk::names::NameMatch;
use loket_sdk::sensitive::Sensitive;
use serde_json::{Value, json};

use super::code::Code;
use super::{Context, compare, messages};

const FATHER: &str = "3510161405889901";
const MOTHER: &str = "3510166307919902";
const BABY: &str = "3510164211269903";
const GRANDFATHER: &str = "3510161203529904";

/// The findings of one rule, each as `code severity [records] fields -> owner`.
fn check(rule: &str, purpose: Purpose, results: &[SourceResult], expected: &[&str]) {
    check_of(FATHER, rule, purpose, results, expected);
}

fn check_of(nik: &str, rule: &str, purpose: Purpose, results: &[SourceResult], expected: &[&str]) {
    let context = context(Scheme::Nik, nik, purpose);
    let lines = lines(results, &context);
    let of_rule: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix(rule))
        .map(str::trim_start)
        .collect();
    assert_eq!(of_rule, expected, "{rule} for {purpose}");
}

fn lines(results: &[SourceResult], context: &Context) -> Vec<String> {
    compare(results, context)
        .iter()
        .map(|finding| {
            let records: Vec<String> = finding.records.iter().map(RecordRef::to_string).collect();
            let owner = finding.owner.as_ref().map_or("nobody", AgencyId::as_str);
            format!(
                "{} {} {} [{}] {} -> {owner}",
                finding.rule,
                finding.code,
                finding.severity,
                records.join(" ").replace("/1", ""),
                finding.fields.join(","),
            )
        })
        .collect()
}

fn context(scheme: Scheme, value: &str, purpose: Purpose) -> Context {
    Context {
        purpose,
        subject: SubjectKey {
            scheme,
            value: Sensitive::new(value.to_owned()),
        },
        today: "2026-11-24".parse().unwrap(),
        locale: Locale::En,
    }
}

/// A record found, with the fields given.
fn found(name: &str, data: Value) -> SourceResult {
    let Value::Object(data) = data else {
        panic!("fields of {name}")
    };
    SourceResult {
        data: Some(Sensitive::new(data)),
        ..result(name, Reason::Complete)
    }
}

/// The golden sample of a record, with some fields replaced.
fn sample(name: &str, changes: Value) -> SourceResult {
    let record = loket_schemas::record(name, 1).unwrap();
    let (_, text) = record
        .valid
        .iter()
        .find(|(file, _)| file.ends_with("sample.json"))
        .unwrap();
    let mut data: Value = serde_json::from_str(text).unwrap();
    for (field, value) in changes.as_object().unwrap() {
        data[field] = value.clone();
    }
    found(name, data)
}

fn verified(name: &str, claims: &[ClaimAnswer]) -> SourceResult {
    SourceResult {
        claims: claims.to_vec(),
        ..result(name, Reason::Complete)
    }
}

fn claim(field: &str, op: Op, result: ClaimResult) -> ClaimAnswer {
    ClaimAnswer {
        field: field.to_owned(),
        op,
        result,
        name_match: None,
    }
}

fn name_claim(field: &str, name_match: NameMatch) -> ClaimAnswer {
    let result = match name_match.is_match() {
        true => ClaimResult::Match,
        false => ClaimResult::Mismatch,
    };
    ClaimAnswer {
        name_match: Some(name_match),
        ..claim(field, Op::NameMatches, result)
    }
}

fn result(name: &str, reason: Reason) -> SourceResult {
    SourceResult {
        record: RecordRef::new(name, 1).unwrap(),
        version: "1.0".to_owned(),
        source: None,
        outcome: reason.outcome(),
        reason,
        as_of: None,
        elapsed_ms: 12,
        data: None,
        claims: Vec::new(),
        withheld: Vec::new(),
        retry_after_s: None,
        provenance: None,
    }
}

fn samples() -> Vec<SourceResult> {
    loket_schemas::RECORDS
        .iter()
        .map(|record| sample(record.name, json!({})))
        .collect()
}

#[test]
fn the_sample_family_at_the_business_counter() {
    let expected = [
        "C01 name_variant warning [person-identity taxpayer] full_name,registered_name -> djp",
        "C10 nik_not_matched blocking [taxpayer] nik_match_status -> djp",
        "C14 payer_deceased warning [death-certificate property-tax] full_name,payer_name -> bapenda",
        "C14 payer_not_holder warning [land-title property-tax] holders,payer_name -> bapenda",
        "C15 kbli_outdated warning [business-licence] activities -> bkpm",
    ];
    let context = context(Scheme::Nik, FATHER, Purpose::BusinessLicence);
    assert_eq!(lines(&samples(), &context), expected);
}

#[test]
fn the_sample_baby_at_the_birth_counter() {
    let results: Vec<_> = ["birth-certificate", "family-card", "marriage-certificate"]
        .into_iter()
        .map(|name| sample(name, json!({})))
        .collect();
    let context = context(Scheme::Nik, BABY, Purpose::BirthRegistration);
    let expected = ["C20 minor info [birth-certificate] birth_date -> nobody"];
    assert_eq!(lines(&results, &context), expected);
}

#[test]
fn the_owner_is_the_agency_that_answered() {
    let mut taxpayer = sample("taxpayer", json!({}));
    taxpayer.source = Some(SourceName {
        agency: AgencyId::parse("djp-jatim").unwrap(),
        system: SystemId::parse("coretax").unwrap(),
    });
    check(
        "C10",
        Purpose::LandTransfer,
        &[taxpayer],
        &["nik_not_matched warning [taxpayer] nik_match_status -> djp-jatim"],
    );
}

#[test]
fn the_same_finding_of_two_sources_stands_once() {
    let taxpayer = sample("taxpayer", json!({}));
    check(
        "C10",
        Purpose::LandTransfer,
        &[taxpayer.clone(), taxpayer],
        &["nik_not_matched warning [taxpayer] nik_match_status -> djp"],
    );
}

#[test]
fn another_major_version_is_left_alone() {
    let mut taxpayer = sample("taxpayer", json!({}));
    taxpayer.record = RecordRef::new("taxpayer", 2).unwrap();
    check("C", Purpose::BusinessLicence, &[taxpayer], &[]);
}

#[test]
fn every_code_has_a_message_of_its_own_in_every_language() {
    let mut seen = Vec::new();
    for code in Code::ALL {
        for locale in Locale::ALL {
            let text = messages::text(*code, *locale);
            assert!(
                (20..=250).contains(&text.chars().count()),
                "{code:?} {locale}"
            );
            assert!(text.ends_with('.'), "{code:?} {locale}");
            assert!(!seen.contains(&text), "{code:?} {locale}");
            seen.push(text);
        }
    }
}

#[test]
fn the_message_is_in_the_lookups_language() {
    let taxpayer = [sample("taxpayer", json!({}))];
    let mut context = context(Scheme::Nik, FATHER, Purpose::BusinessLicence);
    for (locale, start) in [(Locale::Id, "NIK belum"), (Locale::Az, "Vergi orqanı")] {
        context.locale = locale;
        let findings = compare(&taxpayer, &context);
        assert!(findings[0].message.starts_with(start), "{locale}");
    }
}

#[test]
fn every_rule_has_a_code_and_every_code_its_own_word() {
    let mut rules: Vec<&str> = Code::ALL.iter().map(|code| code.rule()).collect();
    rules.dedup();
    let expected: Vec<String> = (1..=20).map(|number| format!("C{number:02}")).collect();
    assert_eq!(rules, expected);
    let mut words: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), Code::ALL.len());
}
