use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use loket_sdk::ids::{MemberId, SystemId};
use loket_sdk::testing::signing_key;
use tempfile::TempDir;

use super::{Config, ConfigErrors, Deadlines, ReplaySettings, Severity};
use crate::commands::pki::{Authority, Leaf};

mod database;
mod example;
mod grants;
mod visibility;
mod warnings;

const BASE: &str = r#"
[gateway]
trust_domain = "loket.example"
danger_unsigned_grants = true

[listener]
address = "127.0.0.1:8443"

[tls]
certificate = "gateway-front.pem"
key = "gateway-front.key"
client_ca = "ca.pem"
revocation_lists = ["crl.pem"]

[upstream]
certificate = "gateway-back.pem"
key = "gateway-back.key"
server_ca = "ca.pem"
revocation_lists = []

[limits]
max_requests = 64

[audit]
directory = "audit"
subject_key_file = "subject.key"
signing_key_files = ["audit.key"]

[[members]]
id = "dukcapil"
name = "Dukcapil"
requests_per_second = 10

[[members.systems]]
id = "counter"

[[sources]]
agency = "djp"
system = "coretax"
records = ["taxpayer/1"]
url = "https://coretax.example:8443"

[[grants]]
grant_id = "g-1"
agreement = "PKS 1"
consumer = "dukcapil"
source = "djp"
record = "taxpayer/1"
purposes = ["business_licence"]
fields = ["npwp"]
mode = "read"
valid_from = 2020-01-01
valid_to = "2099-12-31"
state = "active"
"#;

fn town() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut authority = Authority::init(dir.path(), "loket.example").unwrap();
    for system in ["front", "back"] {
        let (member, system) = (MemberId::parse("gateway"), SystemId::parse(system));
        authority
            .issue(&Leaf::new(member.unwrap(), system.unwrap()))
            .unwrap();
    }
    secret(
        &dir.path().join("subject.key"),
        "5ec4e7".repeat(11).as_str(),
    );
    secret(&dir.path().join("audit.key"), &signing_key());
    dir
}

fn secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn load(dir: &TempDir, text: &str) -> Result<Config, ConfigErrors> {
    let path = dir.path().join("loket.toml");
    fs::write(&path, text).unwrap();
    Config::load(&path)
}

fn patched(patch: &[(&str, &str)]) -> String {
    patch.iter().fold(BASE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} isn't in the base");
        text.replacen(from, to, 1)
    })
}

/// Patches the base; the errors must be these, each by the text of its line, its key, and a fragment
/// of its message or remedy.
#[track_caller]
fn check(patch: &[(&str, &str)], expected: &[(&str, &str, &str)]) {
    let dir = town();
    let text = patched(patch);
    let errors = load(&dir, &text).map(drop).unwrap_err();
    let found = errors.to_string();
    assert_eq!(errors.errors.len(), expected.len(), "{found}");
    for (error, (line, key, fragment)) in errors.errors.iter().zip(expected) {
        let at = text.lines().nth(error.line - 1).unwrap_or_default();
        assert!(at.starts_with(line), "at {at:?}: {found}");
        assert_eq!(error.key, *key, "{found}");
        let said = format!("{}; {}", error.message, error.remedy);
        assert!(said.contains(fragment), "{said}");
        assert_eq!(error.severity, Severity::Error);
        // It renders: no span lies outside of the text.
        miette::NarratableReportHandler::new()
            .render_report(&mut String::new(), error)
            .unwrap();
    }
}

#[test]
fn a_small_file_is_enough() {
    let dir = town();
    let config = load(&dir, BASE).unwrap();
    // Of the unsigned grants alone.
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert_eq!(config.limits.max_requests, 64);
    assert_eq!(config.limits.max_body, 65_536);
    assert_eq!(config.limits.deadlines.edge(), Duration::from_secs(20));
    assert_eq!(config.limits.deadlines.fan_out(), Duration::from_secs(15));
    assert_eq!(config.limits.max_requests_per_member, 64);
    assert_eq!(config.listener.max_connections_per_member, 256);
    assert_eq!(config.listener.max_connections_per_address, 512);
    assert_eq!(config.admin.to_string(), "127.0.0.1:9901");
    assert_eq!(config.drain.grace, Duration::from_secs(25));
    assert_eq!(config.time_zone.iana_name(), Some("Asia/Jakarta"));
    assert_eq!(config.audit.subject_key.expose().len(), 33);
    assert_eq!(config.audit.origin, "loket.example/audit");
    assert!(config.audit.keys().is_ok());
    assert_eq!(config.audit.commit_interval, Duration::from_millis(1));
    assert_eq!(config.directory.grants().len(), 1);
}

#[test]
fn entries_are_kept_for_ever_or_for_a_term() {
    let dir = town();
    let read = |term: &str| {
        let line = format!("directory = \"audit\"\n{term}");
        let text = patched(&[("directory = \"audit\"", &line)]);
        load(&dir, &text).unwrap().audit.retention
    };
    assert_eq!(read(""), None);
    let hours = |hours| Some(jiff::SignedDuration::from_hours(hours));
    assert_eq!(read("retention = \"4 days\""), hours(96));
    assert_eq!(read("retention = \"5 years\""), hours(5 * 8766));
}

/// What one may hold follows from what all may.
#[test]
fn shares_of_connections_follow() {
    let dir = town();
    let text = patched(&[("[listener]", "[listener]\nmax_connections = 6")]);
    let listener = load(&dir, &text).unwrap().listener;
    assert_eq!(listener.max_connections_per_member, 2);
    assert_eq!(listener.max_connections_per_address, 3);
}

#[test]
fn what_is_written_wrong_is_found() {
    check(
        &[("max_requests", "max_request")],
        &[(
            "max_request ",
            "limits.max_request",
            "did you mean max_requests?",
        )],
    );
    check(
        &[("max_requests = 64", "max_requests = \"S3CRET\"")],
        &[(
            "max_requests",
            "limits.max_requests",
            "write a whole number",
        )],
    );
    check(
        &[("mode = \"read\"", "mode = \"raed\"")],
        &[("mode", "grants[0].mode", "did you mean read?")],
    );
    check(
        &[("valid_from = 2020-01-01", "valid_from = \"1/2/20\"")],
        &[("valid_from", "grants[0].valid_from", "a date such as")],
    );
    check(
        &[("fields = [\"npwp\"]", "fields = \"some\"")],
        &[("fields", "grants[0].fields", "the word \"all\"")],
    );
    check(
        &[("[[sources]]", "[[source]]")],
        &[
            ("[[source]]", "source", "did you mean sources?"),
            ("source =", "grants[0].source", "no source of djp"),
        ],
    );
    check(
        &[("[limits]", "[limits")],
        &[("[limits", "", "unclosed table")],
    );
    check(
        &[("[listener]\naddress = \"127.0.0.1:8443\"\n", "")],
        &[("", "listener", "no table [listener]")],
    );
}

#[test]
fn what_is_wrong_in_a_system_is_found_there() {
    let id = "id = \"counter\"";
    check(
        &[(id, "id = \"counter\"\nmal = \"x\"")],
        &[("mal", "members[0].systems[0].mal", "did you mean mall?")],
    );
    check(
        &[(id, "id = \"C\"")],
        &[("id", "members[0].systems[0].id", "lower-case")],
    );
    check(
        &[(id, &format!("{id}\nmall = \"mpp-3510\""))],
        &[("mall", "members[0].systems[0].mall", "ID-35.10")],
    );
    check(
        &[(id, "mall = \"x\"")],
        &[(
            "[[members.systems]]",
            "members[0].systems[0].id",
            "id is missing",
        )],
    );
}

#[test]
fn what_means_nothing_is_found() {
    check(
        &[(
            "trust_domain = \"loket.example\"",
            "trust_domain = \"Loket\"",
        )],
        &[(
            "trust_domain",
            "gateway.trust_domain",
            "isn't the trust domain",
        )],
    );
    check(
        &[("address = \"127.0.0.1:8443\"", "address = \"localhost\"")],
        &[("address", "listener.address", "IP address with a port")],
    );
    check(
        &[(
            "[limits]",
            "[admin]\naddress = \"127.0.0.1:8443\"\n[limits]",
        )],
        &[("address", "admin.address", "public listener")],
    );
    check(
        &[("max_requests = 64", "max_requests = 0")],
        &[("max_requests", "limits.max_requests", "isn't between 1 and")],
    );
    check(
        &[("max_requests = 64", "stale_for = \"soon\"")],
        &[("stale_for", "limits.stale_for", "isn't a duration")],
    );
    check(
        &[("https://coretax", "http://coretax")],
        &[("url", "sources[0].url", "https URL")],
    );
    check(
        &[(
            "url = \"https://coretax.example:8443\"",
            "url = \"nowhere\"",
        )],
        &[("url", "sources[0].url", "https URL")],
    );
    let url = "url = \"https://coretax.example:8443\"";
    let wrong = [
        ("endpoints = []", "endpoints", "1 to 64"),
        (
            "endpoints = [\"https://a\", \"http://b\"]",
            "endpoints",
            "https URL",
        ),
        (
            "endpoints = [\"https://a\", \"https://a\"]",
            "endpoints",
            "twice",
        ),
        (
            "url = \"https://a\"\nendpoints = [\"https://b\"]",
            "endpoints",
            "beside",
        ),
        (
            "url = \"https://a\"\nhealth_interval = \"1s\"",
            "health_interval",
            "no `health_path`",
        ),
        (
            "url = \"https://a\"\nhealth_path = \"health\"",
            "health_path",
            "isn't a path",
        ),
        (
            "url = \"https://a\"\nretry_percent = 101",
            "retry_percent",
            "between 0 and 100",
        ),
        (
            "url = \"https://a\"\nhedge_after = \"0s\"",
            "hedge_after",
            "isn't between 1ms",
        ),
    ];
    for (text, key, message) in wrong {
        check(
            &[(url, text)],
            &[(key, &format!("sources[0].{key}"), message)],
        );
    }
    check(
        &[("id = \"counter\"", "id = \"counter\"\npins = [\"abc\"]")],
        &[("pins", "members[0].systems[0].pins", "SHA-256")],
    );
    check(
        &[(
            "purposes = [\"business_licence\"]",
            "purposes = [\"business_license\"]",
        )],
        &[(
            "purposes",
            "grants[0].purposes",
            "did you mean business_licence?",
        )],
    );
    check(
        &[(
            "state = \"active\"",
            "state = \"active\"\nonward_transfer = true",
        )],
        &[("onward_transfer", "grants[0].onward_transfer", "third part")],
    );
}

#[test]
fn time_that_nobody_can_keep_is_found() {
    check(
        &[("max_requests = 64", "body_timeout = \"0s\"")],
        &[("body_timeout", "limits.body_timeout", "isn't between 1ms")],
    );
    check(
        &[("records = [", "timeout = \"2h\"\nrecords = [")],
        &[("timeout", "sources[0].timeout", "the default is 2.5s")],
    );
    check(
        &[("max_requests = 64", "fan_out_deadline = \"100ms\"")],
        &[(
            "fan_out_deadline",
            "limits.fan_out_deadline",
            "a lookup may ask for",
        )],
    );
}

#[test]
fn what_does_not_fit_together_is_found() {
    check(
        &[("record = \"taxpayer/1\"", "record = \"taxpayer/9\"")],
        &[
            ("source", "grants[0].source", "serves taxpayer/9"),
            ("record", "grants[0].record", "no schema of taxpayer/9"),
        ],
    );
    check(
        &[("fields = [\"npwp\"]", "fields = [\"npwpx\"]")],
        &[("fields", "grants[0].fields", "no field npwpx")],
    );
    check(
        &[("valid_to = \"2099-12-31\"", "valid_to = 2019-01-01")],
        &[("valid_to", "grants[0].valid_to", "before the first")],
    );
    check(
        &[("consumer = \"dukcapil\"", "consumer = \"ducapil\"")],
        &[("consumer", "grants[0].consumer", "isn't a member")],
    );
    let twice =
        "[[members]]\nid = \"dukcapil\"\nname = \"Twice\"\nrequests_per_second = 1\n[[sources]]";
    check(
        &[("[[sources]]", twice)],
        &[("id", "members[1].id", "named twice")],
    );
    check(
        &[(
            "max_requests = 64",
            "fan_out_deadline = \"10s\"\nedge_deadline = \"10400ms\"",
        )],
        &[(
            "fan_out_deadline",
            "limits.fan_out_deadline",
            "raise edge_deadline",
        )],
    );
    // A grant isn't blamed for a member that couldn't be read.
    check(
        &[("requests_per_second = 10", "requests_per_second = 0")],
        &[(
            "requests_per_second",
            "members[0].requests_per_second",
            "lets nothing through",
        )],
    );
}

const SERVICE: &str = "
[[services]]
agency = \"dukcapil\"
service = \"population\"
system = \"siak\"
url = \"https://siak.loket.example:8444/api\"
http = \"2\"
first_byte_timeout = \"5s\"
[[service_grants]]
grant_id = \"call\"
agreement = \"PKS/1\"
consumer = \"dukcapil\"
agency = \"dukcapil\"
service = \"population\"
methods = [\"GET\", \"POST\"]
paths = [\"/people/*/status\", \"/open/**\"]
daily_quota = 10
valid_from = 2026-01-01
valid_to = 2098-12-31
state = \"active\"
[[sources]]";

#[test]
fn services_and_their_grants_are_read() {
    let dir = town();
    let config = load(&dir, &patched(&[("[[sources]]", SERVICE)])).unwrap();
    let [service] = config.directory.services() else {
        panic!("one service");
    };
    assert_eq!(service.first_byte_timeout, Duration::from_secs(5));
    assert_eq!(service.stall_timeout, Duration::from_secs(30));
    let [grant] = config.directory.service_grants() else {
        panic!("one grant");
    };
    assert_eq!(grant.methods, [http::Method::GET, http::Method::POST]);
    assert_eq!(grant.paths[0].as_str(), "/people/*/status");
}

#[test]
fn what_is_wrong_in_a_service_is_found() {
    let wrong = |from: &str, to: &str, expected: (&str, &str, &str)| {
        let service = SERVICE.replace(from, to);
        assert_ne!(service, SERVICE);
        check(&[("[[sources]]", service.as_str())], &[expected]);
    };
    wrong(
        "\"POST\"]",
        "\"CONNECT\"]",
        ("methods =", "service_grants[0].methods", "isn't a method"),
    );
    wrong(
        "\"/open/**\"]",
        "\"/open/../x\"]",
        ("paths =", "service_grants[0].paths", "isn't a path pattern"),
    );
    wrong(
        "service = \"population\"\nmethods",
        "service = \"other\"\nmethods",
        (
            "service =",
            "service_grants[0].service",
            "has no service other",
        ),
    );
    wrong(
        "first_byte_timeout = \"5s\"",
        "first_byte = \"5s\"",
        ("first_byte", "services[0].first_byte", ""),
    );
    wrong(
        "first_byte_timeout = \"5s\"",
        "stall_timeout = \"0s\"",
        (
            "stall_timeout",
            "services[0].stall_timeout",
            "isn't between",
        ),
    );
}

#[test]
fn files_that_cannot_serve_are_found() {
    check(
        &[("client_ca = \"ca.pem\"", "client_ca = \"nowhere.pem\"")],
        &[(
            "client_ca",
            "tls.client_ca",
            "nowhere.pem can't be read: entity not found",
        )],
    );
    check(
        &[("client_ca = \"ca.pem\"", "client_ca = \"gateway-back.pem\"")],
        &[(
            "client_ca",
            "tls.client_ca",
            "isn't an authority's certificate",
        )],
    );
    check(
        &[("key = \"gateway-front.key\"\n", "")],
        &[("[tls]", "tls.key", "TLS is mutual or not at all")],
    );
    check(
        &[("key = \"gateway-front.key\"", "key = \"gateway-back.key\"")],
        &[("key", "tls.key", "certificate and key")],
    );
    check(
        &[("revocation_lists = []\n", "")],
        &[("[upstream]", "upstream.revocation_lists", "[] says")],
    );
    check(
        &[("revocation_lists = []", "revocation_lists = [\"ca.pem\"]")],
        &[(
            "revocation_lists",
            "upstream.revocation_lists",
            "no revocation list",
        )],
    );
    check(
        &[("directory = \"audit\"", "directory = \"ca.pem\"")],
        &[("directory", "audit.directory", "isn't a directory")],
    );
    check(
        &[(
            "subject_key_file = \"subject.key\"",
            "subject_key_file = \"ca.pem\"",
        )],
        &[(
            "subject_key_file",
            "audit.subject_key_file",
            "open to every user",
        )],
    );
    check(
        &[("[\"audit.key\"]", "[\"crl.pem\"]")],
        &[(
            "signing_key_files",
            "audit.signing_key_files",
            "open to every user",
        )],
    );
    check(
        &[("[\"audit.key\"]", "[\"gateway-front.key\"]")],
        &[("signing_key_files", "audit.signing_key_files", "Ed25519")],
    );
    check(
        &[("[\"audit.key\"]", "[]")],
        &[(
            "signing_key_files",
            "audit.signing_key_files",
            "names 0 keys",
        )],
    );
    check(
        &[("[\"audit.key\"]", "[\"audit.key\"]\norigin = \"a log\"")],
        &[("origin", "audit.origin", "a space or a plus")],
    );
    check(
        &[(
            "[\"audit.key\"]",
            "[\"audit.key\"]\nverifier_keys = [\"x\"]",
        )],
        &[("verifier_keys", "audit.verifier_keys", "isn't a public key")],
    );
    for (term, found) in [
        ("3 days", "is too short"),
        ("95h", "isn't a term"),
        ("-5 years", "isn't a term"),
        ("2000 years", "isn't a term"),
    ] {
        let line = format!("directory = \"audit\"\nretention = \"{term}\"");
        check(
            &[("directory = \"audit\"", &line)],
            &[("retention", "audit.retention", found)],
        );
    }
    check(
        &[
            ("[gateway]", "holds_file = \"crl.pem\"\n[gateway]"),
            ("revocation_lists = [\"crl.pem\"]", "revocation_lists = []"),
        ],
        &holds_of_pem(),
    );
}

#[test]
fn a_list_of_another_authority_is_found() {
    let dir = town();
    let elsewhere = tempfile::tempdir().unwrap();
    Authority::init(elsewhere.path(), "loket.example").unwrap();
    fs::copy(
        elsewhere.path().join("crl.pem"),
        dir.path().join("other.pem"),
    )
    .unwrap();
    let text = patched(&[("[\"crl.pem\"]", "[\"crl.pem\", \"other.pem\"]")]);
    let found = load(&dir, &text).unwrap_err().to_string();
    for part in ["tls.revocation_lists", "signed by no key of that name"] {
        assert!(found.contains(part), "{part}: {found}");
    }
}

/// The list has as many lines that are no references as the file has.
fn holds_of_pem() -> Vec<(&'static str, &'static str, &'static str)> {
    let dir = town();
    let lines = fs::read_to_string(dir.path().join("crl.pem"))
        .unwrap()
        .lines()
        .count();
    vec![("", "holds_file", "isn't a subject_ref"); lines]
}

#[test]
fn everything_is_reported_at_once() {
    check(
        &[
            ("trust_domain = \"loket.example\"", "trust_domain = \"\""),
            ("max_requests", "max_request"),
            ("client_ca = \"ca.pem\"", "client_ca = \"a.pem\""),
            ("server_ca = \"ca.pem\"", "server_ca = \"b.pem\""),
            ("https://", "ftp://"),
            ("fields = [\"npwp\"]", "fields = []"),
        ],
        &[
            ("trust_domain", "gateway.trust_domain", ""),
            ("client_ca", "tls.client_ca", ""),
            ("server_ca", "upstream.server_ca", ""),
            ("max_request ", "limits.max_request", ""),
            ("url", "sources[0].url", ""),
            ("fields", "grants[0].fields", ""),
        ],
    );
}

#[test]
fn no_secret_is_ever_shown() {
    let pem = "\"\"\"\n-----BEGIN PRIVATE KEY-----\nMIGHS3CRET\n-----END PRIVATE KEY-----\n\"\"\"";
    let long = "S3CRET".repeat(6);
    for (from, to) in [
        ("key = \"gateway-front.key\"", format!("key = {pem}")),
        (
            "subject_key_file = \"subject.key\"",
            format!("subject_key_file = \"{long}\""),
        ),
        (
            "subject_key_file = \"subject.key\"",
            format!("subject_key = \"{long}\""),
        ),
        (
            "subject_key_file = \"subject.key\"",
            format!("subject_key_file = [\"{long}\"]"),
        ),
        (
            "subject_key_file = \"subject.key\"",
            format!("subject_key_file = \"{long}"),
        ),
        ("max_requests = 64", format!("max_requests = \"{long}\"")),
    ] {
        let errors = load(&town(), &patched(&[(from, &to)]))
            .map(drop)
            .unwrap_err();
        let json = serde_json::to_string(&errors).unwrap();
        let shown = format!("{errors}\n{json}\n");
        assert!(!shown.contains("S3CRET"), "{shown}");
        let mut report = String::new();
        miette::GraphicalReportHandler::new()
            .render_report(&mut report, &errors)
            .unwrap();
        let key_line = to.contains("key");
        assert!(!key_line || !report.contains("S3CRET"), "{report}");
    }
    let dir = town();
    let config = load(&dir, BASE).unwrap();
    assert!(
        !format!("{config:?}").contains("94, 196, 231"),
        "the subject key is in Debug"
    );
    secret(&dir.path().join("subject.key"), "S3CRET");
    let errors = load(&dir, BASE).map(drop).unwrap_err().to_string();
    assert!(
        errors.contains("less than 32 bytes") && !errors.contains("S3CRET"),
        "{errors}"
    );
}

#[test]
fn the_fan_out_ends_before_the_edge() {
    let ms = Duration::from_millis;
    assert!(Deadlines::new(ms(2_000), ms(1_500)).is_ok());
    let usual = Deadlines::default();
    assert_eq!(Deadlines::new(usual.edge(), usual.fan_out()), Ok(usual));
    assert!(Deadlines::new(ms(2_000), ms(1_501)).is_err());
    assert!(Deadlines::new(Duration::MAX, Duration::MAX).is_err());
}

#[test]
fn answers_are_kept_beside_the_log() {
    let dir = town();
    let replay = |table: &str| {
        load(&dir, &format!("{BASE}\n[replay]\n{table}"))
            .unwrap()
            .replay
    };
    let usual = load(&dir, BASE).unwrap().replay.unwrap();
    assert_eq!(usual, ReplaySettings::at(dir.path().join("audit-replay")));
    assert_eq!(replay("").unwrap(), usual);
    assert_eq!(replay("enabled = false"), None);
    let other = replay("directory = \"kept\"\nmax_mib = 2\nmax_entries = 5000\nrequire_key = true");
    let other = other.unwrap();
    assert_eq!(other.directory, dir.path().join("kept"));
    assert_eq!((other.max_bytes, other.max_entries), (2 << 20, 5000));
    assert!(other.require_key);
    for (table, key, fragment) in [
        (
            "directory = \"audit\"",
            "replay.directory",
            "is the audit log's",
        ),
        (
            "directory = \"ca.pem\"",
            "replay.directory",
            "isn't a directory",
        ),
        (
            "max_mib = 0",
            "replay.max_mib",
            "isn't between 1 and 1048576",
        ),
        (
            "max_entries = 9",
            "replay.max_entries",
            "isn't between 1000",
        ),
    ] {
        let table = format!("[replay]\n{table}\n\n[[members]]");
        let line = table.lines().nth(1).unwrap();
        check(&[("[[members]]", &table)], &[(line, key, fragment)]);
    }
}
