//! Any grants and any question.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const FIELDS: [&str; 5] = ["nik", "full_name", "sex", "birth_date", "citizenship"];

fn some_fields() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(&FIELDS[..], 1..=FIELDS.len())
}

proptest! {
    /// Whatever the grants: exactly what some grant in force names for the purpose, and no grant is
    /// drawn without a field of its own.
    #[test]
    fn a_permit_is_the_union_of_grants_in_force(
        grants in proptest::collection::vec(
            (some_fields(), any::<(bool, bool, bool, bool)>()), 0..5),
        wanted in some_fields(),
        claims in any::<bool>(),
    ) {
        let built: Vec<Grant> = grants.iter().enumerate().map(|(n, (fields, (read, active, purpose, stale)))| {
            let mode = if *read { "read" } else { "verify" };
            let purpose = if *purpose { "property_tax" } else { "land_transfer" };
            let mut words = format!("{purpose} {mode} {}", fields.join(","));
            if !active { words += " suspended"; }
            if *stale { words += " stale_ok"; }
            grant(n, &words)
        }).collect();
        let counts = |grant: &&Grant| grant.is_in_force(town::TODAY)
            && grant.purposes.contains(&Purpose::PropertyTax)
            && (claims || grant.mode == Mode::Read);
        let may: BTreeSet<&str> = built.iter().filter(counts)
            .flat_map(|grant| grant.fields.iter().map(String::as_str)).collect();
        let expected: Vec<&str> = wanted.iter().copied().filter(|field| may.contains(field)).collect();
        let words: Vec<String> = wanted.iter()
            .map(|field| if claims { format!("{field}?exists") } else { (*field).to_owned() })
            .collect();

        let directory = directory(built.clone());
        let Ok(permit) = ask(&directory, "property_tax", &words.join(","), false) else {
            prop_assert!(expected.is_empty());
            return Ok(());
        };
        let allowed: Vec<&str> = match permit.allowed() {
            Allowed::Fields(fields) => fields.iter().map(String::as_str).collect(),
            Allowed::Claims(claims) => claims.iter().map(|claim| claim.field.as_str()).collect(),
        };
        prop_assert_eq!(&allowed, &expected);
        prop_assert_eq!(permit.withheld().len() + permit.refused().len(), wanted.len() - allowed.len());
        let drawn: Vec<&Grant> = permit.grants().iter().map(|&index| &built[index]).collect();
        for grant in &drawn {
            prop_assert!(counts(grant));
            prop_assert!(allowed.iter().any(|field| grant.fields.contains(*field)));
        }
        prop_assert_eq!(permit.stale_ok(), drawn.iter().all(|grant| grant.stale_ok));
    }
}
