//! Explain: serde's messages in, ours out, with the nearest known name as remedy.

/// Serde's words in ours: the key when it is one that is missing, the message, the remedy. What the
/// file says in a wrong place is never repeated: it might be a secret.
pub(crate) fn explain(message: &str) -> (Option<&str>, String, String) {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let (true, [unknown, known @ ..]) = (message.starts_with("unknown field"), &quoted[..]) {
        return (
            None,
            format!("there is no key {unknown}"),
            nearest(unknown, known.to_vec()),
        );
    }
    if let (true, [unknown, known @ ..]) = (message.starts_with("unknown variant"), &quoted[..]) {
        return (
            None,
            "isn't one of the words that may stand here".into(),
            nearest(unknown, known.to_vec()),
        );
    }
    if let (true, [missing, ..]) = (message.starts_with("missing field"), &quoted[..]) {
        let remedy = match *missing {
            "certificate" | "key" | "client_ca" | "server_ca" => {
                "add it: TLS is mutual or not at all, with certificate, key, the peers' CA and \
                 revocation_lists"
            }
            "revocation_lists" => "add it; [] says that revocation isn't checked",
            _ => "add it; loket.example.toml shows how",
        };
        return (
            Some(missing),
            format!("the key {missing} is missing"),
            remedy.into(),
        );
    }
    if message.starts_with("invalid ") {
        let expected = message
            .rsplit_once(", expected ")
            .map_or("something else", |(_, after)| after);
        let expected = match expected {
            "u32" | "u64" | "usize" => "a whole number that isn't negative",
            "f64" => "a number",
            "a sequence" => "a list",
            "a boolean" => "true or false",
            other => other,
        };
        return (
            None,
            "has the wrong type or form".into(),
            format!("write {expected}"),
        );
    }
    (
        None,
        "can't be read".into(),
        "compare it with loket.example.toml".into(),
    )
}

/// The nearest of the known names, or all of them.
pub(crate) fn nearest(name: &str, mut known: Vec<&str>) -> String {
    let close = |word: &&&str| distance(name, word) <= 1 + name.len() / 4;
    known.sort_unstable();
    match known
        .iter()
        .filter(close)
        .min_by_key(|word| distance(name, word))
    {
        Some(word) => format!("did you mean {word}?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
