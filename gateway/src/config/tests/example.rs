use std::fs;
use std::path::Path;

use jiff::Timestamp;
use loket_sdk::jws::SigningKey;
use tempfile::TempDir;

use super::{Config, load, town};
use crate::grants;

#[test]
fn the_example_is_fine() {
    let dir = signed();
    let example = include_str!("../../../loket.example.toml").replace("tls/", "");
    let now = "2026-12-01T00:00:00Z".parse().unwrap();
    let path = dir.path().join("loket.toml");
    fs::write(&path, example).unwrap();
    // The certificates are as old as the test; the grants are of the example's time.
    let config = match Config::load_at(&path, Timestamp::now()) {
        Ok(config) => config,
        Err(errors) => panic!("{errors}"),
    };
    assert!(
        config
            .directory
            .grants()
            .iter()
            .all(|grant| grant.is_in_force(date_of(now)))
    );
    assert!(
        config.warnings.iter().all(|w| w.key == "grants_dir"),
        "{:#?}",
        config.warnings
    );
    assert_eq!(config.directory.sources().len(), 10);
    assert_eq!(config.directory.grants().len(), 63);
    assert_eq!(config.directory.service_grants().len(), 1);
}

/// The town, in which each agency has signed the example's grants of its data.
fn signed() -> TempDir {
    let dir = town();
    for name in ["keys", "grants"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    let drafts = Path::new(env!("CARGO_MANIFEST_DIR")).join("grants.example");
    for agency in fs::read_dir(drafts).unwrap() {
        let agency = agency.unwrap();
        let name = agency.file_name().into_string().unwrap();
        let key = SigningKey::generate().unwrap();
        let public = dir.path().join(format!("keys/{name}-2026-1.pub"));
        fs::write(public, key.public_key().to_pem()).unwrap();
        for draft in fs::read_dir(agency.path()).unwrap() {
            let draft = draft.unwrap().path();
            let kid = format!("{name}/2026-1");
            let text = grants::sign(&fs::read(&draft).unwrap(), &key, &kid);
            let text = text.unwrap_or_else(|fault| panic!("{}: {fault}", draft.display()));
            let stem = draft.file_stem().unwrap().to_str().unwrap();
            fs::write(dir.path().join(format!("grants/{stem}.jws")), text).unwrap();
        }
    }
    dir
}

fn date_of(now: Timestamp) -> jiff::civil::Date {
    jiff::tz::TimeZone::UTC.to_datetime(now).date()
}

/// Each default that the example shows behind a comment sign is the default.
#[test]
fn the_example_shows_the_defaults() {
    let example = include_str!("../../../loket.example.toml").replace("tls/", "");
    let shown: String = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split(' ').nth(1) == Some("=") && !is_optional(rest) => rest,
            _ => line,
        })
        .fold(String::new(), |text, line| text + line + "\n");
    let dir = signed();
    let settings = |text: &str| {
        let config = load(&dir, text).unwrap_or_else(|errors| panic!("{errors}"));
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
            config.time_zone,
            config.listener,
            config.admin,
            config.limits,
            config.replay,
            config.telemetry,
            config.drain
        )
    };
    assert_eq!(settings(&shown), settings(&example));
    assert!(shown.contains("\nmax_connections = 1024\n"));
}

fn is_optional(line: &str) -> bool {
    let without_default = [
        "pins",
        "server_name",
        "endpoints",
        "hedge_after",
        "health_path",
        "health_interval",
        "instance_id",
        "otlp_endpoint",
        "holds_file",
        "roles",
        "key",
        "url",
        "legal_bases",
        "withheld",
    ];
    without_default.iter().any(|key| line.starts_with(key))
}
