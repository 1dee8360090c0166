//! Golden cases: what passes, what fails and where, and what every schema has to say.

#![expect(
    clippy::unwrap_used,
    reason = "test helpers, which aren't #[test] themselves"
)]

use std::collections::BTreeSet;

use jsonschema::{PatternOptions, Validator};
use loket_schemas::{CODE_LISTS, COMMON, Cases, ENVELOPES, RECORDS, bundled};
use serde_json::Value;

const VERIFY: [&str; 8] = [
    "exact", "name", "date", "region", "range", "relation", "mrz", "none",
];
const CLASS_ID: [&str; 3] = ["public", "general", "specific"];
const CLASS_AZ: [&str; 4] = ["open", "personal", "special", "tax_secret"];
const SCHEMES: &str = "subject_scheme";

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn validator(text: &str) -> Validator {
    jsonschema::options()
        .offline()
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .with_pattern_options(PatternOptions::regex())
        .build(&bundled(text))
        .unwrap_or_else(|error| panic!("{}: {error}", parse(text)["$id"]))
}

fn code_lists() -> Value {
    parse(CODE_LISTS)
}

/// Every schema document with its name: records, envelopes, shared definitions.
fn documents() -> Vec<(&'static str, Value)> {
    let records = RECORDS.iter().map(|it| (it.name, parse(it.text)));
    let envelopes = ENVELOPES.iter().map(|it| (it.name, parse(it.text)));
    let common = std::iter::once((COMMON.id, parse(COMMON.text)));
    records.chain(envelopes).chain(common).collect()
}

fn walk(value: &Value, visit: &mut dyn FnMut(&Value)) {
    visit(value);
    match value {
        Value::Object(members) => members.values().for_each(|it| walk(it, visit)),
        Value::Array(items) => items.iter().for_each(|it| walk(it, visit)),
        _ => {}
    }
}

fn check(name: &str, text: &str, valid: Cases, invalid: Cases) -> Vec<String> {
    let validator = validator(text);
    let mut wrong = Vec::new();
    for (file, text) in valid {
        for error in validator.iter_errors(&parse(text)) {
            let place = error.instance_path();
            wrong.push(format!("{name}/valid/{file} fails at {place:?}: {error}"));
        }
    }
    for (file, text) in invalid {
        let case = parse(text);
        let expected = case["pointer"].as_str().unwrap();
        // A wrong type breaks an enum too: several errors, all at one place.
        let places = validator
            .iter_errors(&case["instance"])
            .map(|error| error.instance_path().to_string())
            .collect::<BTreeSet<_>>();
        if !places.iter().eq([expected]) {
            wrong.push(format!(
                "{name}/invalid/{file} fails at {places:?}, not just at {expected:?}"
            ));
        }
    }
    wrong
}

#[test]
fn records_pass_and_fail_as_they_should() {
    let wrong = RECORDS
        .iter()
        .flat_map(|it| check(it.name, it.text, it.valid, it.invalid))
        .collect::<Vec<_>>();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn envelopes_pass_and_fail_as_they_should() {
    let wrong = ENVELOPES
        .iter()
        .flat_map(|it| check(it.name, it.text, it.valid, it.invalid))
        .collect::<Vec<_>>();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_schema_has_its_cases() {
    for record in &RECORDS {
        assert!(record.valid.len() >= 3, "{}: valid", record.name);
        assert!(record.invalid.len() >= 5, "{}: invalid", record.name);
        let sample = record.valid.iter().any(|(file, _)| *file == "sample.json");
        assert!(sample, "{}: sample.json", record.name);
    }
    for envelope in &ENVELOPES {
        assert!(envelope.valid.len() >= 2, "{}: valid", envelope.name);
        assert!(envelope.invalid.len() >= 3, "{}: invalid", envelope.name);
    }
}

#[test]
fn every_schema_is_2020_12() {
    for (name, schema) in documents() {
        if let Err(error) = jsonschema::draft202012::meta::validate(&schema) {
            panic!("{name}: {error}");
        }
        walk(&schema, &mut |part| {
            if let Some(format) = part["format"].as_str() {
                assert_eq!(format, "date", "{name}");
            }
            if let Some(pattern) = part["pattern"].as_str() {
                assert!(!pattern.contains("(?"), "{name}: {pattern}");
                assert!(!pattern.contains("\\d"), "{name}: {pattern}");
                let whole = pattern.starts_with('^') && pattern.ends_with('$');
                assert!(whole, "{name}: {pattern}");
            }
        });
    }
}

#[test]
fn shared_definitions_resolve_and_are_not_shadowed() {
    let common = parse(COMMON.text);
    assert_eq!(common["$id"], COMMON.id);
    let shared = common["$defs"].as_object().unwrap();
    for (name, schema) in documents() {
        walk(&schema, &mut |part| {
            let Some(reference) = part["$ref"].as_str() else {
                return;
            };
            let home = match reference.strip_prefix(COMMON.id) {
                Some(_) => &common,
                None => &schema,
            };
            let pointer = reference.trim_start_matches(COMMON.id);
            let target = home.pointer(pointer.trim_start_matches('#'));
            assert!(target.is_some(), "{name}: {reference}");
        });
        if name != COMMON.id {
            let own = schema["$defs"].as_object();
            for definition in own.into_iter().flat_map(|it| it.keys()) {
                assert!(!shared.contains_key(definition), "{name}: {definition}");
            }
        }
    }
}

#[test]
fn bundled_schemas_are_self_contained_and_lean() {
    let texts = RECORDS.iter().map(|it| it.text);
    for text in texts.chain(ENVELOPES.iter().map(|it| it.text)) {
        let schema = bundled(text);
        let mut reached = BTreeSet::new();
        walk(&schema, &mut |part| {
            if let Some(reference) = part["$ref"].as_str() {
                reached.insert(reference.strip_prefix("#/$defs/").unwrap().to_owned());
            }
        });
        let embedded = schema["$defs"].as_object().unwrap();
        let embedded = embedded.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(reached, embedded, "{}", schema["$id"]);
    }
}

#[test]
fn every_record_says_whose_it_is_and_how_fresh() {
    let lists = code_lists();
    for record in &RECORDS {
        let (name, schema) = (record.name, parse(record.text));
        let version = schema["x-version"].as_str().unwrap();
        assert_eq!(schema["title"], name);
        assert_eq!(schema["$id"], format!("urn:loket:record:{name}:{version}"));
        assert!(version.starts_with(&format!("{}.", record.major)), "{name}");
        assert_eq!(schema["additionalProperties"], false, "{name}");
        check_label(name, &schema);
        for said in [
            &schema["x-owner"]["agency"],
            &schema["x-owner"]["name"],
            &schema["x-system"],
        ] {
            assert!(said.as_str().is_some_and(|it| !it.is_empty()), "{name}");
        }
        let freshness = schema["x-freshness"].as_str().unwrap();
        assert!(freshness.starts_with("PT"), "{name}: {freshness}");
        let mode = schema["x-default-mode"].as_str().unwrap();
        assert!(["verify", "read"].contains(&mode), "{name}: {mode}");

        let keys = schema["x-subject-keys"].as_object().unwrap();
        assert!(!keys.is_empty(), "{name}");
        let bundle = bundled(record.text);
        for (scheme, pointers) in keys {
            assert!(codes(&lists, SCHEMES).contains(scheme), "{name}: {scheme}");
            for pointer in pointers.as_array().unwrap() {
                let pointer = pointer.as_str().unwrap();
                let found = descend(&bundle, pointer);
                assert!(found, "{name}: {pointer}");
            }
        }
    }
}

/// Whether a pointer into instances, with `*` for any item, has a place in the schema.
fn descend(bundle: &Value, pointer: &str) -> bool {
    let mut here = bundle;
    for step in pointer.trim_start_matches('/').split('/') {
        here = match step {
            "*" => &here["items"],
            member => &here["properties"][member],
        };
        if let Some(reference) = here["$ref"].as_str() {
            here = bundle.pointer(&reference[1..]).unwrap();
        }
    }
    here["type"].is_string()
}

fn check_label(place: &str, part: &Value) {
    let languages: &[&str] = if place.starts_with("az-") {
        &["id", "en", "az"]
    } else {
        &["id", "en"]
    };
    let label = part["x-label"].as_object();
    let label = label.unwrap_or_else(|| panic!("{place}: no x-label"));
    assert_eq!(label.len(), languages.len(), "{place}");
    for language in languages {
        assert!(label[*language] != "", "{place}");
    }
}

#[test]
fn every_property_has_label_class_and_verify() {
    for record in &RECORDS {
        let schema = parse(record.text);
        for (property, said) in schema["properties"].as_object().unwrap() {
            let place = format!("{}/{property}", record.name);
            check_label(&place, said);
            let class = said["x-class"].as_object().unwrap();
            let id = class["id"].as_str().unwrap();
            assert!(CLASS_ID.contains(&id), "{place}: {id}");
            if let Some(az) = class.get("az") {
                assert!(CLASS_AZ.contains(&az.as_str().unwrap()), "{place}: {az}");
            }
            let verify = said["x-verify"].as_str().unwrap();
            assert!(VERIFY.contains(&verify), "{place}: {verify}");
        }
    }
}

fn codes(lists: &Value, name: &str) -> Vec<String> {
    let values = lists[name]["values"].as_array();
    let values = values.unwrap_or_else(|| panic!("no code list {name}"));
    let code = |it: &Value| it["code"].as_str().unwrap().to_owned();
    values.iter().map(code).collect()
}

#[test]
fn enums_equal_their_code_lists() {
    let lists = code_lists();
    let common = parse(COMMON.text);
    let mut used = BTreeSet::new();
    for (name, schema) in documents() {
        walk(&schema, &mut |part| {
            let Some(list) = part["x-code-list"].as_str() else {
                return;
            };
            used.insert(list.to_owned());
            let coded = match part["$ref"].as_str() {
                Some(reference) => {
                    let pointer = reference.trim_start_matches(COMMON.id);
                    &common.pointer(&pointer[1..]).unwrap()["enum"]
                }
                None => &part["enum"],
            };
            let coded = coded.as_array().unwrap();
            assert_eq!(*coded, codes(&lists, list), "{name}: {list}");
        });
    }
    let known = lists.as_object().unwrap().keys().cloned().collect();
    assert_eq!(used, known, "lists in use, lists known");
}

#[test]
fn code_lists_have_labels_and_no_code_twice() {
    let lists = code_lists();
    for (name, list) in lists.as_object().unwrap() {
        assert!(list["standard"].is_string(), "{name}");
        assert!(list["version"].is_string(), "{name}");
        let codes = codes(&lists, name);
        let distinct = codes.iter().collect::<BTreeSet<_>>();
        assert_eq!(distinct.len(), codes.len(), "{name}");
        for value in list["values"].as_array().unwrap() {
            for language in ["id", "en"] {
                let label = value["label"][language].as_str();
                assert!(label.is_some_and(|it| !it.is_empty()), "{name}: {value}");
            }
        }
    }
    assert_eq!(codes(&lists, "occupation_id").len(), 89);

    let outcomes = codes(&lists, "outcome");
    for reason in lists["reason"]["values"].as_array().unwrap() {
        let outcome = reason["outcome"].as_str().unwrap().to_owned();
        assert!(outcomes.contains(&outcome), "{reason}");
    }
}

/// Names that registries keep shortened; the people are of the sample family.
const SHORTENED: [&str; 2] = ["BAGAS C PRATAMA SE", "WAGIMAN"];

#[test]
fn people_in_the_cases_are_fictional() {
    for record in &RECORDS {
        for (file, text) in record.valid.iter().chain(record.invalid) {
            walk(&parse(text), &mut |part| {
                let members = part.as_object().into_iter().flatten();
                for (_, name) in members.filter(|(key, _)| key.ends_with("name")) {
                    let name = name.as_str().unwrap_or("CONTOH");
                    let marked = ["CONTOH", "NÜMUNƏ"].iter().any(|it| name.contains(it));
                    let given = part["given_name"] == name;
                    let fictional = marked || given || SHORTENED.contains(&name);
                    assert!(fictional, "{}/{file}: {name}", record.name);
                }
            });
        }
    }
}
