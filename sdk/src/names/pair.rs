//! Pairing the words of two names.

const SHORT_FORMS: &[(&str, &[&str])] = &[
    (
        "MUHAMMAD",
        &[
            "M",
            "MUH",
            "MUHD",
            "MUHAMAD",
            "MOH",
            "MOHD",
            "MOHAMAD",
            "MOHAMMAD",
            "MOHAMED",
            "MOHAMMED",
            "MOCH",
            "MOCHAMAD",
            "MOCHAMMAD",
            "MHD",
        ],
    ),
    ("ABDUL", &["ABD"]),
    ("SITI", &["ST"]),
];

/// Spelling before 1972 and after.
const OLD_SPELLING: [(&str, &str); 3] = [("OE", "U"), ("DJ", "J"), ("TJ", "C")];

/// A slip of the pen is believed in words of at least this many letters.
const MIN_LETTERS_FOR_EDIT: usize = 5;

/// Whether each word of the shorter name has a word of the longer one of its own.
///
/// Pairs are found by augmenting paths, since a word taken greedily may be the only one that
/// fits another: `M` takes MARIA or MUHAMMAD, MARYA only MARIA.
pub(super) fn all_pair(shorter: &[String], longer: &[String]) -> bool {
    let fits: Vec<Vec<usize>> = shorter
        .iter()
        .map(|word| {
            (0..longer.len())
                .filter(|&at| may_be_same(word, &longer[at]))
                .collect()
        })
        .collect();
    let mut taken_by = vec![None; longer.len()];
    (0..shorter.len()).all(|word| {
        let mut seen = vec![false; longer.len()];
        find_place(word, &fits, &mut taken_by, &mut seen)
    })
}

/// Recursion is at most as deep as the name has words: 100, since names are capped.
fn find_place(
    word: usize,
    fits: &[Vec<usize>],
    taken_by: &mut [Option<usize>],
    seen: &mut [bool],
) -> bool {
    fits[word].iter().any(|&place| {
        if std::mem::replace(&mut seen[place], true) {
            return false;
        }
        let free = match taken_by[place] {
            None => true,
            Some(other) => find_place(other, fits, taken_by, seen),
        };
        if free {
            taken_by[place] = Some(word);
        }
        free
    })
}

fn may_be_same(a: &str, b: &str) -> bool {
    a == b
        || is_initial(a, b)
        || is_initial(b, a)
        || long_form(a) == long_form(b)
        || (is_old(a) || is_old(b)) && modern(a) == modern(b)
        || is_one_edit(a, b)
}

fn is_initial(a: &str, b: &str) -> bool {
    a.chars().nth(1).is_none() && b.starts_with(a)
}

fn long_form(word: &str) -> &str {
    SHORT_FORMS
        .iter()
        .find(|(_, short)| short.contains(&word))
        .map_or(word, |(long, _)| long)
}

fn is_old(word: &str) -> bool {
    let mut pairs = word.as_bytes().windows(2);
    pairs.any(|pair| OLD_SPELLING.iter().any(|(old, _)| old.as_bytes() == pair))
}

fn modern(word: &str) -> String {
    OLD_SPELLING
        .iter()
        .fold(word.to_owned(), |word, (old, new)| word.replace(old, new))
}

/// One letter put in, left out or changed.
fn is_one_edit(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.len() < MIN_LETTERS_FOR_EDIT || long.len() - short.len() > 1 {
        return false;
    }
    let same_start = short.iter().zip(&long).take_while(|(x, y)| x == y).count();
    let short_rest = &short[same_start..];
    let long_rest = &long[same_start..];
    match short.len() == long.len() {
        true => short_rest.get(1..) == long_rest.get(1..),
        false => Some(short_rest) == long_rest.get(1..),
    }
}
