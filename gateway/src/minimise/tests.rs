use loket_sdk::claims::Op;
use loket_sdk::schema;
use loket_sdk::testing::sample;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;

use super::*;

fn person() -> &'static RecordSchema {
    schema::record(&"person-identity/1".parse().unwrap()).unwrap()
}

fn sent() -> Map<String, Value> {
    let Value::Object(members) = sample("person-identity/1") else {
        panic!("a record is an object");
    };
    members
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn check(permitted: &[&str], expected: &Value, missing: &[&str], dropped: usize) {
    let record = json!({"nik": "1", "full_name": "A", "address": {"line": "B"}});
    let kept = fields(record.as_object().unwrap().clone(), &names(permitted));
    assert_eq!(Value::Object(kept.data), *expected, "{permitted:?}");
    assert!(
        kept.missing
            .iter()
            .all(|withheld| withheld.reason == WithheldReason::NotProvided)
    );
    let found: Vec<&str> = kept
        .missing
        .iter()
        .map(|withheld| withheld.field.as_str())
        .collect();
    assert_eq!(found, missing, "{permitted:?}");
    assert_eq!(kept.dropped, dropped, "{permitted:?}");
}

#[test]
fn only_what_the_permit_names_is_kept() {
    check(&[], &json!({}), &[], 3);
    check(&["nik"], &json!({"nik": "1"}), &[], 2);
    check(&["address"], &json!({"address": {"line": "B"}}), &[], 2);
    check(&["sex", "nik"], &json!({"nik": "1"}), &["sex"], 2);
    check(&["nik", "nik"], &json!({"nik": "1"}), &[], 2);
    check(&["sex"], &json!({}), &["sex"], 3);
    // A name is a name and no pointer.
    check(
        &["/nik", "address.line", ""],
        &json!({}),
        &["/nik", "address.line", ""],
        3,
    );
}

fn claim(field: &str, op: Op, value: Value) -> Claim {
    let value = (op != Op::Exists).then(|| value.into());
    Claim {
        field: field.to_owned(),
        op,
        value,
    }
}

/// Claims on a person, true and false ones, with values that must not come back.
fn claims() -> Vec<Claim> {
    vec![
        claim("nik", Op::Equals, json!("3510161405889901")),
        claim("full_name", Op::NameMatches, json!("BAGAS CONTOH")),
        claim("birth_date", Op::Before, json!("2001-02-03")),
        claim("address", Op::RegionWithin, json!("35.10")),
        claim("kk_number", Op::Exists, Value::Null),
        claim("religion", Op::Equals, json!("7777")),
        claim("no_such_field", Op::Equals, json!("8888")),
    ]
}

#[test]
fn claims_are_answered_from_a_record_by_the_rules_of_the_schema() {
    let results: Vec<ClaimResult> = claims_from_record(&sent(), &claims(), person())
        .iter()
        .map(|answer| answer.result)
        .collect();
    use ClaimResult::{Match, Mismatch, NotAvailable, NotPermitted};
    let expected = [
        Match,
        Mismatch,
        Match,
        Match,
        Match,
        NotPermitted,
        NotAvailable,
    ];
    assert_eq!(results, expected);
}

#[test]
fn an_answer_is_kept_for_its_claim_only() {
    let answer = |field: &str, op, result| ClaimAnswer {
        field: field.to_owned(),
        op,
        result,
        name_match: None,
    };
    let permitted = [
        claim("nik", Op::Equals, json!("1")),
        claim("nik", Op::Exists, Value::Null),
        claim("nik", Op::Equals, json!("2")),
    ];
    let answers = [
        answer("sex", Op::Equals, ClaimResult::Match),
        answer("nik", Op::OneOf, ClaimResult::Match),
        answer("nik", Op::Equals, ClaimResult::Match),
        answer("nik", Op::Equals, ClaimResult::Mismatch),
    ];
    assert_eq!(
        claims_from_answers(&answers, &permitted),
        [
            answer("nik", Op::Equals, ClaimResult::Match),
            answer("nik", Op::Exists, ClaimResult::NotAvailable),
            answer("nik", Op::Equals, ClaimResult::Mismatch),
        ]
    );
}

/// Every text of four letters or more in a value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() >= 4 => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|member| texts(member, found)),
        _ => {}
    }
}

fn any_member() -> impl Strategy<Value = (String, Value)> {
    let known: Vec<String> = person()
        .fields()
        .iter()
        .map(|field| field.name.clone())
        .collect();
    let value = prop_oneof![
        any::<bool>().prop_map(Value::from),
        "[a-z]{0,8}".prop_map(Value::from),
        "[a-z]{0,8}".prop_map(|text| json!({"nik": text, "line": [text]})),
    ];
    (prop_oneof![select(known), "\\PC{0,12}"], value)
}

fn some_names() -> impl Strategy<Value = Vec<String>> {
    let known: Vec<String> = person()
        .fields()
        .iter()
        .map(|field| field.name.clone())
        .collect();
    let most = known.len();
    subsequence(known, 0..=most).prop_shuffle()
}

proptest! {
    #[test]
    fn nothing_leaves_that_is_not_permitted(
        sent in proptest::collection::vec(any_member(), 0..30),
        permitted in some_names(),
    ) {
        let sent: Map<String, Value> = sent.into_iter().collect();
        let kept = fields(sent.clone(), &permitted);
        for (name, value) in &kept.data {
            prop_assert!(permitted.contains(name));
            prop_assert_eq!(sent.get(name), Some(value));
        }
        for name in &permitted {
            let missing = kept.missing.iter().filter(|withheld| withheld.field == *name).count();
            prop_assert_eq!(missing, usize::from(!sent.contains_key(name)));
            prop_assert_eq!(kept.data.contains_key(name), sent.contains_key(name));
        }
        prop_assert_eq!(kept.data.len() + kept.dropped, sent.len());
    }

    #[test]
    fn claims_keep_their_order_and_show_no_value(
        permitted in Just(claims()).prop_shuffle().prop_flat_map(|all| {
            let most = all.len();
            subsequence(all, 0..=most)
        }),
        answered in any::<bool>(),
    ) {
        let answers = claims_from_record(&sent(), &permitted, person());
        let answers = if answered {
            let mut other = answers;
            other.reverse();
            claims_from_answers(&other, &permitted)
        } else {
            answers
        };
        prop_assert_eq!(answers.len(), permitted.len());
        for (answer, claim) in answers.iter().zip(&permitted) {
            prop_assert_eq!((&answer.field, answer.op), (&claim.field, claim.op));
        }
        let shown = format!("{answers:?}{}", json!(answers));
        let mut values = Vec::new();
        texts(&Value::Object(sent()), &mut values);
        permitted.iter().flat_map(|claim| &claim.value).for_each(|value| texts(value.expose(), &mut values));
        for value in values {
            prop_assert!(!shown.contains(&value), "{}", value);
        }
    }
}
