//! What sources answer.

mod signed;

use loket_sdk::ids::{AgencyId, MemberId, Scheme, SystemId};
use loket_sdk::message::{Purpose, SourceName};
use loket_sdk::statement::Question;
use loket_sdk::testing::sample;

use loket_sdk::claims::{Claim, Op};

use serde_json::json;

use super::*;
use crate::directory::Member;
use crate::fixture::{self, NIK, put};

const RECORD: &str = "passport/1";

fn record() -> &'static RecordSchema {
    schema::record(&RECORD.parse().unwrap()).unwrap()
}

fn subject() -> SubjectKey {
    SubjectKey {
        scheme: Scheme::Nik,
        value: NIK.to_owned().into(),
    }
}

/// To give these fields; or with `?` behind each, to answer whether it exists.
fn asked(words: &str) -> Allowed {
    if !words.contains('?') {
        return Allowed::Fields(words.split(',').map(str::to_owned).collect());
    }
    let claims = words.split(',').map(|word| Claim {
        field: word.trim_end_matches('?').to_owned(),
        op: Op::Exists,
        value: None,
    });
    Allowed::Claims(claims.collect())
}

/// A whole passport of the subject.
fn found() -> Value {
    json!({
        "status": "found",
        "as_of": "2026-11-24T03:00:00Z",
        "subject": {"scheme": "nik", "value": NIK},
        "record": sample(RECORD),
    })
}

fn read(body: &[u8], asked: &Allowed) -> Result<Checked, Unusable> {
    vouched(body, asked, &[], false).map(|vouched| vouched.checked)
}

fn vouched(
    body: &[u8],
    asked: &Allowed,
    members: &[Member],
    requires_signature: bool,
) -> Result<Vouched, Unusable> {
    let source = SourceName {
        agency: AgencyId::parse("imigrasi").unwrap(),
        system: SystemId::parse("registry").unwrap(),
    };
    let (organisation, subject) = (MemberId::parse("mpp-kota").unwrap(), subject());
    let origin = Origin {
        source: &source,
        question: Question {
            organisation: &organisation,
            purpose: Purpose::PassportApplication,
            record: &record().record,
            subject: &subject,
        },
        members,
        requires_signature,
        now: fixture::now(),
        today: fixture::town::TODAY,
    };
    answer(body, record(), asked, &origin)
}

fn show(answer: &Result<Checked, Unusable>) -> String {
    match answer {
        Ok(Checked::Record { members, .. }) => format!("record of {}", members.len()),
        Ok(Checked::Claims { answers, .. }) => format!("claims of {}", answers.len()),
        Ok(Checked::Without {
            reason,
            retry_after_s,
        }) => {
            format!(
                "{reason}{}",
                retry_after_s.map_or_else(String::new, |s| format!(" {s} s"))
            )
        }
        Err(Unusable { reason, violations }) => {
            let pointers: Vec<&str> = violations.iter().map(|it| it.pointer.as_str()).collect();
            format!("{reason} at [{}]", pointers.join(" "))
        }
    }
}

fn check(wanted: &str, changes: &[(&str, Value)], expected: &str) {
    let mut document = found();
    for (pointer, value) in changes {
        put(&mut document, pointer, value.clone());
    }
    let answer = read(document.to_string().as_bytes(), &asked(wanted));
    assert_eq!(show(&answer), expected, "{wanted} {changes:?}");
}

#[test]
fn every_status_has_its_reason() {
    for (status, expected) in [
        ("not_found", "no_record"),
        ("several_records", "several_records"),
        ("refused", "refused_by_source"),
        ("quota_used_up", "quota_used_up"),
        ("later", "source_will_answer_later"),
        ("citizen_must_act", "citizen_must_act"),
    ] {
        let body = json!({"status": status});
        assert_eq!(
            show(&read(body.to_string().as_bytes(), &asked("nik"))),
            expected
        );
        let body = json!({"status": status, "retry_after_s": 60, "source_reference": "A-1"});
        let answer = read(body.to_string().as_bytes(), &asked("nik?"));
        assert_eq!(show(&answer), format!("{expected} 60 s"));
        check(
            "nik",
            &[("/status", json!(status))],
            "breaks_schema at [/record]",
        );
    }
    check(
        "nik",
        &[("/status", json!("perhaps"))],
        "breaks_schema at [/status /record]",
    );
    check(
        "nik",
        &[("/retry_after_s", json!(90_000))],
        "breaks_schema at [/retry_after_s]",
    );
}

#[test]
fn what_is_not_json_is_unusable() {
    for body in [
        b"" as &[u8],
        b"<html>",
        b"{\"status\": \"found\", \"status\": \"refused\"}",
        b"\xff",
    ] {
        assert_eq!(show(&read(body, &asked("nik"))), "not_json at []");
    }
    assert_eq!(show(&read(b"[]", &asked("nik"))), "breaks_schema at []");
}

#[test]
fn an_answer_says_of_when_and_about_whom_it_is() {
    check("nik", &[], "record of 13");
    check("nik", &[("/as_of", json!("~"))], "breaks_schema at []");
    check(
        "nik",
        &[("/as_of", json!("yesterday"))],
        "breaks_schema at [/as_of]",
    );
    check("nik", &[("/subject", json!("~"))], "breaks_schema at []");
    check(
        "nik",
        &[("/subject/value", json!("3510 1614 0588 9901"))],
        "record of 13",
    );
}

#[test]
fn an_answer_about_someone_else_is_unusable() {
    let other = json!("3510166307919902");
    check(
        "full_name",
        &[("/subject/value", other.clone())],
        "other_subject at [/subject]",
    );
    let number = json!({"scheme": "passport", "value": "X9990001"});
    check(
        "full_name",
        &[("/subject", number)],
        "other_subject at [/subject]",
    );
    // The echo says the right name and the record another.
    check(
        "full_name",
        &[("/record/nik", other.clone())],
        "other_subject at [/record]",
    );
    check(
        "full_name?",
        &[("/record/nik", other)],
        "other_subject at [/record]",
    );
    // A record that doesn't tell whom it is about rests on the echo.
    check(
        "full_name",
        &[("/record", json!({"full_name": "BAGAS"}))],
        "record of 1",
    );
    let claims = json!([{"field": "nik", "op": "exists", "result": "match"}]);
    let changes = [
        ("/record", json!("~")),
        ("/claims", claims),
        ("/subject/value", json!("3510166307919902")),
    ];
    check("nik?", &changes, "other_subject at [/subject]");
}

#[test]
fn claims_are_answered_by_claims_or_by_a_record() {
    let claims = json!([{"field": "nik", "op": "exists", "result": "match"}]);
    let instead = [("/record", json!("~")), ("/claims", claims.clone())];
    check("nik?", &instead, "claims of 1");
    check("nik?", &[], "record of 13");
    check("nik", &instead, "breaks_schema at []");
    check("nik?", &[("/claims", claims)], "breaks_schema at [/record]");
    check("nik?", &[("/record", json!("~"))], "breaks_schema at []");
    let perhaps = json!([{"field": "nik", "op": "exists", "result": "perhaps"}]);
    check(
        "nik?",
        &[("/record", json!("~")), ("/claims", perhaps)],
        "breaks_schema at [/claims/0/result]",
    );
    let telling = json!([{"field": "nik", "op": "exists", "result": "match", "value": NIK}]);
    check(
        "nik?",
        &[("/record", json!("~")), ("/claims", telling)],
        "breaks_schema at [/claims/0]",
    );
}

#[test]
fn a_part_has_what_was_asked_and_every_agency_must_have() {
    let part = json!({"nik": NIK, "full_name": "BAGAS CONTOH PRATAMA"});
    let part = [("/record", part)];
    check("nik,full_name", &part, "record of 2");
    check("nik,full_name,issuing_office", &part, "record of 2");
    check("nik,sex,state", &part, "breaks_schema at [/sex /state]");
    check("nik?,sex?", &part, "record of 2");
    check(
        "nik",
        &[("/record/sex", json!("9"))],
        "breaks_schema at [/sex]",
    );
    check(
        "nik",
        &[("/record/expires_on", json!("2034-02-30"))],
        "breaks_schema at [/expires_on]",
    );
    check(
        "nik",
        &[("/record", json!([]))],
        "breaks_schema at [/record]",
    );
}

#[test]
fn unknown_members_are_dropped_later_at_the_top_and_refused_within() {
    check("nik", &[("/record/note", json!("x"))], "record of 14");
    check(
        "nik",
        &[("/record/mrz/note", json!("x"))],
        "breaks_schema at [/mrz]",
    );
    check("nik", &[("/note", json!("x"))], "breaks_schema at []");
}

#[test]
fn a_record_that_contradicts_itself_is_unusable() {
    let line = "X9990001<4IDN8805142M3401055<<<<<<<<<<<<<<08";
    check(
        "mrz",
        &[("/record/mrz/line2", json!(line))],
        "breaks_schema at [/mrz]",
    );
    check(
        "nik",
        &[("/record/issued_on", json!("2035-01-05"))],
        "breaks_schema at [/expires_on /issued_on]",
    );
}

#[test]
fn no_verdict_repeats_a_value() {
    for (pointer, value) in [
        ("/record/nik", json!("35101614X")),
        ("/record/35101614", json!("x")),
        ("/record/mrz/35101614", json!("x")),
        ("/subject/value", json!("35101614X5889901")),
        ("/35101614", json!("x")),
        ("/as_of", json!("35101614")),
    ] {
        let mut document = found();
        put(&mut document, pointer, value);
        let shown = format!(
            "{:?}",
            read(document.to_string().as_bytes(), &asked("nik")).err()
        );
        assert!(!shown.contains("35101614"), "{pointer}: {shown}");
    }
}
