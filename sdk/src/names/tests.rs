use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vector {
    a: String,
    b: String,
    expect: NameMatch,
    why: String,
}

#[test]
fn vectors() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("vectors.json")).unwrap();
    assert!(vectors.len() >= 30);
    for Vector { a, b, expect, why } in vectors {
        assert_eq!(compare(&a, &b), expect, "{why}: {a:?} {b:?}");
        assert_eq!(compare(&b, &a), expect, "{why}, swapped: {b:?} {a:?}");
    }
}

#[test]
fn a_name_over_the_cap_is_different_even_from_itself() {
    let name = "Ə".repeat(200);
    assert_eq!(compare(&name, &name), NameMatch::Equal);
    let name = "Ə".repeat(201);
    assert_eq!(compare(&name, &name), NameMatch::Different);
}

#[test]
fn the_worst_case_is_quick() {
    let a = "A ".repeat(100);
    let b = "A ".repeat(99) + "B";
    let start = std::time::Instant::now();
    assert_eq!(compare(&a, &b), NameMatch::Different);
    assert!(start.elapsed().as_millis() < 500);
}

/// Words that meet every rule, so that chance finds names that are near each other.
fn name() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "BAGAS",
        "BAGUS",
        "CONTOH",
        "M",
        "MUH",
        "MUHAMMAD",
        "ST",
        "SITI",
        "H",
        "S",
        "E",
        "SE",
        "DR",
        "SOERYO",
        "SURYO",
        "BIN",
        "OĞLU",
        "RƏŞİD",
        "NUR",
        "HAYATI",
        "NURHAYATI",
        ".",
        "'",
        "i",
    ]);
    prop_oneof![
        prop::collection::vec(word, 0..6).prop_map(|words| words.join(" ")),
        any::<String>(),
    ]
}

proptest! {
    #[test]
    fn symmetric(a in name(), b in name()) {
        prop_assert_eq!(compare(&a, &b), compare(&b, &a));
    }

    #[test]
    fn reflexive(a in name()) {
        prop_assume!(a.chars().count() <= MAX_CHARS);
        prop_assert_eq!(compare(&a, &a), NameMatch::Equal);
    }

    #[test]
    fn case_never_makes_a_difference_in_kind(a in "[A-Z]{1,9}( [A-Z]{1,9}){0,4}") {
        prop_assert_eq!(compare(&a, &a.to_lowercase()), NameMatch::Equal);
    }
}
