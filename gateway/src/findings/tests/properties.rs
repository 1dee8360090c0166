use std::collections::HashSet;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;

/// What a text of the samples is replaced with.
#[derive(Debug, Clone)]
enum Swap {
    Keep,
    Text(String),
    AnotherText(Index),
}

fn swap() -> impl Strategy<Value = Swap> {
    prop_oneof![
        4 => Just(Swap::Keep),
        1 => "[A-Z]{5,9} [A-Z]{5,9}( [A-Z]{5,9})?".prop_map(Swap::Text),
        1 => "(19[0-9]{2}|200[0-9])(-0[1-9](-[12][0-9])?)?".prop_map(Swap::Text),
        1 => "[1-9][0-9]{15}".prop_map(Swap::Text),
        1 => "[1-9][0-9](\\.[0-9]{2}){2}\\.[0-9]{4}".prop_map(Swap::Text),
        1 => select(codes()).prop_map(Swap::Text),
        2 => any::<Index>().prop_map(Swap::AnotherText),
    ]
}

/// Every word of every code list: they are in messages, and say nothing of a citizen.
fn codes() -> Vec<String> {
    let lists: Value = serde_json::from_str(loket_schemas::CODE_LISTS).unwrap();
    let lists = lists.as_object().unwrap();
    let values = lists
        .values()
        .flat_map(|list| list["values"].as_array().unwrap());
    values
        .map(|value| value["code"].as_str().unwrap().to_owned())
        .collect()
}

fn disclosed() -> impl Strategy<Value = Vec<SourceResult>> {
    let swaps = prop::collection::vec(swap(), 60..200);
    let fields = prop::collection::vec(prop::bool::weighted(0.8), 200);
    (swaps, fields).prop_map(|(swaps, fields)| {
        let pool: Vec<String> = samples().iter().flat_map(texts).collect();
        let mut swaps = swaps.iter().cycle();
        let mut fields = fields.iter().cycle();
        let mut results = samples();
        for result in &mut results {
            let mut data = result.data.take().unwrap().into_exposed();
            data.retain(|_, _| fields.next() == Some(&true));
            for value in data.values_mut() {
                replace(value, &pool, &mut || swaps.next().unwrap().clone());
            }
            result.data = Some(Sensitive::new(data));
        }
        results
    })
}

fn replace(value: &mut Value, pool: &[String], next: &mut impl FnMut() -> Swap) {
    match value {
        Value::String(text) => match next() {
            Swap::Keep => {}
            Swap::Text(other) => *text = other,
            Swap::AnotherText(index) => text.clone_from(index.get(pool)),
        },
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, pool, next)),
        Value::Object(members) => {
            members
                .values_mut()
                .for_each(|member| replace(member, pool, next));
        }
        _ => {}
    }
}

fn texts(result: &SourceResult) -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::String(text) => found.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            Value::Object(members) => members.values().for_each(|member| collect(member, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Some(data) = &result.data {
        data.expose()
            .values()
            .for_each(|value| collect(value, &mut found));
    }
    found
}

fn purpose() -> impl Strategy<Value = Purpose> {
    select(Purpose::ALL)
}

fn locale() -> impl Strategy<Value = Locale> {
    select(Locale::ALL)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn findings_show_no_value(results in disclosed(), purpose in purpose(), locale in locale()) {
        let context = Context { locale, ..context(Scheme::Nik, FATHER, purpose) };
        let findings = serde_json::to_string(&compare(&results, &context)).unwrap();
        let codes: HashSet<String> = codes().into_iter().collect();
        for text in results.iter().flat_map(texts) {
            if text.len() >= 4 && !codes.contains(&text) {
                prop_assert!(!findings.contains(&text), "{text} in {findings}");
            }
        }
        prop_assert!(!findings.contains(FATHER));
    }

    #[test]
    fn the_order_of_the_results_does_not_matter(
        (results, shuffled) in disclosed().prop_flat_map(|mut results| {
            results.extend(samples());
            (Just(results.clone()), Just(results).prop_shuffle())
        }),
        purpose in purpose(),
    ) {
        let context = context(Scheme::Nik, FATHER, purpose);
        let findings = compare(&results, &context);
        prop_assert_eq!(&findings, &compare(&shuffled, &context));
        let mut keys: Vec<_> = findings.iter().map(|finding| (&finding.rule, &finding.records)).collect();
        let in_order = keys.clone();
        keys.sort();
        prop_assert_eq!(keys, in_order);
        for (at, finding) in findings.iter().enumerate() {
            prop_assert!(!findings[..at].contains(finding));
        }
    }

    #[test]
    fn where_nothing_is_disclosed_there_is_nothing_to_find(
        disclosed in prop::collection::vec(any::<bool>(), 16),
        nik in "[0-9]{16}",
        purpose in purpose(),
    ) {
        let results: Vec<SourceResult> = loket_schemas::RECORDS
            .iter()
            .zip(disclosed)
            .map(|(record, disclosed)| match disclosed {
                true => found(record.name, json!({})),
                false => result(record.name, Reason::Complete),
            })
            .collect();
        prop_assert_eq!(compare(&results, &context(Scheme::Nik, &nik, purpose)), []);
    }

    #[test]
    fn findings_fit_their_envelope(results in disclosed(), purpose in purpose()) {
        let text = loket_schemas::envelope("answer").unwrap().valid;
        let (_, text) = text.iter().find(|(file, _)| file.ends_with("sample.json")).unwrap();
        let mut answer: Value = serde_json::from_str(text).unwrap();
        let context = context(Scheme::Nik, FATHER, purpose);
        answer["findings"] = serde_json::to_value(compare(&results, &context)).unwrap();
        prop_assert!(loket_sdk::schema::answer().check(&answer).is_ok());
    }
}
