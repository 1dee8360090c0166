//! The architecture's invariants that the source text itself can show.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Every Rust file below, with its path from there; `tests.rs`, `tests/` and what follows
/// `#[cfg(test)]` left out.
fn sources(of: &str) -> Vec<(String, String)> {
    fn walk(at: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(at).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if name == "tests" {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    let root = workspace().join(of);
    let mut found = Vec::new();
    walk(&root, &mut found);
    found.sort();
    assert!(!found.is_empty(), "{of} has files");
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap().to_owned();
            let name = path
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            (name, code)
        })
        .collect()
}

/// The code without comments, which may say what they like.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Files of a crate that have one of the words in their code.
fn files_with(of: &str, words: &[&str]) -> BTreeSet<String> {
    sources(of)
        .into_iter()
        .filter(|(_, text)| {
            let code = code(text);
            words.iter().any(|word| code.contains(word))
        })
        .map(|(name, _)| name)
        .collect()
}

fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}

/// Invariant 1.
#[test]
fn pure_rooms_do_no_io_and_wait_for_nothing() {
    let pure = [
        "grants.rs",
        "policy.rs",
        "minimise.rs",
        "findings.rs",
        "refusal.rs",
    ];
    let words = [
        "async ",
        ".await",
        "tokio",
        "std::fs",
        "std::net",
        "std::io",
        "std::env",
        "SystemTime",
        "Timestamp::now",
    ];
    for (name, text) in sources("gateway/src") {
        let is_pure = pure.iter().any(|pure| {
            let folder = format!("{}/", pure.trim_end_matches(".rs"));
            name == *pure || name.starts_with(&folder)
        });
        if is_pure {
            let code = code(&text);
            for word in words {
                assert!(!code.contains(word), "{name} has {word}");
            }
        }
    }
    for (name, text) in sources("schemas/src") {
        for word in words {
            assert!(!code(&text).contains(word), "schemas/{name} has {word}");
        }
    }
}

/// Invariant 2: status codes. The admin listener has answers of its own; the upstream reads those
/// of agencies and witnesses, the operator's commands those of the admin listener; telemetry names them;
/// the open document lists them.
#[test]
fn only_reply_knows_status_codes() {
    let knowing = files_with("gateway/src", &["StatusCode", ".status_mut()"]);
    assert_eq!(
        knowing,
        names(&[
            "admin.rs",
            "admin/agencies.rs",
            "admin/traces.rs",
            "commands/admin.rs",
            "commands/operate.rs",
            "commands/top.rs",
            "commands/trace.rs",
            "reply.rs",
            "upstream/ask.rs",
            "upstream/failure.rs",
            "witness.rs"
        ])
    );
}

/// Invariant 2: certificates. The commands make them, and read them through the SDK.
#[test]
fn only_identity_reads_certificates() {
    assert_eq!(
        files_with("sdk/src", &["x509_parser"]),
        names(&["identity.rs", "identity/list.rs", "identity/standing.rs"])
    );
    assert_eq!(files_with("gateway/src", &["x509_parser"]), BTreeSet::new());
    let making = files_with("gateway/src", &["rcgen"]);
    assert!(
        making.iter().all(|name| name.starts_with("commands/pki")),
        "{making:?}"
    );
}

/// Invariant 2: names of spans, metrics and fields.
#[test]
fn only_telemetry_names_signals() {
    let naming = files_with(
        "gateway/src",
        &["KeyValue::new", "opentelemetry::", "prometheus::"],
    );
    let elsewhere: Vec<&String> = naming
        .iter()
        .filter(|name| !name.starts_with("telemetry"))
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
}

/// Invariant 3: a room imports no later one. The order is that of `lib.rs`.
#[test]
fn no_room_imports_a_later_room() {
    let sources = sources("gateway/src");
    let (_, lib) = sources.iter().find(|(name, _)| name == "lib.rs").unwrap();
    let order: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert!(order.len() > 20, "{order:?}");
    let place = |room: &str| order.iter().position(|known| *known == room);
    let mut wrong = Vec::new();
    for (name, text) in &sources {
        let room = name.split(['/', '.']).next().unwrap();
        let Some(at) = place(room) else { continue };
        let code = code(text);
        let mentions = code.split("crate::").skip(1).flat_map(rooms_named);
        for other in mentions {
            if place(&other).is_some_and(|later| later > at) {
                wrong.push(format!("{room} imports {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// `audit::Entry…` names `audit`; `{answer, audit}` names both.
fn rooms_named(rest: &str) -> Vec<String> {
    let word = |text: &str| {
        let end = text.find(|c: char| !(c.is_ascii_lowercase() || c == '_'));
        text[..end.unwrap_or(text.len())].to_owned()
    };
    match rest.strip_prefix('{') {
        None => vec![word(rest)],
        Some(list) => {
            let list = list.split('}').next().unwrap();
            list.split(',').map(|item| word(item.trim())).collect()
        }
    }
}

/// Invariant 3: crates import in one direction.
#[test]
fn crates_import_downwards() {
    let order = ["schemas", "sdk", "gateway", "examples", "tests"];
    for (at, of) in order.iter().enumerate() {
        let manifest = fs::read_to_string(workspace().join(of).join("Cargo.toml")).unwrap();
        for later in &order[at + 1..] {
            for line in manifest.lines() {
                let named = line.starts_with(&format!("loket-{later}"));
                assert!(!named, "{of} depends on {later}");
            }
        }
    }
}

#[test]
fn main_is_short() {
    let main = fs::read_to_string(workspace().join("gateway/src/main.rs")).unwrap();
    assert!(main.lines().count() < 120);
}

/// Invariant 11: every refusal has a sentence, and the list is closed: no arm takes the rest.
#[test]
fn refusals_are_matched_one_by_one() {
    for name in ["refusal.rs", "reply.rs"] {
        let text = fs::read_to_string(workspace().join("gateway/src").join(name)).unwrap();
        let function = if name == "refusal.rs" {
            text.as_str()
        } else {
            between(&text, "pub fn refusal(", "pub fn problem_of(")
        };
        assert!(
            !code(function).contains("_ =>"),
            "{name} has an arm for the rest"
        );
    }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split(from).nth(1).unwrap().split(to).next().unwrap()
}

/// Nothing personal in a `Debug` by derivation: what came over the wire with a value is wrapped.
#[test]
fn no_room_prints() {
    let printing = files_with("gateway/src", &["println!", "eprintln!", "dbg!"]);
    assert!(printing.is_empty(), "{printing:?}");
}

/// Invariant 12 is a type's: an order of deadlines that is wrong can't be made.
#[test]
fn the_fan_out_ends_before_the_edge() {
    use loket_gateway::config::{Deadlines, EDGE_MARGIN};
    use std::time::Duration;
    let edge = Duration::from_secs(16);
    assert!(Deadlines::new(edge, edge - EDGE_MARGIN).is_ok());
    for fan_out in [
        edge,
        edge + EDGE_MARGIN,
        edge - EDGE_MARGIN + Duration::from_millis(1),
        Duration::MAX,
    ] {
        assert!(Deadlines::new(edge, fan_out).is_err(), "{fan_out:?}");
    }
}
