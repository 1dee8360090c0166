//! Packed: bytes in, fewer out, and back; LZ77 in the layout of LZ4's blocks.
//!
//! An answer has a few kilobytes: deflate spends most of its time on tables that are larger than that,
//! and leaves no core's cache as it was. What most answers say is known beforehand ([`WORDS`]), as if it
//! stood before each.

/// What answers say, over and over. Another text opens nothing that was packed by this one.
pub(super) const WORDS: &[u8] = include_bytes!("words.txt");

/// Largest answer that is unpacked; none is as large.
const MAX: usize = 64 << 20;
/// A repetition of fewer bytes isn't worth its place.
const SHORTEST: usize = 4;
/// How far apart places are tried where nothing was found for so many bytes.
const STRIDE: usize = 64;
const TABLE_BITS: u32 = 12;

/// Where four bytes stood, by their hash: the lower half of the place. It's only a guess, which is
/// looked at.
type Table = [u16; 1 << TABLE_BITS];

/// Packs one after another, in the same memory.
pub(super) struct Packer {
    /// In this text or those before it: to empty a table costs more than to guess wrong.
    last: Box<Table>,
    of_words: Box<Table>,
    /// The words, and what is packed.
    text: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> Self {
        let mut of_words = Box::new([0; 1 << TABLE_BITS]);
        for (at, four) in WORDS.windows(SHORTEST).enumerate() {
            of_words[hash(four)] = lower(at);
        }
        Self {
            last: Box::new([0; 1 << TABLE_BITS]),
            of_words,
            text: WORDS.to_vec(),
        }
    }

    /// Adds what was packed to `out`.
    pub(super) fn pack(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        self.text.truncate(WORDS.len());
        self.text.extend(plain);
        let text = &self.text;
        let (mut at, mut from) = (WORDS.len(), WORDS.len());
        while let Some(four) = text.get(at..at + SHORTEST) {
            let hash = hash(four);
            let seen = |guess: u16| {
                let distance = lower(at).wrapping_sub(guess);
                let seen = at.checked_sub(distance.into())?;
                (distance > 0 && text[seen..seen + SHORTEST] == *four).then_some((seen, distance))
            };
            let seen = seen(self.last[hash]).or_else(|| seen(self.of_words[hash]));
            self.last[hash] = lower(at);
            let Some((seen, distance)) = seen else {
                at += 1 + (at - from) / STRIDE;
                continue;
            };
            let length = SHORTEST + alike(&text[seen + SHORTEST..], &text[at + SHORTEST..]);
            write(out, &text[from..at], Some((distance, length)));
            at += length;
            from = at;
        }
        write(out, &text[from..], None);
        self.text.shrink_to(1 << 20);
    }
}

fn lower(at: usize) -> u16 {
    (at & usize::from(u16::MAX)) as u16
}

/// What was packed; nothing if it wasn't.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut text = WORDS.to_vec();
    let mut rest = packed;
    loop {
        let token = usize::from(*rest.split_off_first()?);
        let literals = length(token >> 4, &mut rest)?;
        text.extend(rest.split_off(..literals)?);
        if rest.is_empty() {
            return Some(text.split_off(WORDS.len()));
        }
        let distance = rest.split_off(..2)?.first_chunk()?;
        let from = text
            .len()
            .checked_sub(u16::from_le_bytes(*distance).into())?;
        let to = from + SHORTEST + length(token & 15, &mut rest)?;
        if to > MAX {
            return None;
        }
        // What is repeated may begin before it is all there.
        for at in from..to {
            text.push(*text.get(at)?);
        }
    }
}

fn hash(four: &[u8]) -> usize {
    let four = four
        .first_chunk()
        .map_or(0, |four| u32::from_le_bytes(*four));
    (four.wrapping_mul(2_654_435_761) >> (u32::BITS - TABLE_BITS)) as usize
}

/// How many bytes are the same; the second is the shorter.
fn alike(one: &[u8], other: &[u8]) -> usize {
    let eights = one.as_chunks::<8>().0.iter().zip(other.as_chunks::<8>().0);
    let mut same = 0;
    for (one, other) in eights {
        let differs = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if differs != 0 {
            return same + differs.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(one, other)| one == other).count()
}

/// Bytes as they are, and after them a repetition: how far back, and how long.
fn write(out: &mut Vec<u8>, literals: &[u8], repeated: Option<(u16, usize)>) {
    let (distance, length) = repeated.unwrap_or((0, SHORTEST));
    let longer = length - SHORTEST;
    out.push(nibble(literals.len()) << 4 | nibble(longer));
    write_length(out, literals.len());
    out.extend(literals);
    if repeated.is_some() {
        out.extend(distance.to_le_bytes());
        write_length(out, longer);
    }
}

fn nibble(length: usize) -> u8 {
    u8::try_from(length).unwrap_or(15).min(15)
}

/// What the token can't say of a length.
fn write_length(out: &mut Vec<u8>, length: usize) {
    let Some(mut more) = length.checked_sub(15) else {
        return;
    };
    while let Some(less) = more.checked_sub(255) {
        out.push(255);
        more = less;
    }
    out.push(u8::try_from(more).unwrap_or_default());
}

fn length(nibble: usize, rest: &mut &[u8]) -> Option<usize> {
    let mut length = nibble;
    let mut more = nibble == 15;
    while more {
        let byte = *rest.split_off_first()?;
        length = length.checked_add(byte.into())?;
        more = byte == 255;
    }
    Some(length)
}
