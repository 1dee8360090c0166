//! Writing a name in the letters of a passport.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Marks of descent, which some registries write and others don't.
const DESCENT: [&str; 4] = ["BIN", "BINTI", "OGLU", "QIZI"];

/// The name in capitals with single spaces, otherwise as written.
pub(super) fn plain(name: &str) -> String {
    if name.is_ascii() {
        return single_spaced(&name.to_ascii_uppercase());
    }
    let composed: String = name.nfc().collect::<String>().to_uppercase();
    // Capitals of a decomposed letter may compose anew.
    let composed: String = composed.nfc().collect();
    single_spaced(&composed)
}

fn single_spaced(name: &str) -> String {
    let mut spaced = String::with_capacity(name.len());
    for word in name.split_whitespace() {
        if !spaced.is_empty() {
            spaced.push(' ');
        }
        spaced.push_str(word);
    }
    spaced
}

/// The words of the name in A–Z (other scripts stay), without punctuation and marks of descent.
pub(super) fn words(name: &str) -> Vec<String> {
    let mut folded = String::with_capacity(name.len());
    let letters = name.chars().filter(|c| !is_apostrophe(*c));
    // What is ASCII is decomposed already.
    if name.is_ascii() {
        letters.for_each(|c| push_folded(&mut folded, c.to_ascii_uppercase()));
    } else {
        letters
            .nfkd()
            .filter(|c| !is_combining_mark(*c))
            .flat_map(char::to_uppercase)
            .for_each(|c| push_folded(&mut folded, c));
    }
    let mut words: Vec<String> = folded.split_whitespace().map(str::to_owned).collect();
    let is_name = |word: &String| !DESCENT.contains(&word.as_str());
    // A name of nothing but such a word is a name.
    if words.iter().any(is_name) {
        words.retain(is_name);
    }
    words
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
