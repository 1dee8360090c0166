//! The environment.

use std::collections::HashMap;

use super::*;
use crate::jws::SigningKey;

#[test]
fn the_environment_names_everything() {
    let directory = tempfile::tempdir().unwrap();
    let ca = Ca::new("loket.example");
    let files = ca.system("dukcapil", "siak").write_to(directory.path());
    let anchors = ca.write_to(directory.path());
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let full = HashMap::from([
        ("LOKET_CERT", text(&files.certificate)),
        ("LOKET_KEY", text(&files.key)),
        ("LOKET_CA", text(&anchors)),
        (
            "LOKET_GATEWAYS",
            "spiffe://loket.example/gateway/mpp-1, spiffe://loket.example/gateway/mpp-2".to_owned(),
        ),
    ]);
    let read =
        |variables: &HashMap<&str, String>| Config::read(|name| Ok(variables.get(name).cloned()));
    let config = read(&full).unwrap();
    assert_eq!(config.listen, "0.0.0.0:8443".parse().unwrap());
    assert_eq!(config.gateways.len(), 2);

    for name in full.keys() {
        let mut less = full.clone();
        less.remove(name);
        let error = read(&less).unwrap_err().to_string();
        assert_eq!(error, format!("{name} isn't set"));
    }
    for (name, value, expected) in [
        (
            "LOKET_LISTEN",
            "8443",
            "LOKET_LISTEN must be an address and port",
        ),
        (
            "LOKET_GATEWAYS",
            "spiffe://loket.example/gateway/mpp-1,",
            "LOKET_GATEWAYS, entry 2, isn't",
        ),
        ("LOKET_KEY", "/nowhere/key", "the TLS files can't be used: "),
        ("LOKET_CRL", "/nowhere/crl", "the TLS files can't be used: "),
    ] {
        let mut other = full.clone();
        other.insert(name, value.to_owned());
        let error = read(&other).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn with_a_key_every_answer_is_signed() {
    let directory = tempfile::tempdir().unwrap();
    let ca = Ca::new("loket.example");
    let files = ca.system("dukcapil", "siak").write_to(directory.path());
    let anchors = ca.write_to(directory.path());
    let key = directory.path().join("answers.key");
    let made = SigningKey::generate().unwrap();
    std::fs::write(&key, made.to_pem().unwrap().expose()).unwrap();
    let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    let full = HashMap::from([
        ("LOKET_CERT", text(&files.certificate)),
        ("LOKET_KEY", text(&files.key)),
        ("LOKET_CA", text(&anchors)),
        (
            "LOKET_GATEWAYS",
            "spiffe://loket.example/gateway/mpp-1".to_owned(),
        ),
        ("LOKET_SIGNING_KEY", text(&key)),
        ("LOKET_SIGNING_KEY_ID", "2026-1".to_owned()),
    ]);
    let read =
        |variables: &HashMap<&str, String>| Config::read(|name| Ok(variables.get(name).cloned()));
    let signer = read(&full).unwrap().signer.unwrap();
    assert_eq!(signer.kid(), "dukcapil/2026-1");
    assert_eq!(signer.public_key(), made.public_key());
    let wrong = |name: &'static str, value: Option<&str>| {
        let mut other = full.clone();
        match value {
            Some(value) => other.insert(name, value.to_owned()),
            None => other.remove(name),
        };
        read(&other).unwrap_err().to_string()
    };
    assert_eq!(
        wrong("LOKET_SIGNING_KEY_ID", None),
        "LOKET_SIGNING_KEY_ID isn't set"
    );
    assert!(wrong("LOKET_SIGNING_KEY_ID", Some("a/b")).contains("letters"));
    assert!(wrong("LOKET_SIGNING_KEY", Some("/nowhere")).contains("can't be read"));
    assert!(wrong("LOKET_SIGNING_KEY", Some(&full["LOKET_CERT"])).contains("PRIVATE KEY"));
}
