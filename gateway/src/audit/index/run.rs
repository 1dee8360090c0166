//! Run: the subjects of 65,536 entries in one file that never changes.
//!
//! A head of [`HEAD`] bytes, then pairs in order: eight bytes of the subject's reference, two of the
//! entry's place within the run. References are HMACs, so the bytes are spread evenly, and where one
//! stands can be guessed to within a block.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use tlog_tiles::tlog::{Hash, stored_hash_index};

use crate::audit::store::Reader;
use crate::config::unhex;

/// Entries of a run.
pub(super) const LENGTH: u64 = if cfg!(test) { 1 << 12 } else { 1 << 16 };

/// The first bytes of a reference.
pub(super) type Prefix = u64;
/// Whose entry, and its place within the run.
pub(super) type Pair = (Prefix, u16);

const MAGIC: &[u8; 8] = b"LOKETIX1";
/// Magic, number, pairs, dates of the first and the last entry, hash of the last, sum of all.
const HEAD: usize = 8 + 8 + 8 + 8 + 8 + 32 + 32;
const SUM: usize = HEAD - 32;
const PAIR: usize = 10;
/// Pairs on each side of a guess: four deviations of where one of 65,536 stands.
const AROUND: u64 = 512;

/// A run that was read through once, and is in its file as it was written.
#[derive(Debug)]
pub(super) struct Run {
    number: u64,
    pairs: u64,
    last: Hash,
}

/// The bytes that a reference is found by; nothing if it is none.
pub(super) fn prefix(reference: &[u8]) -> Option<Prefix> {
    let bytes = unhex(reference.get(..16)?)?;
    Some(Prefix::from_be_bytes(bytes.try_into().ok()?))
}

impl Run {
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Its first place.
    pub(super) fn first(&self) -> u64 {
        self.number * LENGTH
    }

    /// Writes a run of pairs that are in order.
    pub(super) fn write(
        directory: &Path,
        number: u64,
        pairs: &[Pair],
        (first_at, last_at): (Timestamp, Timestamp),
        reader: &dyn Reader,
    ) -> io::Result<Self> {
        let last = hash_of((number + 1) * LENGTH - 1, reader)
            .ok_or_else(|| io::Error::other("the log has no hash of an entry"))?;
        let mut bytes = Vec::with_capacity(HEAD + pairs.len() * PAIR);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&number.to_be_bytes());
        bytes.extend_from_slice(&(pairs.len() as u64).to_be_bytes());
        bytes.extend_from_slice(&first_at.as_microsecond().to_be_bytes());
        bytes.extend_from_slice(&last_at.as_microsecond().to_be_bytes());
        bytes.extend_from_slice(&last.0);
        bytes.extend_from_slice(&[0; 32]);
        for (prefix, at) in pairs {
            bytes.extend_from_slice(&prefix.to_be_bytes());
            bytes.extend_from_slice(&at.to_be_bytes());
        }
        let sum = sum(&bytes);
        bytes[SUM..HEAD].copy_from_slice(&sum);
        let path = path(directory, number);
        // Of this process: a tool may build the same run beside a gateway.
        let half = path.with_extension(format!("{}.half", std::process::id()));
        let mut file = File::create(&half)?;
        file.write_all(&bytes)?;
        // A run that is torn all the same is found out by its sum, and built again.
        file.sync_data()?;
        fs::rename(&half, &path)?;
        Ok(Self {
            number,
            pairs: pairs.len() as u64,
            last,
        })
    }

    /// Reads a run through; nothing if there is none, or it isn't as it was written.
    pub(super) fn open(directory: &Path, number: u64) -> Option<Self> {
        let path = path(directory, number);
        let mut bytes = Vec::new();
        let file = File::open(&path).ok()?;
        let most = (HEAD + LENGTH as usize * PAIR) as u64 + 1;
        file.take(most).read_to_end(&mut bytes).ok()?;
        let run = Self::read(&bytes, number);
        if run.is_none() {
            tracing::warn!(
                loket.run = number,
                "a run of the audit log's index is damaged, and is built again"
            );
        }
        run
    }

    fn read(bytes: &[u8], number: u64) -> Option<Self> {
        let whole = |at: usize| Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let pairs = whole(16)?;
        let is_sound = bytes.starts_with(MAGIC)
            && whole(8)? == number
            && bytes.len() as u64 == HEAD as u64 + pairs.checked_mul(PAIR as u64)?
            && bytes.get(SUM..HEAD)? == sum(bytes);
        is_sound.then_some(Self {
            number,
            pairs,
            last: Hash(bytes.get(40..72)?.try_into().ok()?),
        })
    }

    /// Whether its last entry is the one at this place of the log.
    pub(super) fn is_of(&self, reader: &dyn Reader) -> bool {
        hash_of(self.first() + LENGTH - 1, reader) == Some(self.last)
    }

    /// The places of a subject's entries, in order.
    pub(super) fn find(&self, directory: &Path, wanted: Prefix) -> io::Result<Vec<u64>> {
        if self.pairs == 0 {
            return Ok(Vec::new());
        }
        let file = File::open(path(directory, self.number))?;
        let guess = (u128::from(wanted) * u128::from(self.pairs)) >> 64;
        // Less than the number of pairs, which is one.
        let guess = guess as u64;
        let mut around = AROUND;
        let mut bytes = Vec::new();
        loop {
            let (from, to) = (guess.saturating_sub(around), self.pairs.min(guess + around));
            bytes.resize((to - from) as usize * PAIR, 0);
            file.read_exact_at(&mut bytes, HEAD as u64 + from * PAIR as u64)?;
            let pairs = bytes.chunks_exact(PAIR).map(pair);
            let (first, last) = (pair(&bytes[..PAIR]), pair(&bytes[bytes.len() - PAIR..]));
            // All of the subject's are in there if what is around them is.
            if (from == 0 || first.0 < wanted) && (to == self.pairs || last.0 > wanted) {
                let places = pairs.filter(|(prefix, _)| *prefix == wanted);
                let places = places.map(|(_, at)| self.first() + u64::from(at));
                return Ok(places.collect());
            }
            around *= 4;
        }
    }
}

fn pair(bytes: &[u8]) -> Pair {
    let (mut prefix, mut at) = ([0; 8], [0; 2]);
    prefix.copy_from_slice(&bytes[..8]);
    at.copy_from_slice(&bytes[8..]);
    (Prefix::from_be_bytes(prefix), u16::from_be_bytes(at))
}

/// SHA-256 of all but the sum's own place.
fn sum(bytes: &[u8]) -> [u8; 32] {
    let mut digest = Context::new(&SHA256);
    digest.update(bytes.get(..SUM).unwrap_or_default());
    digest.update(bytes.get(HEAD..).unwrap_or_default());
    let mut sum = [0; 32];
    sum.copy_from_slice(digest.finish().as_ref());
    sum
}

fn hash_of(place: u64, reader: &dyn Reader) -> Option<Hash> {
    let hashes = reader.hashes(&[stored_hash_index(0, place)]).ok()?;
    hashes.first().copied()
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.run"))
}

/// Removes the runs before a number.
pub(super) fn remove_before(directory: &Path, number: u64) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let is_run = path.extension().is_some_and(|ending| ending == "run");
        let name = path.file_stem().and_then(|name| name.to_str());
        let earlier = name.and_then(|name| name.parse::<u64>().ok());
        if is_run && earlier.is_some_and(|earlier| earlier < number) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Removes every run of a directory.
pub(super) fn remove_all(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|ending| ending == "run" || ending == "half")
        {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
