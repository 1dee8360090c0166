use std::fs;

use super::*;

fn check(toml: Option<&str>, output: Output) -> (u8, String) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("loket.toml");
    if let Some(toml) = toml {
        fs::write(&config, toml).unwrap();
    }
    let mut out = Vec::new();
    let code = run(&Args { config, output }, &mut out).unwrap();
    let shown = String::from_utf8(out).unwrap();
    (
        code,
        shown.replace(&dir.path().display().to_string(), "DIR"),
    )
}

#[test]
fn people_read_tables_with_their_findings() {
    let (code, shown) = check(
        Some("[gateway]\ntrust_domain = \"loket.example\"\n"),
        Output::Text,
    );
    assert_eq!(code, WRONG);
    for part in [
        "gateway √\n",
        "tls\n  × DIR/loket.toml:1 tls: there is no table [tls]\n    → add it",
        "Result: × 4 errors, 0 warnings",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(!shown.contains('\x1b'));
    let table = shown.lines().filter(|line| line.starts_with("service"));
    assert_eq!(
        table.collect::<Vec<_>>(),
        ["services √", "service_grants √"]
    );
}

#[test]
fn of_a_file_that_is_not_toml_nothing_is_called_fine() {
    let (code, shown) = check(Some("[gateway\n"), Output::Text);
    assert_eq!(code, WRONG);
    assert!(
        shown.contains("file\n  × DIR/loket.toml:1") && !shown.contains('√'),
        "{shown}"
    );
}

#[test]
fn a_file_that_is_not_there_is_not_a_finding() {
    let (code, shown) = check(None, Output::Text);
    assert_eq!(code, UNREADABLE);
    assert!(shown.contains("can't be read"), "{shown}");
}

#[test]
fn programs_read_json() {
    let (code, shown) = check(Some("[gateway]\ntrust_domain = 1\n"), Output::Json);
    assert_eq!(code, WRONG);
    let document: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(document["schema"], "loket.check/1");
    let first = document["errors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|error| error["key"] == "gateway.trust_domain")
        .unwrap();
    assert_eq!(first["line"], 2);
    assert_eq!(first["column"], 16);
    let keys: Vec<&String> = first.as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 6, "{keys:?}");
}

#[test]
fn colours_are_paint() {
    let errors = Config::load(std::path::Path::new("/nowhere/loket.toml"));
    let mut out = Vec::new();
    text(&errors, true, &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().contains("\x1b[31m×\x1b[0m"));
}
