use serde_json::{Value, json};

use super::*;
use crate::fixture::{self, NIK, put};

/// A lookup of the passport office with every kind of question.
fn document() -> Value {
    fixture::lookup(
        "passport_application",
        json!([
            {"record": "person-identity/1", "fields": ["nik", "full_name"], "required": true},
            {"record": "social-assistance/1", "claims": [
                {"field": "decile", "op": "at_most", "value": 4},
                {"field": "programmes", "op": "exists"},
            ]},
            {"record": "passport/1"},
        ]),
    )
}

/// Sets the member at a pointer; `~` takes it away.
/// Pointers of the violations; `ok`, or `malformed`.
fn verdict(body: &[u8]) -> String {
    match lookup(body) {
        Ok(_) => "ok".to_owned(),
        Err(Refusal::Malformed(_)) => "malformed".to_owned(),
        Err(Refusal::BreaksSchema(violations)) => {
            let pointers: Vec<String> = violations.into_iter().map(|it| it.pointer).collect();
            pointers.join(" ")
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn check(changes: &[(&str, Value)], expected: &str) {
    let mut document = document();
    for (pointer, value) in changes {
        put(&mut document, pointer, value.clone());
    }
    assert_eq!(
        verdict(document.to_string().as_bytes()),
        expected,
        "{changes:?}"
    );
}

#[test]
fn a_lookup_is_as_agreed() {
    check(&[], "ok");
    check(&[("/subject/value", json!("3510 1614 0588 9901"))], "ok");
    check(
        &[("/deadline_ms", json!(200)), ("/locale", json!("az"))],
        "ok",
    );
    let valid = lookup(document().to_string().as_bytes()).unwrap();
    assert_eq!(valid.subject().value.expose(), NIK);
    assert_eq!(valid.lookup().records.len(), 3);
}

#[test]
fn a_body_that_is_not_json_is_malformed() {
    for body in [
        b"" as &[u8],
        b"{",
        b"{} {}",
        b"\xff\xfe",
        b"{\"purpose\": 1, \"purpose\": 2}",
        b"NaN",
    ] {
        assert_eq!(verdict(body), "malformed", "{body:?}");
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(verdict(deep.as_bytes()), "malformed");
    for body in ["[]", "null", "7", "\"x\""] {
        assert_eq!(verdict(body.as_bytes()), "", "{body}");
    }
}

#[test]
fn the_schema_is_kept() {
    check(&[("/purpose", json!("curiosity"))], "/purpose");
    check(&[("/case_id", json!("~"))], "");
    check(&[("/surprise", json!(1))], "");
    check(&[("/records", json!([]))], "/records");
    check(&[("/records/0/fields", json!([]))], "/records/0/fields");
    check(
        &[("/records/0/fields", json!(["nik", "nik"]))],
        "/records/0/fields",
    );
    check(
        &[("/records/1/fields", json!(["nik"]))],
        "/records/1/fields",
    );
    check(
        &[("/records/1/claims/1/op", json!("contains"))],
        "/records/1/claims/1/op /records/1/claims/1",
    );
    check(
        &[("/records/1/claims/0/value", json!("~"))],
        "/records/1/claims/0",
    );
    check(&[("/deadline_ms", json!(199))], "/deadline_ms");
    check(&[("/deadline_ms", json!(15_001))], "/deadline_ms");
    check(&[("/legal_basis/kind", json!("consent"))], "/legal_basis");
    check(&[("/request_id", json!("1"))], "/request_id");
    check(&[("/subject/scheme", json!("email"))], "/subject/scheme");
    check(&[("/clerk", json!(null))], "/clerk");
}

#[test]
fn only_what_the_catalogue_has_can_be_asked() {
    check(
        &[("/records/0/record", json!("person-identity/2"))],
        "/records/0/record",
    );
    check(
        &[("/records/2/record", json!("shoe-size/1"))],
        "/records/2/record",
    );
    check(
        &[("/records/0/fields", json!(["nik", "shoe_size"]))],
        "/records/0/fields/1",
    );
    check(
        &[("/records/1/claims/1/field", json!("shoe_size"))],
        "/records/1/claims/1/field",
    );
    check(
        &[
            ("/records/0/fields", json!(["a", "nik", "b"])),
            ("/records/2/record", json!("shoe-size/1")),
        ],
        "/records/0/fields/0 /records/0/fields/2 /records/2/record",
    );
}

#[test]
fn a_subject_has_a_number_that_the_records_are_kept_by() {
    for wrong in ["3510161405889", "35101614058899012", "3510161405889X01"] {
        check(&[("/subject/value", json!(wrong))], "/subject/value");
    }
    let plate = [
        ("/subject/scheme", json!("plate")),
        ("/subject/value", json!("P 9901 ZZ")),
    ];
    check(
        &plate,
        "/records/0/record /records/1/record /records/2/record",
    );
    let vehicle = [("/records", json!([{"record": "vehicle-registration/1"}]))];
    check(&[plate.as_slice(), &vehicle].concat(), "ok");
}

#[test]
fn a_claim_has_a_value_that_its_field_can_be_held_against() {
    let claim = |claim| [("/records/1/claims/0", claim)];
    let at = "/records/1/claims/0/value";
    check(
        &claim(json!({"field": "decile", "op": "at_least", "value": "4"})),
        at,
    );
    check(
        &claim(json!({"field": "decile_as_of", "op": "after", "value": "yesterday"})),
        at,
    );
    check(
        &claim(json!({"field": "objection_open", "op": "exists", "value": true})),
        at,
    );
    check(
        &claim(json!({"field": "objection_open", "op": "one_of", "value": "true"})),
        at,
    );
    let blank = json!({"field": "nik", "op": "one_of", "value": ["1", " "]});
    check(&claim(blank), "/records/1/claims/0/value/1");
    // What the field can't be asked at all is answered, not refused.
    check(
        &claim(json!({"field": "decile", "op": "equals", "value": 4})),
        "ok",
    );
    check(
        &claim(json!({"field": "registry", "op": "equals", "value": "dtsen"})),
        "ok",
    );
}

#[test]
fn two_ranges_would_tell_the_value() {
    let range = |op: &str, value: u8| json!({"field": "decile", "op": op, "value": value});
    check(
        &[("/records/1/claims/-", range("at_least", 2))],
        "/records/1/claims/2",
    );
    check(
        &[("/records/1/claims/-", range("at_most", 3))],
        "/records/1/claims/2",
    );
    // Nor one of each kind.
    let after = json!({"field": "decile_as_of", "op": "after", "value": "2026-01-01"});
    let before = json!({"field": "decile_as_of", "op": "before", "value": "2026-12-31"});
    check(
        &[
            ("/records/1/claims/-", after),
            ("/records/1/claims/-", before),
        ],
        "/records/1/claims/3",
    );
    // Neither does it help to ask for the record twice.
    let again = json!({"record": "social-assistance/1", "claims": [range("at_least", 4)]});
    check(
        &[("/records/-", again)],
        "/records/3/record /records/3/claims/0",
    );
}

#[test]
fn a_document_with_many_faults_is_told_some() {
    let fields: Vec<String> = (0..40).map(|n| format!("field_{n}")).collect();
    let mut document = document();
    put(&mut document, "/records/0/fields", json!(fields));
    let Err(Refusal::BreaksSchema(violations)) = lookup(document.to_string().as_bytes()) else {
        panic!("no field of these is known");
    };
    assert_eq!(violations.len(), schema::MAX_VIOLATIONS);
}

#[test]
fn no_refusal_repeats_a_value() {
    let secret = "35101614X5889901";
    let mut accepted = std::collections::BTreeSet::new();
    for pointer in [
        "/subject/value",
        "/subject/scheme",
        "/purpose",
        "/case_id",
        "/clerk",
        "/legal_basis/reference",
        "/records/0/record",
        "/records/0/fields/0",
        "/records/1/claims/0/value",
        "/records/1/claims/0/op",
        "/records/1/claims/0/field",
        "/35101614X5889901",
        "/subject/35101614X5889901",
    ] {
        let mut document = document();
        put(&mut document, pointer, json!(secret));
        if pointer == "/legal_basis/reference" {
            put(&mut document, pointer, json!(format!("{secret}\u{0}")));
        }
        let body = document.to_string();
        for body in [
            body.clone(),
            body.replace("purpose", "clerk"),
            body.replace('}', ""),
        ] {
            // Some places take any text of this form.
            let Err(refusal) = lookup(body.as_bytes()) else {
                accepted.insert(pointer);
                continue;
            };
            let shown = format!("{refusal:?} {}", refusal.sentence());
            assert!(!shown.contains("35101614"), "{pointer}: {shown}");
        }
    }
    assert_eq!(
        accepted.into_iter().collect::<Vec<_>>(),
        ["/case_id", "/clerk"]
    );
}

#[test]
fn a_citizen_is_one_under_both_numbers() {
    for (scheme, other) in [(Scheme::Nik, Some("npwp")), (Scheme::Plate, None)] {
        let subject = SubjectKey {
            scheme,
            value: Sensitive::new(NIK.to_owned()),
        };
        assert_eq!(alias(&subject).map(|it| it.scheme.as_str()), other);
    }
}
