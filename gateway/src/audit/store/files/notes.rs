//! Notes: a file of signed checkpoints, one after the other, in; each of them out.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How a signature's line begins.
const SIGNATURE: &[u8] = "\u{2014} ".as_bytes();

/// Room for a note under many keys.
const LONGEST: u64 = 32 << 10;

/// The first whole note of `bytes`, and what comes after it.
pub(crate) fn next(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut at, mut signed) = (0, false);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let signature = line.starts_with(SIGNATURE);
        if signed && !signature {
            break;
        }
        if !line.ends_with(b"\n") {
            return None;
        }
        signed |= signature;
        at += line.len();
    }
    signed.then(|| bytes.split_at(at))
}

/// The last whole note of a file and where the file ends with it.
pub(super) fn last(path: &Path) -> io::Result<Option<(String, u64)>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let len = file.metadata()?.len();
    let from = len.saturating_sub(LONGEST);
    let mut bytes = vec![0; usize::try_from(len - from).unwrap_or_default()];
    file.read_exact_at(&mut bytes, from)?;
    let mut rest = bytes.as_slice();
    let mut found = None;
    // Begun in the middle of a note, the first is only a part.
    while let Some((note, after)) = next(rest) {
        rest = after;
        found = Some((note, len - after.len() as u64));
    }
    Ok(found.map(|(note, end)| (String::from_utf8_lossy(note).into_owned(), end)))
}

/// The whole notes of a file, in order; none if it isn't there.
pub(crate) fn all(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Vec<u8>>> + use<>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        file => Some(BufReader::new(file?)),
    };
    Ok(file.into_iter().flat_map(|mut file| {
        let mut ahead = Vec::new();
        std::iter::from_fn(move || note(&mut file, &mut ahead).transpose())
    }))
}

/// The next note, of which `ahead` has been read, as it has of the one after it.
fn note(from: &mut impl BufRead, ahead: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let (mut note, mut signed) = (std::mem::take(ahead), false);
    loop {
        let mut line = Vec::new();
        from.read_until(b'\n', &mut line)?;
        let signature = line.starts_with(SIGNATURE);
        if signed && !signature {
            *ahead = line;
            return Ok(Some(note));
        }
        // What is written just now, or was torn.
        if !line.ends_with(b"\n") {
            return Ok(None);
        }
        signed |= signature;
        note.append(&mut line);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_note_ends_with_its_last_signature() {
        let a = "log\n1\nhash\n\n\u{2014} log one\n\u{2014} log two\n";
        let b = "log\n2\nhash\n\n\u{2014} log three\n";
        let both = format!("{a}{b}");
        let (first, rest) = next(both.as_bytes()).unwrap();
        assert_eq!((first, rest), (a.as_bytes(), b.as_bytes()));
        assert_eq!(next(rest), Some((b.as_bytes(), &b""[..])));
        assert_eq!(next(b""), None);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notes");
        assert_eq!(last(&path).unwrap(), None);
        for cut in 1..b.len() {
            fs::write(
                &path,
                format!("{a}{}", &both[a.len()..].get(..cut).unwrap_or("x")),
            )
            .unwrap();
            assert_eq!(
                last(&path).unwrap(),
                Some((a.to_owned(), a.len() as u64)),
                "{cut}"
            );
        }
        fs::write(&path, both.repeat(1000)).unwrap();
        let end = both.len() as u64 * 1000;
        assert_eq!(last(&path).unwrap(), Some((b.to_owned(), end)));
        let all = all(&path).unwrap().map(Result::unwrap);
        assert_eq!(
            all.collect::<Vec<_>>().concat(),
            both.repeat(1000).into_bytes()
        );
        assert_eq!(
            super::all(dir.path().join("none").as_path())
                .unwrap()
                .count(),
            0
        );
    }
}
