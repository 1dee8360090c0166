use std::time::Duration;

use super::super::{AuditStore, Database};
use super::{check, fs, load, patched, secret, town};

const FILES: &str = "directory = \"audit\"";
const REMOTE: &str = r#"postgres = { host = "db.example", database = "audit", password_file = "db.password", user = "gw", ca = "ca.pem" }"#;

#[test]
fn a_database_may_stand_for_the_directory() {
    let dir = town();
    secret(&dir.path().join("db.password"), "right-horse\n");
    let read = |text: &str| match load(&dir, text) {
        Ok(config) => match config.audit.store {
            AuditStore::Postgres(database) => database,
            AuditStore::Files { .. } => panic!("it is a database"),
        },
        Err(errors) => panic!("{errors}"),
    };
    let socket = patched(&[(
        FILES,
        r#"postgres = { host = "/run/postgresql", database = "audit", user = "gw" }"#,
    )]);
    let expected = Database::behind("/run/postgresql".as_ref(), "audit", "gw");
    assert_eq!(read(&socket), expected);
    let remote = read(&patched(&[(FILES, REMOTE)]));
    assert_eq!(remote.password.as_ref().unwrap().expose(), b"right-horse");
    assert_eq!(
        remote.authorities,
        Some(fs::read(dir.path().join("ca.pem")).unwrap())
    );
    assert!(!format!("{remote:?}").contains("horse"));
    assert_ne!(remote, expected);
    let times = REMOTE.replace(
        "user",
        r#"connect_timeout = "1s", statement_timeout = "5s", user"#,
    );
    let times = read(&patched(&[(FILES, &times)]));
    assert_eq!(times.connect_timeout, Duration::from_secs(1));
    assert_eq!(times.statement_timeout, Duration::from_secs(5));
}

#[test]
fn what_is_wrong_with_a_database_is_found() {
    let remote = |from: &str, to: &str| {
        REMOTE
            .replace(from, to)
            .replace(r#"password_file = "db.password", "#, "")
    };
    let two = format!("{FILES}\n{}", remote("", ""));
    check(
        &[(FILES, &two)],
        &[("postgres", "audit.postgres", "second place")],
    );
    check(
        &[(FILES, "")],
        &[("[audit]", "audit.directory", "no place for the log")],
    );
    let no_ca = remote(r#", ca = "ca.pem""#, "");
    check(
        &[(FILES, &no_ca)],
        &[("postgres", "audit.postgres", "another machine")],
    );
    let socket = remote("db.example", "/run/postgresql");
    check(
        &[(FILES, &socket)],
        &[("postgres", "audit.postgres.ca", "no TLS over a socket")],
    );
    let segments = format!("{}\nsegment_mib = 64", remote("", ""));
    check(
        &[(FILES, &segments)],
        &[("segment_mib", "audit.segment_mib", "no segments")],
    );
    let secret = remote("user", r#"password = "right-horse", user"#);
    check(
        &[(FILES, &secret)],
        &[(
            "postgres",
            "audit.postgres.password",
            "there is no key password",
        )],
    );
    let open = remote("user", r#"password_file = "ca.pem", user"#);
    check(
        &[(FILES, &open)],
        &[(
            "postgres",
            "audit.postgres.password_file",
            "open to every user",
        )],
    );
    let key = remote("ca.pem", "audit.key");
    check(
        &[(FILES, &key)],
        &[("postgres", "audit.postgres.ca", "no certificates")],
    );
    let name = remote(r#"database = "audit""#, r#"database = """#);
    check(
        &[(FILES, &name)],
        &[("postgres", "audit.postgres.database", "is empty")],
    );
    let port = remote("user", "port = 0, user");
    check(
        &[(FILES, &port)],
        &[(
            "postgres",
            "audit.postgres.port",
            "isn't between 1 and 65535",
        )],
    );
    let long = remote("user", r#"statement_timeout = "2m", user"#);
    check(
        &[(FILES, &long)],
        &[(
            "postgres",
            "audit.postgres.statement_timeout",
            "isn't between",
        )],
    );
}
