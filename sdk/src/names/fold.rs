//! Writing a name in the letters of a passport.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Marks of descent, which some registries write and others don't.
const DESCENT: [&str; 4] = ["BIN", "BINTI", "OGLU", "QIZI"];

/// The name in capitals with single spaces, otherwise as written.
pub(super) fn plain(name: &str) -> String {
    let composed: String = name.nfc().collect::<String>().to_uppercase();
    // Capitals of a decomposed letter may compose anew.
    let composed: String = composed.nfc().collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The words of the name in A–Z (other scripts stay), without punctuation and marks of descent.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut folded = String::with_capacity(name.len());
    name.chars()
        .filter(|c| !is_apostrophe(*c))
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_uppercase)
        .for_each(|c| push_folded(&mut folded, c));
    let words: Vec<String> = folded.split_whitespace().map(str::to_owned).collect();
    let names: Vec<String> = words
        .iter()
        .filter(|word| !DESCENT.contains(&word.as_str()))
        .cloned()
        .collect();
    // A name of nothing but such a word is a name.
    if names.is_empty() { words } else { names }
}

/// ICAO Doc 9303 part 3 section 6, where decomposition alone doesn't lead to A–Z.
fn push_folded(text: &mut String, c: char) {
    match c {
        '.' | ',' | '-' | '/' | '‐' | '‑' | '–' => text.push(' '),
        'Ə' => text.push('E'),
        'Đ' => text.push('D'),
        'Ł' => text.push('L'),
        'Æ' => text.push_str("AE"),
        'Ø' | 'Œ' => text.push_str("OE"),
        'Þ' => text.push_str("TH"),
        _ => text.push(c),
    }
}

fn is_apostrophe(c: char) -> bool {
    matches!(
        c,
        '\'' | '`' | '´' | '‘' | '’' | '‛' | '′' | 'ʹ' | 'ʻ' | 'ʼ' | 'ʽ' | 'ʾ' | 'ʿ'
    )
}
