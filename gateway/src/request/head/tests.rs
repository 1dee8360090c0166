use http::{HeaderValue, Request};

use super::*;

fn head(version: Version, method: &str, target: &str, fields: &[(&str, &[u8])]) -> Parts {
    let (mut head, ()) = Request::new(()).into_parts();
    head.version = version;
    head.method = method.parse().unwrap();
    head.uri = target.parse().unwrap();
    for (name, value) in fields {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        let value = HeaderValue::from_bytes(value).unwrap();
        head.headers.append(name, value);
    }
    head
}

#[track_caller]
fn check(version: Version, target: &str, fields: &[(&str, &[u8])], expected: bool) {
    let head = head(version, "GET", target, fields);
    assert_eq!(clear(&head).is_ok(), expected, "{target} {fields:?}");
}

fn host(value: &[u8]) -> [(&str, &[u8]); 1] {
    [("host", value)]
}

#[test]
fn exactly_one_host() {
    check(Version::HTTP_11, "/", &[], false);
    check(Version::HTTP_11, "/", &host(b"loket.example"), true);
    check(
        Version::HTTP_11,
        "/",
        &[host(b"a")[0], host(b"a")[0]],
        false,
    );
    check(
        Version::HTTP_11,
        "/",
        &[host(b"a")[0], host(b"b")[0]],
        false,
    );
    check(Version::HTTP_10, "/", &[], true);
    check(Version::HTTP_10, "/", &host(b"a b"), false);
    check(Version::HTTP_2, "/", &[], false);
    check(Version::HTTP_2, "https://loket.example/", &[], true);
}

#[test]
fn a_host_is_a_name_or_an_address() {
    let good: [&[u8]; 6] = [
        b"localhost",
        b"Loket.example:8443",
        b"10.0.0.1",
        b"[::1]",
        b"[2001:db8::1]:8443",
        b"a_b.example",
    ];
    for value in good {
        check(Version::HTTP_11, "/", &host(value), true);
    }
    let bad: [&[u8]; 14] = [
        b"",
        b" ",
        b"a b",
        b"a, b",
        b"a\tb",
        b"me@loket.example",
        b"me:secret@loket.example",
        b"loket.example/x",
        b"loket.example?x",
        b"loket.example#x",
        b"loket.example:port",
        b":8443",
        b"\xff",
        b"%6coket.example",
    ];
    for value in bad {
        check(Version::HTTP_11, "/", &host(value), false);
    }
}

#[test]
fn the_target_and_the_host_agree() {
    let url = "https://loket.example/v1/catalogue";
    for version in [Version::HTTP_11, Version::HTTP_2] {
        check(version, url, &host(b"loket.example"), true);
        check(version, url, &host(b"LOKET.example"), true);
        check(version, url, &host(b"other.example"), false);
        check(version, url, &host(b"loket.example:8443"), false);
    }
    check(Version::HTTP_11, url, &[], false);
    check(Version::HTTP_2, "https://me@loket.example/", &[], false);
    check(
        Version::HTTP_11,
        "http://loket.example/",
        &host(b"loket.example"),
        false,
    );
    check(
        Version::HTTP_2,
        "ftp://loket.example/",
        &host(b"loket.example"),
        false,
    );
}

#[test]
fn no_tunnels() {
    let connect = head(
        Version::HTTP_11,
        "CONNECT",
        "loket.example:443",
        &host(b"loket.example:443"),
    );
    assert!(clear(&connect).is_err());
    let fields: [(&str, &[u8]); 2] = [("host", b"a"), ("upgrade", b"websocket")];
    check(Version::HTTP_11, "/", &fields, false);
}

#[test]
fn a_path_hides_nothing() {
    for (target, expected) in [
        ("/v1/catalogue?a=b%20c", true),
        ("/v1/%63atalogue", true),
        ("/%E2%82%AC", true),
        ("*", true),
        ("/%", false),
        ("/%4", false),
        ("/%zz", false),
        ("/%00", false),
        ("/%0d%0a", false),
        ("/%7f", false),
        ("/%c2%85", false),
        ("/%ff", false),
        ("/%c0%af", false),
        ("/\u{20ac}", false),
        ("/?%0A", false),
    ] {
        check(Version::HTTP_11, target, &host(b"a"), expected);
    }
}

#[test]
fn not_too_many_fields() {
    for (more, expected) in [(MAX_FIELDS - 1, true), (MAX_FIELDS, false)] {
        let mut fields = vec![host(b"a")[0]];
        fields.extend((0..more).map(|_| ("x", &b"1"[..])));
        check(Version::HTTP_11, "/", &fields, expected);
    }
}
