//! Titles of religion and learning, which stand before or after a name.

const FRONT: &[&str] = &[
    "H", "HJ", "HAJI", "HAJJAH", "KH", "TGH", "UST", "DR", "DRA", "DRG", "DRH", "DRS", "IR", "PROF",
];

/// Without spaces: `S.Pd.` and `SPD` are the same title.
const BACK: &[&str] = &[
    "AMD", "AMDKEB", "AMDKEP", "BA", "BSC", "LC", "LLM", "MA", "MAG", "MBA", "MED", "MH", "MHUM",
    "MKES", "MKN", "MKOM", "MM", "MPD", "MPH", "MSC", "MSI", "MT", "PHD", "SAG", "SAK", "SE",
    "SEI", "SFARM", "SH", "SHI", "SHUM", "SIKOM", "SIP", "SKED", "SKEP", "SKH", "SKM", "SKOM",
    "SP", "SPD", "SPDI", "SPI", "SPSI", "SPT", "SS", "SSI", "SSOS", "SST", "ST", "STP", "STR",
    "SY",
];

/// The words of the name alone; at least one word stays.
pub(super) fn without(words: &[String]) -> &[String] {
    without_back(without_front(words))
}

fn without_front(mut words: &[String]) -> &[String] {
    while let Some(length) = title_length(words, FRONT, |length| &words[..length]) {
        words = &words[length..];
    }
    words
}

fn without_back(mut words: &[String]) -> &[String] {
    while let Some(length) = title_length(words, BACK, |length| &words[words.len() - length..]) {
        words = &words[..words.len() - length];
    }
    words
}

/// How many words the title at one end has, if one stands there beside a name.
fn title_length<'a>(
    words: &[String],
    titles: &[&str],
    end: impl Fn(usize) -> &'a [String],
) -> Option<usize> {
    (1..=3)
        .rev()
        .filter(|&length| length < words.len())
        .find(|&length| titles.contains(&end(length).concat().as_str()))
}
