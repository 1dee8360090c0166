use std::fs;

use jiff::Timestamp;

use super::{Config, load, town};

#[test]
fn the_example_is_fine() {
    let dir = town();
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
        config.warnings.iter().all(|w| w.key.ends_with("valid_to")),
        "{:#?}",
        config.warnings
    );
    assert_eq!(config.directory.sources().len(), 10);
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
    let dir = town();
    let settings = |text: &str| {
        let config = load(&dir, text).unwrap_or_else(|errors| panic!("{errors}"));
        format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            config.time_zone,
            config.listener,
            config.admin,
            config.limits,
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
        "legal_bases",
        "withheld",
    ];
    without_default.iter().any(|key| line.starts_with(key))
}
