use proptest::prelude::*;
use serde_json::json;

use super::*;

fn claim(op: &str, value: Value) -> Claim {
    let mut claim = json!({ "field": "f", "op": op });
    if !value.is_null() {
        claim["value"] = value;
    }
    serde_json::from_value(claim).unwrap()
}

#[track_caller]
fn assert_answer(verify: &str, op: &str, claimed: Value, actual: Value, expect: &str) {
    let verify: Verify = serde_json::from_value(json!(verify)).unwrap();
    let claim = claim(op, claimed);
    let answer = evaluate(verify, &claim, Some(&actual));
    assert_eq!(answer.result.as_str(), expect, "{verify:?} {op} {actual}");
    let permitted = answer.result != ClaimResult::NotPermitted;
    assert_eq!(
        permitted,
        allowed(verify, claim.op) && check(verify, &claim).is_ok()
    );
}

#[test]
fn exact_values() {
    let nik = "3510161405889901";
    assert_answer("exact", "equals", json!(nik), json!(nik), "match");
    assert_answer(
        "exact",
        "equals",
        json!("3510 1614 0588 9901"),
        json!(nik),
        "match",
    );
    assert_answer(
        "exact",
        "equals",
        json!("35.10.16-1405889901"),
        json!(nik),
        "match",
    );
    assert_answer(
        "exact",
        "equals",
        json!("3510161405889902"),
        json!(nik),
        "mismatch",
    );
    assert_answer("exact", "equals", json!("a.b"), json!("ab"), "mismatch");
    assert_answer("exact", "equals", json!(1), json!("1"), "match");
    assert_answer("exact", "equals", json!("2026"), json!(2026), "match");
    assert_answer("exact", "equals", json!(true), json!(true), "match");
    assert_answer("exact", "equals", json!("true"), json!(true), "mismatch");
    assert_answer(
        "exact",
        "one_of",
        json!(["active", "valid"]),
        json!("valid"),
        "match",
    );
    assert_answer(
        "exact",
        "one_of",
        json!(["active", "valid"]),
        json!("lost"),
        "mismatch",
    );
    assert_answer("exact", "exists", Value::Null, json!(false), "match");
    assert_answer("exact", "exists", Value::Null, Value::Null, "not_available");
}

#[test]
fn names_match_by_degree() {
    let name = json!("BAGAS CONTOH PRATAMA");
    assert_answer(
        "name",
        "name_matches",
        json!("Bagas Contoh Pratama"),
        name.clone(),
        "match",
    );
    assert_answer(
        "name",
        "name_matches",
        json!("BAGAS-CONTOH PRATAMA"),
        name.clone(),
        "match",
    );
    assert_answer(
        "name",
        "name_matches",
        json!("H. BAGAS CONTOH PRATAMA"),
        name.clone(),
        "mismatch",
    );
    assert_answer(
        "name",
        "equals",
        json!("bagas contoh pratama"),
        name.clone(),
        "match",
    );
    assert_answer(
        "name",
        "equals",
        json!("BAGAS-CONTOH PRATAMA"),
        name,
        "mismatch",
    );
}

#[test]
fn names_stand_in_objects_and_lists() {
    let spouse = json!({ "nik": "3510166307919902", "full_name": "SEKAR CONTOH LESTARI" });
    assert_answer(
        "name",
        "name_matches",
        json!("SEKAR CONTOH LESTARI"),
        spouse,
        "match",
    );
    let holders = json!([{ "name": "BAGAS CONTOH" }, { "name": "SEKAR CONTOH LESTARI" }]);
    assert_answer(
        "name",
        "name_matches",
        json!("SEKAR CONTOH LESTARI"),
        holders.clone(),
        "match",
    );
    assert_answer(
        "name",
        "name_matches",
        json!("WAGIMAN"),
        holders,
        "mismatch",
    );
    assert_answer(
        "name",
        "name_matches",
        json!("WAGIMAN"),
        json!([]),
        "mismatch",
    );
    assert_answer(
        "name",
        "name_matches",
        json!("WAGIMAN"),
        json!({}),
        "not_available",
    );
}

#[test]
fn a_variant_is_a_mismatch_that_says_so() {
    let claim = claim("name_matches", json!("SOERYO CONTOH"));
    let answer = evaluate(Verify::Name, &claim, Some(&json!("SURYO CONTOH")));
    assert_eq!(
        serde_json::to_value(answer).unwrap(),
        json!({ "field": "f", "op": "name_matches", "result": "mismatch", "name_match": "variant" })
    );
}

#[test]
fn dates() {
    let day = json!("1988-05-14");
    assert_answer(
        "date",
        "date_equals",
        json!("1988-05-14"),
        day.clone(),
        "match",
    );
    assert_answer(
        "date",
        "date_equals",
        json!("1988-05-14"),
        json!("1988"),
        "match",
    );
    assert_answer(
        "date",
        "date_equals",
        json!("1988-05-14"),
        json!("1988-06"),
        "mismatch",
    );
    assert_answer("date", "date_equals", json!("1988"), day.clone(), "match");
    assert_answer(
        "date",
        "equals",
        json!("1988-05-14"),
        json!("1988"),
        "not_available",
    );
    assert_answer("date", "equals", json!("1988"), day.clone(), "mismatch");
    assert_answer(
        "date",
        "equals",
        json!("1989-05-14"),
        json!("1988"),
        "mismatch",
    );
    assert_answer("date", "before", json!("1988-05-15"), day.clone(), "match");
    assert_answer(
        "date",
        "before",
        json!("1988-05-14"),
        day.clone(),
        "mismatch",
    );
    assert_answer(
        "date",
        "before",
        json!("1988-05-14"),
        json!("1988"),
        "not_available",
    );
    assert_answer(
        "date",
        "before",
        json!("1989-01-01"),
        json!("1988"),
        "match",
    );
    assert_answer(
        "date",
        "before",
        json!("1988-01-01"),
        json!("1988"),
        "mismatch",
    );
    assert_answer("date", "after", json!("1988-05-13"), day.clone(), "match");
    assert_answer(
        "date",
        "after",
        json!("1988-05-14"),
        day.clone(),
        "mismatch",
    );
    assert_answer("date", "after", json!("1988"), day, "mismatch");
    assert_answer(
        "date",
        "after",
        json!("1988-05-14"),
        json!("1988"),
        "not_available",
    );
    assert_answer(
        "date",
        "after",
        json!("1988-12-31"),
        json!("1988"),
        "mismatch",
    );
}

#[test]
fn regions() {
    let address = json!({ "line": "JL. CONTOH", "village_code": "35.10.16.1003" });
    assert_answer(
        "region",
        "region_within",
        json!("35.10"),
        address.clone(),
        "match",
    );
    assert_answer(
        "region",
        "region_within",
        json!("3510"),
        address.clone(),
        "match",
    );
    assert_answer(
        "region",
        "region_within",
        json!("35.1"),
        address.clone(),
        "not_permitted",
    );
    assert_answer(
        "region",
        "region_within",
        json!("35.11"),
        address.clone(),
        "mismatch",
    );
    assert_answer(
        "region",
        "equals",
        json!("35.10.16.1003"),
        address.clone(),
        "match",
    );
    assert_answer("region", "equals", json!("35.10"), address, "mismatch");
    assert_answer(
        "region",
        "region_within",
        json!("35.10.16"),
        json!("35.10"),
        "not_available",
    );
}

#[test]
fn ranges_and_relations() {
    assert_answer("range", "at_most", json!(4), json!(4), "match");
    assert_answer("range", "at_most", json!(4), json!(5), "mismatch");
    assert_answer("range", "at_least", json!(5), json!(4), "mismatch");
    assert_answer("range", "equals", json!(5), json!(5), "not_permitted");
    let members = json!([{ "nik": "3510161405889901" }, { "nik": "3510166307919902" }]);
    assert_answer(
        "relation",
        "equals",
        json!("3510 1663 0791 9902"),
        members.clone(),
        "match",
    );
    assert_answer(
        "relation",
        "equals",
        json!("3510161405889909"),
        members.clone(),
        "mismatch",
    );
    assert_answer("relation", "exists", Value::Null, members, "match");
    assert_answer("mrz", "exists", Value::Null, json!({}), "match");
    assert_answer("mrz", "equals", json!("P<IDN"), json!({}), "not_permitted");
    assert_answer(
        "none",
        "exists",
        Value::Null,
        json!("Islam"),
        "not_permitted",
    );
}

#[test]
fn the_caller_learns_of_a_wrong_value_but_not_of_the_value() {
    let cases = [
        (Verify::Exact, "exists", json!("x-x-x"), "/value"),
        (Verify::Exact, "equals", Value::Null, "/value"),
        (Verify::Exact, "equals", json!({ "a": "x-x-x" }), "/value"),
        (Verify::Exact, "one_of", json!([]), "/value"),
        (Verify::Exact, "one_of", json!(["a", ["x-x-x"]]), "/value/1"),
        (Verify::Date, "before", json!("x-x-x"), "/value"),
        (Verify::Date, "equals", json!("1988-02-30"), "/value"),
        (Verify::Range, "at_most", json!("x-x-x"), "/value"),
        (Verify::Region, "region_within", json!("x-x-x"), "/value"),
        (
            Verify::Name,
            "name_matches",
            json!("x-x-x".repeat(50)),
            "/value",
        ),
        (
            Verify::Relation,
            "equals",
            json!(3_510_161_405_889_901_u64),
            "/value",
        ),
    ];
    for (verify, op, value, pointer) in cases {
        let error = check(verify, &claim(op, value)).unwrap_err();
        assert_eq!(error.pointer, pointer, "{op}");
        assert!(!error.to_string().contains("x-x-x"), "{error}");
        assert!(!error.to_string().contains("3510161405889901"), "{error}");
    }
}

#[test]
fn a_claim_hides_its_value_and_refuses_unknown_members() {
    let claim = claim("equals", json!("3510161405889901"));
    assert!(!format!("{claim:?}").contains("3510"));
    let unknown = json!({ "field": "nik", "op": "equals", "valeu": "1" });
    assert!(serde_json::from_value::<Claim>(unknown).is_err());
}

#[test]
fn every_word_is_the_wires() {
    for op in Op::ALL {
        assert_eq!(json!(op), json!(op.as_str()));
    }
    for verify in Verify::ALL {
        assert_eq!(json!(verify), json!(verify.as_str()));
        assert_eq!(allowed(verify, Op::Exists), verify != Verify::None);
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let texts = prop::sample::select(vec![
        "BAGAS CONTOH",
        "SOERYO CONTOH",
        "SURYO CONTOH",
        "1988",
        "1988-05",
        "1988-05-14",
        "35",
        "35.10.16",
        "3510161405889901",
        "",
        "x",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        texts.prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop::sample::select(vec!["full_name", "name", "nik", "village_code", "x"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|members| {
                members
                    .into_iter()
                    .map(|(k, v)| (k.to_owned(), v))
                    .collect()
            }),
        ]
    })
}

/// A value as the schemas want it, with full dates and villages: nothing that can't tell.
fn well_formed(verify: Verify) -> BoxedStrategy<Value> {
    let words = prop::sample::select(vec!["BAGAS CONTOH", "SOERYO CONTOH", "SURYO CONTOH"]);
    match verify {
        Verify::Exact => prop_oneof![
            "[0-9]{1,16}".prop_map(Value::from),
            any::<bool>().prop_map(Value::from)
        ]
        .boxed(),
        Verify::Name => prop_oneof![
            words.clone().prop_map(Value::from),
            words.prop_map(|name| json!([{ "name": name }])),
        ]
        .boxed(),
        Verify::Date => (1900..2030, 1..=12, 1..=28)
            .prop_map(|(y, m, d)| json!(format!("{y:04}-{m:02}-{d:02}")))
            .boxed(),
        Verify::Region => (11..97, 1..99, 1..99, 1001..2999)
            .prop_map(|(p, r, d, v)| json!(format!("{p:02}.{r:02}.{d:02}.{v:04}")))
            .boxed(),
        Verify::Range => (1..=10).prop_map(Value::from).boxed(),
        Verify::Relation => "[0-9]{16}".prop_map(|nik| json!([{ "nik": nik }])).boxed(),
        Verify::Mrz | Verify::None => Just(json!({ "line1": "", "line2": "" })).boxed(),
    }
}

fn any_claim() -> impl Strategy<Value = Claim> {
    (
        prop::sample::select(Op::ALL.to_vec()),
        prop::option::of(any_json()),
    )
        .prop_map(|(op, value)| Claim {
            field: "f".to_owned(),
            op,
            value: value.map(Sensitive::new),
        })
}

fn any_verify() -> impl Strategy<Value = Verify> {
    prop::sample::select(Verify::ALL.to_vec())
}

proptest! {
    #[test]
    fn evaluate_is_total_and_never_silent(
        verify in any_verify(),
        claim in any_claim(),
        actual in prop::option::of(any_json()),
    ) {
        let answer = evaluate(verify, &claim, actual.as_ref());
        let permitted = allowed(verify, claim.op) && check(verify, &claim).is_ok();
        prop_assert_eq!(answer.result == ClaimResult::NotPermitted, !permitted);
        if answer.name_match.is_some_and(|found| !found.is_match()) {
            prop_assert_eq!(answer.result, ClaimResult::Mismatch);
        }
    }

    #[test]
    fn not_available_is_said_of_what_is_absent_only(
        (verify, claim, actual) in verify_claim_and_actual(),
    ) {
        prop_assert_eq!(check(verify, &claim), Ok(()));
        let answer = evaluate(verify, &claim, actual.as_ref());
        prop_assert_eq!(answer.result == ClaimResult::NotAvailable, actual.is_none());
    }
}

fn verify_claim_and_actual() -> impl Strategy<Value = (Verify, Claim, Option<Value>)> {
    any_verify()
        .prop_filter("none can't be asked", |verify| *verify != Verify::None)
        .prop_flat_map(|verify| {
            let ops: Vec<Op> = Op::ALL
                .into_iter()
                .filter(|op| allowed(verify, *op))
                .collect();
            let op = prop::sample::select(ops);
            let actual = prop::option::of(well_formed(verify));
            (Just(verify), op, well_formed(verify), actual)
        })
        .prop_map(|(verify, op, value, actual)| {
            let value = match (op, verify, value) {
                (Op::Exists, ..) => None,
                (Op::OneOf, _, value) => Some(json!([value])),
                (_, Verify::Name, Value::Array(people)) => Some(people[0]["name"].clone()),
                (_, Verify::Relation, people) => Some(people[0]["nik"].clone()),
                (_, _, value) => Some(value),
            };
            let claim = Claim {
                field: "f".to_owned(),
                op,
                value: value.map(Sensitive::new),
            };
            (verify, claim, actual)
        })
}
