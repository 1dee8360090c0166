//! `c2sp.org/tlog-proof@v1`: where an entry stands in which tree.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Error, MAX_CHECKPOINT, MAX_HASHES};

const HEADER: &str = "c2sp.org/tlog-proof@v1\n";
/// A hash in base64 and its line feed.
const HASH_LINE: usize = 45;
const MAX_EXTRA: usize = 1024;
const MAX_PROOF: usize = MAX_CHECKPOINT + MAX_HASHES * HASH_LINE + MAX_EXTRA;

/// A proof's parts, read and not yet checked: nothing of it counts before its checkpoint does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The leaf's place, from 0.
    pub index: u64,
    /// The way from the leaf to the root, nearest first.
    pub path: Vec<[u8; 32]>,
    /// The checkpoint, a signed note.
    pub checkpoint: String,
}

impl Proof {
    /// Reads the text. The line `extra`, which nobody signs, is passed over.
    ///
    /// # Errors
    /// [`Error::NotAProof`] that says which part isn't as agreed.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > MAX_PROOF {
            return Err(Error::NotAProof("it is too long"));
        }
        let rest = text
            .strip_prefix(HEADER)
            .ok_or(Error::NotAProof("its first line names another format"))?;
        let (head, checkpoint) = rest
            .split_once("\n\n")
            .ok_or(Error::NotAProof("it has no checkpoint"))?;
        let (first, others) = head.split_once('\n').unwrap_or((head, ""));
        let (index, path) = match first.strip_prefix("extra ") {
            None => (first, others),
            Some(extra) if STANDARD.decode(extra).is_ok() => {
                others.split_once('\n').unwrap_or((others, ""))
            }
            Some(_) => return Err(Error::NotAProof("its extra isn't base64")),
        };
        let index = index
            .strip_prefix("index ")
            .and_then(|digits| Some((digits, digits.parse::<u64>().ok()?)))
            .filter(|(digits, index)| *digits == index.to_string())
            .ok_or(Error::NotAProof("it has no index"))?
            .1;
        Ok(Self {
            index,
            path: hashes(path)?,
            checkpoint: checkpoint.to_owned(),
        })
    }
}

/// Reads hashes in base64, one a line, as a path or a consistency proof has them.
///
/// # Errors
/// [`Error::NotAProof`] when a line isn't a hash, or there are more than [`MAX_HASHES`].
pub fn hashes(text: &str) -> Result<Vec<[u8; 32]>, Error> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    if text.len() > MAX_HASHES * HASH_LINE {
        return Err(Error::NotAProof("it has too many hashes"));
    }
    text.split('\n')
        .map(|line| {
            let bytes = STANDARD.decode(line).ok()?;
            <[u8; 32]>::try_from(bytes).ok()
        })
        .collect::<Option<_>>()
        .ok_or(Error::NotAProof("a line isn't a hash"))
}
