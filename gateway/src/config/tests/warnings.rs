use std::fs;
use std::os::unix::fs::PermissionsExt;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::{BASE, Config, SERVICE, patched, town};

#[track_caller]
fn warned(dir: &TempDir, text: &str, now: Timestamp, expected: &[(&str, &str)]) {
    let path = dir.path().join("loket.toml");
    fs::write(&path, text).unwrap();
    let config = Config::load_at(&path, now).unwrap();
    let found: Vec<(&str, &str)> = config
        .warnings
        .iter()
        .map(|w| (w.key.as_str(), w.message.as_str()))
        // The base says it always.
        .filter(|(key, _)| *key != "gateway.danger_unsigned_grants")
        .collect();
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((key, message), (wanted, fragment)) in found.iter().zip(expected) {
        assert_eq!(key, wanted);
        assert!(message.contains(fragment), "{message}");
    }
}

#[test]
fn what_deserves_a_look_is_said() {
    let (dir, now) = (town(), Timestamp::now());
    let later = |days: i64| now + SignedDuration::from_hours(24 * days + 1);
    warned(&dir, BASE, later(22), &[]);
    let past = ("tls.revocation_lists", "every peer is refused then");
    warned(&dir, BASE, later(24), &[past]);
    warned(&dir, BASE, later(31), &[past]);
    let ends = |key| (key, "ends in 9 days");
    warned(
        &dir,
        BASE,
        later(80),
        &[ends("tls.certificate"), past, ends("upstream.certificate")],
    );
    let suspended = patched(&[("state = \"active\"", "state = \"suspended\"")]);
    warned(
        &dir,
        &suspended,
        now,
        &[("grants[0].state", "lets nothing through")],
    );
    let ended = patched(&[("2099-12-31", "2020-12-31")]);
    warned(&dir, &ended, now, &[("grants[0].valid_to", "has ended")]);
    let early = patched(&[("2020-01-01", "2098-01-01")]);
    warned(
        &dir,
        &early,
        now,
        &[("grants[0].valid_from", "in force before")],
    );
    let other = patched(&[("\"loket.example\"", "\"other.example\"")]);
    let foreign = |key| (key, "trust domain loket.example");
    warned(
        &dir,
        &other,
        now,
        &[foreign("tls.certificate"), foreign("upstream.certificate")],
    );
    let (before, _) = BASE.split_once("[[grants]]").unwrap();
    warned(
        &dir,
        before,
        now,
        &[
            ("members[0].id", "no grant"),
            ("sources[0].records", "taxpayer/1 of djp"),
        ],
    );
    fs::set_permissions(
        dir.path().join("gateway-front.key"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    warned(&dir, BASE, now, &[("tls.key", "every user")]);
}

#[test]
fn an_anchor_that_has_ended_is_warned_of() {
    let (dir, now) = (town(), Timestamp::now());
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let name = rcgen::DnType::CommonName;
    params.distinguished_name.push(name, "Yesterday's CA");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.serial_number = Some(0xab_cd.into());
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let path = dir.path().join("ca.pem");
    let anchors = fs::read_to_string(&path).unwrap();
    let ended = params.self_signed(&key).unwrap().pem();
    fs::write(&path, ended + &anchors).unwrap();
    let said = "CN=Yesterday's CA (serial number 00:ab:cd) has expired (2021-01-01T00:00:00Z): take it out";
    warned(
        &dir,
        BASE,
        now,
        &[("tls.client_ca", said), ("upstream.server_ca", said)],
    );
}

#[test]
fn services_and_their_grants_deserve_one_too() {
    let (dir, now) = (town(), Timestamp::now());
    let with = |from: &str, to: &str, expected: &[(&str, &str)]| {
        let service = SERVICE.replace(from, to);
        let text = patched(&[("[[sources]]", service.as_str())]);
        warned(&dir, &text, now, expected);
    };
    with("5s", "6s", &[]);
    let state = ("service_grants[0].state", "grant call is draft");
    with("\"active\"", "\"draft\"", &[state]);
    let ended = ("service_grants[0].valid_to", "grant call has ended");
    with("2098-12-31", "2026-01-02", &[ended]);
    let early = ("service_grants[0].valid_from", "before 2098-01-01");
    with("2026-01-01", "2098-01-01", &[early]);
    // Who may only call has a grant as well, and a service without one has no caller.
    let (before, _) = BASE.split_once("[[grants]]").unwrap();
    let text = before.replace("[[sources]]", SERVICE);
    let record = ("sources[0].records", "taxpayer/1 of djp");
    warned(&dir, &text, now, &[record]);
    let (service, _) = SERVICE.split_once("[[service_grants]]").unwrap();
    let text = patched(&[("[[sources]]", &format!("{service}[[sources]]"))]);
    let nobody = (
        "services[0].service",
        "names the service population of dukcapil",
    );
    warned(&dir, &text, now, &[nobody]);
}

#[test]
fn a_certificate_that_has_ended_is_an_error() {
    let dir = town();
    let path = dir.path().join("loket.toml");
    fs::write(&path, BASE).unwrap();
    let later = Timestamp::now() + SignedDuration::from_hours(24 * 100);
    let errors = Config::load_at(&path, later).map(drop).unwrap_err();
    assert!(
        errors
            .errors
            .iter()
            .all(|error| error.message.contains("has ended")),
        "{errors}"
    );
    assert_eq!(errors.errors.len(), 2);
}
