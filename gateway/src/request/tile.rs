//! Tile: the name of a tile of the audit log's tree, as C2SP's `tlog-tiles` writes it.

use std::fmt;

/// So many digits in a segment of a tile's number.
const DIGITS: usize = 3;
/// Hashes of a full tile.
const FULL: u16 = 256;

/// Which hashes of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileName {
    /// Level of the tile: its hashes are those of subtrees of 256 to the power of it leaves.
    pub level: u8,
    /// Number within the level.
    pub n: u64,
    /// How many hashes, 256 at most.
    pub width: u16,
}

impl TileName {
    /// Reads the level and what stands behind it: `x001/x234/067`, and `.p/12` behind that for the
    /// first 12 hashes of a tile that isn't full.
    pub(super) fn read(level: &str, rest: &[&str]) -> Option<Self> {
        let level = number(level)?.try_into().ok().filter(|level| *level < 8)?;
        let (rest, width) = match rest {
            [number @ .., last, width] if last.ends_with(".p") => {
                let width = self::number(width)?.try_into().ok()?;
                let whole = (1..FULL).contains(&width).then_some(width)?;
                let mut number = number.to_vec();
                number.push(last.strip_suffix(".p")?);
                (number, whole)
            }
            whole => (whole.to_vec(), FULL),
        };
        let (last, before) = rest.split_last()?;
        let mut n = 0_u64;
        for (place, segment) in before.iter().enumerate() {
            let digits = segment.strip_prefix('x')?;
            // A number is written in one way only.
            if place == 0 && digits == "000" {
                return None;
            }
            n = n.checked_mul(1000)?.checked_add(three(digits)?)?;
        }
        let n = n.checked_mul(1000)?.checked_add(three(last)?)?;
        Some(Self { level, n, width })
    }
}

impl fmt::Display for TileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.level)?;
        let (mut rest, mut thousands) = (self.n / 1000, Vec::new());
        while rest > 0 {
            thousands.push(rest % 1000);
            rest /= 1000;
        }
        for part in thousands.iter().rev() {
            write!(f, "x{part:03}/")?;
        }
        write!(f, "{:03}", self.n % 1000)?;
        match self.width {
            FULL => Ok(()),
            width => write!(f, ".p/{width}"),
        }
    }
}

fn three(digits: &str) -> Option<u64> {
    let whole = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    whole.then(|| digits.parse().ok())?
}

/// A decimal number, written in the one way there is.
pub(super) fn number(text: &str) -> Option<u64> {
    let canonical =
        text.bytes().all(|digit| digit.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    canonical.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_c2sp() {
        let read = |path: &str| {
            let (level, rest) = path.split_once('/')?;
            let rest: Vec<&str> = rest.split('/').collect();
            let name = TileName::read(level, &rest)?;
            assert_eq!(name.to_string(), path);
            Some((name.level, name.n, name.width))
        };
        assert_eq!(read("0/x001/x234/067"), Some((0, 1_234_067, 256)));
        assert_eq!(read("0/273"), Some((0, 273, 256)));
        assert_eq!(read("1/001.p/17"), Some((1, 1, 17)));
        assert_eq!(read("2/x001/000.p/255"), Some((2, 1000, 255)));
        for not in [
            "0",
            "0/",
            "0/1",
            "0/0001",
            "0/x001",
            "0/x000/001",
            "0/001/x002",
            "0/x01/002",
            "0/001.p",
            "0/001.p/0",
            "0/001.p/256",
            "0/001.p/01",
            "00/001",
            "8/001",
            "-1/001",
            "0/+01",
            "0/001.p/1/2",
            "entries/000",
            "0/x999/x999/x999/x999/x999/x999/999",
        ] {
            assert_eq!(read(not), None, "{not}");
        }
        for (text, expected) in [
            ("0", Some(0)),
            ("17", Some(17)),
            ("", None),
            ("01", None),
            ("+1", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
        assert_eq!(number("18446744073709551616"), None);
    }
}
