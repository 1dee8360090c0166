//! Reads a log and says whether it is whole.
//!
//! In goes a directory; out come its entries in order, each checked against the one before it,
//! up to the first that was altered, removed, reordered or back-dated. A torn tail is no
//! violation: nobody has a receipt for it, and opening the log cuts it off.
//!
//! Neither function locks: a log may be read while a gateway writes to it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::vec::IntoIter;

use super::log::{Chain, Flaw, JSON_START, segments};

const PROGRESS_EVERY: u64 = 10_000;
const READ_AHEAD: usize = 256 << 10;

/// A log that is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many entries there are.
    pub entries: u64,
    /// Number of the first entry: 1, or 0 in a log without entries.
    pub first: u64,
    /// Hash of the last entry, to compare with a receipt kept elsewhere; zeros if there is none.
    pub last_hash: [u8; 32],
    /// How many segments there are.
    pub segments: usize,
    /// Bytes of an incomplete last line.
    pub torn_bytes: u64,
}

/// The first place where a log isn't what was written.
#[derive(Debug, thiserror::Error)]
#[error("entry {entry} in {segment}: {what}")]
pub struct Violation {
    /// The entry that is wrong or missing.
    pub entry: u64,
    /// File name of the segment where this shows.
    pub segment: String,
    /// What is wrong.
    pub what: Flaw,
}

/// Verifies the whole log in `dir`. `progress` is told now and then, and at the end, how many
/// entries were good so far.
///
/// # Errors
///
/// The first [`Violation`]. A file that can't be read is one too, with [`Flaw::Unreadable`].
pub fn verify(dir: &Path, mut progress: impl FnMut(u64)) -> Result<Verified, Violation> {
    let mut walk = Walk::whole(dir)?;
    while walk.step()? {
        if walk.chain.entries.is_multiple_of(PROGRESS_EVERY) {
            progress(walk.chain.entries);
        }
    }
    progress(walk.chain.entries);
    Ok(Verified {
        entries: walk.chain.entries,
        first: walk.chain.entries.min(1),
        last_hash: walk.chain.hash,
        segments: walk.segments,
        torn_bytes: walk.torn,
    })
}

/// The JSON texts of the log in `dir`, in order, each verified before it is given. The first
/// [`Violation`] is the last item.
pub fn read(dir: &Path) -> impl Iterator<Item = Result<String, Violation>> + use<> {
    let mut state = Some(Walk::whole(dir));
    std::iter::from_fn(move || {
        let mut walk = match state.take()? {
            Ok(walk) => walk,
            Err(violation) => return Some(Err(violation)),
        };
        match walk.step() {
            Ok(true) => {
                let json = walk.json().to_owned();
                state = Some(Ok(walk));
                Some(Ok(json))
            }
            Ok(false) => None,
            Err(violation) => Some(Err(violation)),
        }
    })
}

impl Violation {
    pub(super) fn new(entry: u64, segment: &Path, what: Flaw) -> Self {
        let name = segment.file_name().unwrap_or(segment.as_os_str());
        Self {
            entry,
            segment: name.to_string_lossy().into_owned(),
            what,
        }
    }
}

/// A walk along the lines of some segments, the last of which is the log's last.
pub(super) struct Walk {
    ahead: IntoIter<(u64, PathBuf)>,
    segments: usize,
    current: Option<Reading>,
    chain: Chain,
    line: Vec<u8>,
    torn: u64,
}

struct Reading {
    path: PathBuf,
    lines: BufReader<File>,
    /// Bytes of whole lines so far.
    whole: u64,
    /// Where the last whole line begins.
    last_line: u64,
}

impl Walk {
    fn whole(dir: &Path) -> Result<Self, Violation> {
        let segments = segments(dir).map_err(|e| Violation::new(1, dir, Flaw::Unreadable(e)))?;
        Ok(Self::new(segments, Chain::default()))
    }

    /// A walk along `segments`, which continue `chain`.
    pub(super) fn new(segments: Vec<(u64, PathBuf)>, chain: Chain) -> Self {
        Self {
            segments: segments.len(),
            ahead: segments.into_iter(),
            current: None,
            chain,
            line: Vec::new(),
            torn: 0,
        }
    }

    /// Moves on to the next entry; false at the end of the log.
    pub(super) fn step(&mut self) -> Result<bool, Violation> {
        loop {
            if self.read_line()? {
                return Ok(true);
            }
            if !self.next_segment()? {
                return Ok(false);
            }
        }
    }

    /// The JSON text of the entry that the last step reached.
    pub(super) fn json(&self) -> &str {
        // Every entry that a step reached was found to be a whole line of text.
        let text = self.line.get(JSON_START..).unwrap_or_default();
        str::from_utf8(text).unwrap_or_default()
    }

    pub(super) fn torn_bytes(&self) -> u64 {
        self.torn
    }

    /// The segment reached, its bytes of whole lines, and where the last of them begins.
    pub(super) fn position(&self) -> (&Path, u64, u64) {
        let current = self.current.as_ref();
        current.map_or((Path::new(""), 0, 0), |current| {
            (&current.path, current.whole, current.last_line)
        })
    }

    pub(super) fn into_chain(self) -> Chain {
        self.chain
    }

    /// Reads and checks a line; false at the end of the segment.
    fn read_line(&mut self) -> Result<bool, Violation> {
        let Some(current) = &mut self.current else {
            return Ok(false);
        };
        let entry = self.chain.next();
        self.line.clear();
        let read = current.lines.read_until(b'\n', &mut self.line);
        let flaw = match read {
            Err(error) => Flaw::Unreadable(error),
            Ok(0) => return Ok(false),
            Ok(read) if self.line.pop_if(|last| *last == b'\n').is_none() => {
                self.torn = read as u64;
                if self.ahead.len() == 0 {
                    return Ok(false);
                }
                Flaw::CutOff
            }
            Ok(read) => match self.chain.follow(&self.line) {
                Ok(()) => {
                    current.last_line = current.whole;
                    current.whole += read as u64;
                    return Ok(true);
                }
                Err(flaw) => flaw,
            },
        };
        Err(Violation::new(entry, &current.path, flaw))
    }

    fn next_segment(&mut self) -> Result<bool, Violation> {
        let Some((found, path)) = self.ahead.next() else {
            return Ok(false);
        };
        let entry = self.chain.next();
        if found != entry {
            return Err(Violation::new(entry, &path, Flaw::Gap { found }));
        }
        let file =
            File::open(&path).map_err(|e| Violation::new(entry, &path, Flaw::Unreadable(e)))?;
        self.current = Some(Reading {
            path,
            lines: BufReader::with_capacity(READ_AHEAD, file),
            whole: 0,
            last_line: 0,
        });
        Ok(true)
    }
}
