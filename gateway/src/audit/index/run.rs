//! Run: the subjects of 65,536 entries in one file that never changes.
//!
//! A head of [`HEAD`] bytes, then pairs in order: eight bytes of the subject's reference, two of the
//! entry's place within the run. References are HMACs, so the bytes are spread evenly, and where one
//! stands can be guessed to within a block. Head and blocks have a MAC each, over what they say and the
//! hash of the entries: whoever writes a run can leave nobody out.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{self, Context, HMAC_SHA256, Key, Tag};
use rustix::fs::OFlags;
use tlog_tiles::tlog::{HASH_SIZE, Hash, stored_hash_index};

use crate::audit::store::{ReadError, Reader};
use crate::config::unhex;

/// Entries of a run: all of one subtree.
pub(super) const LENGTH: u64 = 1 << LEVEL;
const LEVEL: u8 = if cfg!(test) { 12 } else { 16 };

/// The first bytes of a reference.
pub(super) type Prefix = u64;
/// Whose entry, and its place within the run.
pub(super) type Pair = (Prefix, u16);

const MAGIC: &[u8; 8] = b"LOKETIX2";
const MAC: usize = 32;
/// Magic, number, first place that is taken in, pairs, hash of the entries, and the MAC.
const HEAD: usize = 8 + 8 + 8 + 8 + HASH_SIZE + MAC;
const PAIR: usize = 10;
/// Pairs of a block: as many as lie, four deviations wide, around where one of 65,536 is guessed.
const BLOCK: usize = 1024;
/// The head's number among blocks.
const NO_BLOCK: u64 = u64::MAX;
/// Parts the key from every subject's name, which has a zero byte, and from a justification's.
const LABEL: &[u8] = b"loket index 1";

/// The key of runs, made from the subjects'.
pub(super) fn key(subjects: &Key) -> Key {
    Key::new(HMAC_SHA256, hmac::sign(subjects, LABEL).as_ref())
}

/// The bytes that a reference is found by; nothing if it is none.
pub(super) fn prefix(reference: &[u8]) -> Option<Prefix> {
    let bytes = unhex(reference.get(..16)?)?;
    Some(Prefix::from_be_bytes(bytes.try_into().ok()?))
}

/// Which entries a run is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Of {
    number: u64,
    /// The first place that is taken in; those before were deleted at the end of their term.
    from: u64,
    entries: Hash,
}

impl Of {
    /// The entries of a run that the log has all.
    pub(super) fn now(number: u64, from: u64, reader: &dyn Reader) -> Result<Self, ReadError> {
        let hashes = reader.hashes(&[stored_hash_index(LEVEL, number)])?;
        let entries = hashes.first().copied().ok_or(ReadError::Unknown)?;
        Ok(Self {
            number,
            from,
            entries,
        })
    }
}

/// A run.
#[derive(Debug)]
pub(super) struct Run {
    of: Of,
    pairs: Pairs,
}

#[derive(Debug)]
enum Pairs {
    /// In order, while they can't be written.
    Here(Vec<Pair>),
    /// So many, in a file.
    There(usize),
}

impl Run {
    /// A run that is in no file.
    pub(super) fn new(of: Of, mut pairs: Vec<Pair>) -> Self {
        pairs.sort_unstable();
        Self {
            of,
            pairs: Pairs::Here(pairs),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.of.number
    }

    /// Its first place.
    pub(super) fn first(&self) -> u64 {
        self.of.number * LENGTH
    }

    /// Whether it is in no file.
    pub(super) fn is_here(&self) -> bool {
        matches!(self.pairs, Pairs::Here(_))
    }

    /// Writes it to its file; the run that is there.
    pub(super) fn written(&self, directory: &Path, key: &Key) -> io::Result<Self> {
        let there = |count| Self {
            of: self.of,
            pairs: Pairs::There(count),
        };
        let pairs = match &self.pairs {
            Pairs::Here(pairs) => pairs,
            Pairs::There(count) => return Ok(there(*count)),
        };
        let head = head(&self.of, pairs.len());
        let mut bytes = head.clone();
        bytes.extend_from_slice(mac(key, &head, NO_BLOCK, &[]).as_ref());
        for (n, block) in (0..).zip(pairs.chunks(BLOCK)) {
            let start = bytes.len();
            for (prefix, at) in block {
                bytes.extend_from_slice(&prefix.to_be_bytes());
                bytes.extend_from_slice(&at.to_be_bytes());
            }
            let mac = mac(key, &head, n, &bytes[start..]);
            bytes.extend_from_slice(mac.as_ref());
        }
        fs::create_dir_all(directory)?;
        let path = path(directory, self.of.number);
        // Of this process: a tool may build the same run beside a gateway.
        let half = path.with_extension(format!("{}.half", std::process::id()));
        // Whatever has its name is left of a process that had the same number.
        if let Err(error) = fs::remove_file(&half)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = File::create_new(&half)?;
        file.write_all(&bytes)?;
        // A run that is torn all the same is found out by its MACs, and built again.
        file.sync_data()?;
        fs::rename(&half, &path)?;
        Ok(there(pairs.len()))
    }

    /// Reads a run through.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when there is none, [`ErrorKind::InvalidData`] when it wasn't made
    /// with this key of these entries, or leaves out some that are there.
    pub(super) fn open(directory: &Path, key: &Key, of: &Of) -> io::Result<Self> {
        let mut file = opened(&path(directory, of.number))?;
        let said = said(&mut file, key, of).map_err(short)?;
        let run = Self {
            of: said.0,
            pairs: Pairs::There(said.1),
        };
        for n in 0..run.blocks() {
            run.block(&file, key, n)?;
        }
        match file.metadata()?.len() == run.position(run.blocks()) {
            true => Ok(run),
            false => Err(unbelievable()),
        }
    }

    /// The places of a subject's entries, in order.
    ///
    /// # Errors
    /// As of [`open`](Self::open): what was opened may have been altered since.
    pub(super) fn find(&self, directory: &Path, key: &Key, wanted: Prefix) -> io::Result<Vec<u64>> {
        let place = |at: u16| self.first() + u64::from(at);
        let count = match &self.pairs {
            Pairs::Here(pairs) => {
                let start = pairs.partition_point(|(prefix, _)| *prefix < wanted);
                let found = pairs[start..].iter().take_while(|pair| pair.0 == wanted);
                return Ok(found.map(|pair| place(pair.1)).collect());
            }
            Pairs::There(0) => return Ok(Vec::new()),
            Pairs::There(count) => *count,
        };
        let file = opened(&path(directory, self.of.number))?;
        let guess = (u128::from(wanted) * count as u128) >> 64;
        // Less than the number of pairs, which is one.
        let mut n = guess as usize / BLOCK;
        let mut block = self.block(&file, key, n)?;
        let begins = |block: &[Pair]| block.first().is_some_and(|pair| pair.0 < wanted);
        while n > 0 && !begins(&block) {
            n -= 1;
            block = self.block(&file, key, n)?;
        }
        let mut found = Vec::new();
        loop {
            let own = block.iter().filter(|pair| pair.0 == wanted);
            found.extend(own.map(|pair| place(pair.1)));
            n += 1;
            if n == self.blocks() || block.last().is_some_and(|pair| pair.0 > wanted) {
                return Ok(found);
            }
            block = self.block(&file, key, n)?;
        }
    }

    fn count(&self) -> usize {
        match &self.pairs {
            Pairs::Here(pairs) => pairs.len(),
            Pairs::There(count) => *count,
        }
    }

    fn blocks(&self) -> usize {
        self.count().div_ceil(BLOCK)
    }

    /// Where a block begins; where the file ends, for the one after the last.
    fn position(&self, n: usize) -> u64 {
        let pairs = (n * BLOCK).min(self.count());
        (HEAD + pairs * PAIR + n * MAC) as u64
    }

    fn block(&self, file: &File, key: &Key, n: usize) -> io::Result<Vec<Pair>> {
        let (from, to) = (self.position(n), self.position(n + 1));
        let mut bytes = vec![0; (to - from) as usize];
        file.read_exact_at(&mut bytes, from).map_err(short)?;
        let (pairs, told) = bytes.split_at(bytes.len() - MAC);
        let head = head(&self.of, self.count());
        believe(&mac(key, &head, n as u64, pairs), told)?;
        Ok(pairs.chunks_exact(PAIR).map(pair).collect())
    }
}

/// Opens what is a file, and waits for nobody: a pipe would, until somebody writes to it.
fn opened(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(ErrorKind::InvalidData, "it isn't a file")),
    }
}

/// What a file's head says that it is of, and its number of pairs.
fn said(file: &mut File, key: &Key, of: &Of) -> io::Result<(Of, usize)> {
    let mut bytes = [0; HEAD];
    file.read_exact(&mut bytes)?;
    let (told_head, told) = bytes.split_at(HEAD - MAC);
    let whole = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&told_head[at..at + 8]);
        u64::from_be_bytes(bytes)
    };
    let said = Of {
        from: whole(16),
        ..*of
    };
    let count = usize::try_from(whole(24)).unwrap_or(usize::MAX);
    let is_of = said.from <= of.from && count as u64 <= LENGTH;
    if !is_of || told_head != head(&said, count) {
        return Err(unbelievable());
    }
    believe(&mac(key, told_head, NO_BLOCK, &[]), told)?;
    Ok((said, count))
}

fn head(of: &Of, pairs: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + pairs * PAIR + (pairs / BLOCK + 1) * MAC);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&of.number.to_be_bytes());
    bytes.extend_from_slice(&of.from.to_be_bytes());
    bytes.extend_from_slice(&(pairs as u64).to_be_bytes());
    bytes.extend_from_slice(&of.entries.0);
    bytes
}

fn mac(key: &Key, head: &[u8], block: u64, pairs: &[u8]) -> Tag {
    let mut context = Context::with_key(key);
    context.update(head);
    context.update(&block.to_be_bytes());
    context.update(pairs);
    context.sign()
}

fn believe(made: &Tag, told: &[u8]) -> io::Result<()> {
    verify_slices_are_equal(made.as_ref(), told).map_err(|_| unbelievable())
}

fn unbelievable() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        "it wasn't made with this key of these entries, or was altered",
    )
}

/// A file that ends too soon isn't as it was written.
fn short(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::UnexpectedEof => unbelievable(),
        _ => error,
    }
}

fn pair(bytes: &[u8]) -> Pair {
    let (mut prefix, mut at) = ([0; 8], [0; 2]);
    prefix.copy_from_slice(&bytes[..8]);
    at.copy_from_slice(&bytes[8..]);
    (Prefix::from_be_bytes(prefix), u16::from_be_bytes(at))
}

fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:08}.run"))
}

/// Removes the runs before a number.
pub(super) fn remove_before(directory: &Path, number: u64) -> io::Result<()> {
    let runs = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        runs => runs?,
    };
    for entry in runs {
        let entry = entry?;
        let path = entry.path();
        let is_run = path.extension().is_some_and(|ending| ending == "run");
        let is_run = is_run && !entry.file_type()?.is_dir();
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
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let is_ours = path
            .extension()
            .is_some_and(|ending| ending == "run" || ending == "half");
        if is_ours && !entry.file_type()?.is_dir() {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}
