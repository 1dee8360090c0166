//! Where things lie: the names of C2SP's `tlog-tiles`, and the store's own.

use std::io;
use std::path::{Path, PathBuf};

/// Hashes in a tile, leaves in a bundle.
pub(crate) const WIDTH: u64 = 256;

/// The newest checkpoint, under the name that C2SP gives it.
pub(super) const CHECKPOINT: &str = "checkpoint";
/// The first checkpoint at or after each bundle, one after the other.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// Held by whoever writes.
pub(super) const LOCK: &str = "lock";
/// The first place whose leaf is there still.
pub(super) const FIRST: &str = "first";

/// A tile of hashes.
pub(crate) fn tile(dir: &Path, level: u8, n: u64) -> PathBuf {
    dir.join(format!("tile/{level}/{}", number(n)))
}

/// A bundle of leaves.
pub(crate) fn bundle(dir: &Path, n: u64) -> PathBuf {
    dir.join(format!("tile/entries/{}", number(n)))
}

/// C2SP writes 1234067 as `x001/x234/067`.
fn number(mut n: u64) -> String {
    let mut text = format!("{:03}", n % 1000);
    while n >= 1000 {
        n /= 1000;
        text.insert_str(0, &format!("x{:03}/", n % 1000));
    }
    text
}

/// The directory of the segments that are written first.
pub(crate) fn wal(dir: &Path) -> PathBuf {
    dir.join("wal")
}

/// The segment that begins with this place.
pub(super) fn segment(dir: &Path, first: u64) -> PathBuf {
    wal(dir).join(format!("{first:020}.wal"))
}

/// The segments, by their first place. Files with other names aren't the log's.
pub(crate) fn segments(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    numbered(&wal(dir), ".wal")
}

/// Whether a log of the earlier kind is here, a chain of lines.
pub(super) fn is_chain(dir: &Path) -> io::Result<bool> {
    Ok(!numbered(dir, ".log")?.is_empty())
}

fn numbered(dir: &Path, suffix: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    let files = match dir.read_dir() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        files => files?,
    };
    for file in files {
        let path = file?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let digits = name.and_then(|name| name.strip_suffix(suffix));
        let digits = digits.filter(|digits| {
            digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit())
        });
        if let Some(first) = digits.and_then(|digits| digits.parse().ok()) {
            found.push((first, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// A path as it is told of: from the log's directory on.
pub(crate) fn within(dir: &Path, path: &Path) -> String {
    path.strip_prefix(dir).unwrap_or(path).display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_in_c2sp() {
        let cases = [
            (0, "000"),
            (999, "999"),
            (1000, "x001/000"),
            (1_234_067, "x001/x234/067"),
            (1_000_000_000, "x001/x000/x000/000"),
        ];
        for (n, text) in cases {
            assert_eq!(number(n), text);
        }
        let dir = Path::new("log");
        assert_eq!(tile(dir, 1, 5), Path::new("log/tile/1/005"));
        assert_eq!(bundle(dir, 1005), Path::new("log/tile/entries/x001/005"));
    }
}
