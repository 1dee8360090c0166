//! Bundle: 256 leaves in, the bytes of a C2SP entry bundle out, and the other way round.
//!
//! Each leaf follows its length in sixteen bits. On disk the whole is compressed as by gzip.

use std::io::{self, Read};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::paths::WIDTH;

/// Little is gained by more, and it costs the one who seals several times as much.
const LEVEL: Compression = Compression::new(3);

/// Compresses leaves into a bundle.
pub(super) fn encode<'a>(leaves: impl Iterator<Item = &'a [u8]>) -> io::Result<Vec<u8>> {
    use std::io::Write;
    let mut to = GzEncoder::new(Vec::with_capacity(64 << 10), LEVEL);
    for leaf in leaves {
        let len = u16::try_from(leaf.len()).map_err(io::Error::other)?;
        to.write_all(&len.to_be_bytes())?;
        to.write_all(leaf)?;
    }
    to.finish()
}

/// Leaves, as far as they can be read.
#[derive(Debug, Default)]
pub(crate) struct Bundle {
    text: Vec<u8>,
    /// Where each begins and ends.
    leaves: Vec<(usize, usize)>,
    /// Whether there is nothing but those.
    pub(crate) whole: bool,
}

impl Bundle {
    /// Reads at most `most` leaves of a bundle.
    pub(crate) fn decode(bytes: &[u8], most: u64) -> Self {
        let mut from = GzDecoder::new(bytes);
        let mut bundle = Self::default();
        if most < WIDTH {
            // The first leaf of a bundle is all that a search asks for.
            let limit = most * (u64::from(u16::MAX) + 2);
            let _ = from.take(limit).read_to_end(&mut bundle.text);
        } else {
            let limit = WIDTH * (u64::from(u16::MAX) + 2) + 1;
            // What was read before a flaw stays, so that the first flawed leaf can be named.
            let read = from.by_ref().take(limit).read_to_end(&mut bundle.text);
            bundle.whole = read.is_ok() && from.into_inner().is_empty();
        }
        let mut at = 0;
        while (bundle.leaves.len() as u64) < most {
            let Some((len, rest)) = bundle.text[at..].split_first_chunk::<2>() else {
                break;
            };
            let len = usize::from(u16::from_be_bytes(*len));
            if rest.len() < len {
                break;
            }
            bundle.leaves.push((at + 2, at + 2 + len));
            at += 2 + len;
        }
        bundle.whole &= at == bundle.text.len() && bundle.leaves.len() as u64 == most;
        bundle
    }

    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        let (start, end) = *self.leaves.get(index)?;
        self.text.get(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_come_back_as_far_as_they_can() {
        let leaves: Vec<Vec<u8>> = (0..=255_u8).map(|n| vec![n; usize::from(n) * 7]).collect();
        let packed = encode(leaves.iter().map(Vec::as_slice)).unwrap();
        let bundle = Bundle::decode(&packed, WIDTH);
        assert!(bundle.whole);
        for (n, leaf) in leaves.iter().enumerate() {
            assert_eq!(bundle.get(n), Some(leaf.as_slice()));
        }
        assert_eq!(bundle.get(256), None);
        let first = Bundle::decode(&packed, 1);
        assert_eq!((first.get(0), first.get(1)), (Some(&b""[..]), None));
        let longer = [packed.as_slice(), b"more"].concat();
        assert!(!Bundle::decode(&longer, WIDTH).whole);
        for cut in [0, 5, packed.len() / 2, packed.len() - 1] {
            assert!(!Bundle::decode(&packed[..cut], WIDTH).whole, "{cut}");
        }
        let none = encode([].into_iter()).unwrap();
        assert!(!Bundle::decode(&none, WIDTH).whole);
    }
}
