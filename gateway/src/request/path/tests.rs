use proptest::prelude::*;

use super::*;

fn read(path: &str) -> Result<String, &'static str> {
    let raw = path.strip_prefix('/').into_iter();
    let raw = raw.filter(|rest| !rest.is_empty());
    canonical(raw.flat_map(|rest| rest.split('/'))).map_err(|refusal| match refusal {
        Refusal::BadTarget(why) => why,
        other => panic!("{other:?}"),
    })
}

#[track_caller]
fn accept(path: &str, expected: &str) {
    assert_eq!(read(path).as_deref(), Ok(expected), "{path}");
}

#[track_caller]
fn refuse(path: &str, expected: &str) {
    let why = read(path).unwrap_err();
    assert!(why.contains(expected), "{path}: {why}");
}

#[test]
fn a_canonical_path_stays_as_it_is_and_others_become_so() {
    accept("/", "/");
    accept("/people/3510/status", "/people/3510/status");
    accept("/a-b._~/c", "/a-b._~/c");
    accept("/%61%2Db", "/a-b");
    accept("/caf%c3%a9", "/caf%C3%A9");
    accept("/a;v=1,2/b:c@d", "/a;v=1,2/b:c@d");
    // Reserved characters mean something else escaped than bare.
    accept("/a%3bb/%2a", "/a%3Bb/%2A");
    accept("/100%25/x", "/100%25/x");
    accept("/.../..a/a..", "/.../..a/a..");
    accept("/%20a", "/%20a");
}

#[test]
fn what_back_ends_read_in_several_ways_is_refused() {
    for dots in [
        "/a/../b",
        "/./a",
        "/a/..",
        "/%2e%2e/a",
        "/%2E./a",
        "/.%2e",
        "/..;x/a",
        "/..%3bx/a",
        "/.;/a",
        "/a/..%20/b",
    ] {
        refuse(dots, "dot segment");
    }
    for empty in ["//a", "/a//b", "/a/", "/;x/a", "/a/%20", "/%3b"] {
        refuse(empty, "empty segment");
    }
    for slash in ["/a%2fb", "/a%2Fb", "/a%5cb", "/..%2f..", "/..%5c"] {
        refuse(slash, "slash");
    }
    for control in ["/a%00", "/%0d%0ab", "/a%7f", "/a%c2%85"] {
        refuse(control, "control character");
    }
    for bad in ["/a%", "/a%2", "/a%zz", "/a%+1"] {
        refuse(bad, "percent sign");
    }
    for bare in [
        "/a\\b",
        "/caf\u{e9}",
        "/a b",
        "/{a}",
        "/a\"",
        "/a|b",
        "/a^",
        "/<a>",
    ] {
        refuse(bare, "has to be percent-encoded");
    }
    for other in ["/%ff", "/%c0%af", "/%c0%ae%c0%ae", "/%ed%a0%80"] {
        refuse(other, "UTF-8");
    }
    for twice in ["/%252e%252e", "/a%252fb", "/a%25%32%66"] {
        refuse(twice, "twice");
    }
    refuse(&"/a".repeat(MAX_SEGMENTS + 1), "too long");
    refuse(&format!("/{}", "a".repeat(MAX_PATH)), "too long");
}

#[test]
fn a_query_is_bounded_and_has_no_control_characters() {
    let refused = |query: &str| check_query(query).is_err();
    for good in ["", "a=b&c=d%20e", "q=caf%C3%A9", "a=/?b", "x={y}"] {
        assert!(!refused(good), "{good}");
    }
    for bad in ["a=%0d%0aX: y", "a=%00", "a=\u{e9}", "a=%", "a=%g0", "a=%7F"] {
        assert!(refused(bad), "{bad}");
    }
    assert!(refused(&"a".repeat(MAX_QUERY + 1)));
}

/// Segments of what attackers write, more often than chance would.
fn paths() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("%2e".to_owned()),
        Just("%2F".to_owned()),
        Just("%5c".to_owned()),
        Just("%25".to_owned()),
        Just("..".to_owned()),
        Just("/".to_owned()),
        Just(";".to_owned()),
        "[a-zA-Z0-9._~%;*-]{1,3}",
        any::<u8>().prop_map(|byte| format!("%{byte:02x}")),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn decode(segment: &str) -> Vec<u8> {
    let mut bytes = segment.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'%' => escaped(&mut bytes).unwrap(),
            byte => byte,
        });
    }
    plain
}

proptest! {
    #[test]
    fn what_is_accepted_reads_the_same_again_and_hides_nothing(path in paths()) {
        let Ok(canonical) = read(&path) else { return Ok(()) };
        prop_assert_eq!(read(&canonical), Ok(canonical.clone()));
        prop_assert!(canonical.bytes().all(|byte| byte.is_ascii_graphic()));
        if canonical == "/" {
            return Ok(());
        }
        let mut decoded = Vec::new();
        for segment in canonical[1..].split('/') {
            let plain = decode(segment);
            prop_assert!(!plain.is_empty() && plain != b"." && plain != b"..");
            prop_assert!(!plain.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0..=31 | 127)));
            prop_assert!(std::str::from_utf8(&plain).is_ok());
            decoded.push(plain);
        }
        // Nothing was lost or added on the way.
        let before: Vec<_> = path[1..].split('/').map(decode).collect();
        prop_assert_eq!(decoded, before);
    }
}
