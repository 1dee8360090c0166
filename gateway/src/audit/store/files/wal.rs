//! What is written first: batches in, one write and one sync each, and the other way round.
//!
//! A batch is its leaves, each after its length in 32 bits, and its signed checkpoint, whose length has
//! the highest bit set. What isn't followed by its checkpoint was never answered for.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::disk::{self, Disk};
use super::paths;
use crate::audit::draft::MAX_LEAF;
use crate::audit::store::Batch;

/// Set in the length of a checkpoint.
const COMMIT: u32 = 1 << 31;

/// Far more than a checkpoint under as many keys as there may be.
const MAX_NOTE: usize = 32 << 10;

/// What a probe writes and takes back.
const PROBE: [u8; 512] = [0; 512];

/// The segment that is written to.
pub(super) struct Wal {
    path: PathBuf,
    /// Nothing after a failure, until the file was opened again and found as it should be.
    file: Option<File>,
    /// Bytes known to be on disk.
    durable: u64,
    /// The last batch's checkpoint, as it stands at the end.
    last: Vec<u8>,
    /// Kept for its room.
    buffer: Vec<u8>,
}

impl Wal {
    /// Goes on after the `durable` bytes of a segment, which end with the checkpoint `last`; what comes
    /// after them is cut off.
    pub(super) fn resume(
        disk: &dyn Disk,
        path: PathBuf,
        durable: u64,
        last: Vec<u8>,
    ) -> io::Result<Self> {
        let mut wal = Self {
            path,
            file: None,
            durable,
            last,
            buffer: Vec::new(),
        };
        wal.recover(disk)?;
        Ok(wal)
    }

    /// Begins the segment of the leaves from `first` on. One left empty by a crash, or by a failure
    /// just now, is taken over.
    pub(super) fn begin(dir: &Path, first: u64) -> io::Result<Self> {
        let path = paths::segment(dir, first);
        let file = disk::append_to(&path)?;
        if file.metadata()?.len() > 0 {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk::sync_dir(&paths::wal(dir))?;
        Ok(Self {
            path,
            file: Some(file),
            durable: 0,
            last: Vec::new(),
            buffer: Vec::new(),
        })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.durable
    }

    /// Makes a batch durable.
    pub(super) fn commit(&mut self, disk: &dyn Disk, batch: &Batch) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.clear();
        for (_, leaf) in batch.leaves() {
            frame(&mut bytes, 0, leaf)?;
        }
        frame(&mut bytes, COMMIT, batch.checkpoint.note.as_bytes())?;
        let written = self.untouched().and_then(|file| {
            disk.write(file, &bytes)?;
            disk.sync(file)
        });
        if written.is_ok() {
            self.durable += bytes.len() as u64;
            self.last.clear();
            self.last
                .extend_from_slice(batch.checkpoint.note.as_bytes());
        } else {
            self.file = None;
        }
        self.buffer = bytes;
        written
    }

    /// Goes back to what is durable, if the last attempt failed.
    pub(super) fn recover(&mut self, disk: &dyn Disk) -> io::Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let file = File::options().read(true).append(true).open(&self.path);
        let file = file.map_err(|error| self.says(&error.to_string()))?;
        if file.metadata()?.len() < self.durable {
            return Err(self.says("another hand took entries out of it"));
        }
        disk.truncate(&file, self.durable)?;
        disk.sync(&file)?;
        let mut last = vec![0; self.last.len()];
        let from = self.durable.checked_sub(last.len() as u64);
        file.read_exact_at(&mut last, from.ok_or(io::ErrorKind::UnexpectedEof)?)?;
        if last != self.last {
            return Err(self.says("its last checkpoint isn't what was written"));
        }
        self.file = Some(file);
        Ok(())
    }

    /// Tries the disk, and leaves nothing behind.
    pub(super) fn probe(&mut self, disk: &dyn Disk) -> io::Result<()> {
        self.recover(disk)?;
        let durable = self.durable;
        let probed = self.untouched().and_then(|file| {
            disk.write(file, &PROBE)?;
            disk.sync(file)?;
            disk.truncate(file, durable)?;
            disk.sync(file)
        });
        if probed.is_err() {
            self.file = None;
        }
        probed
    }

    /// The open file, unless another hand unlinked or changed it: it would take entries and lose them.
    fn untouched(&self) -> io::Result<&File> {
        let closed = || self.says("it isn't open");
        let file = self.file.as_ref().ok_or_else(closed)?;
        let found = file.metadata()?;
        if found.nlink() == 0 {
            return Err(self.says("another hand removed it; put it back as it was"));
        }
        if found.len() != self.durable {
            return Err(self.says("another hand changed it; what this one wrote is kept"));
        }
        Ok(file)
    }

    /// What is wrong with this segment, by its name in the log's directory: `/readyz` shows it to whoever asks.
    fn says(&self, what: &str) -> io::Error {
        let name = self.path.file_name().unwrap_or_default();
        io::Error::other(format!("wal/{}: {what}", name.display()))
    }
}

fn frame(to: &mut Vec<u8>, mark: u32, bytes: &[u8]) -> io::Result<()> {
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    to.extend_from_slice(&(len | mark).to_be_bytes());
    to.extend_from_slice(bytes);
    Ok(())
}

/// A batch as it stands in a segment.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) text: Vec<u8>,
    pub(super) ends: Vec<usize>,
    pub(super) note: Vec<u8>,
}

/// Reads a segment from its beginning.
pub(super) struct Batches {
    from: BufReader<File>,
    /// Where the last whole batch ends.
    pub(super) whole: u64,
    len: u64,
}

impl Batches {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            len: file.metadata()?.len(),
            from: BufReader::with_capacity(256 << 10, file),
            whole: 0,
        })
    }

    /// Bytes after the last whole batch.
    pub(super) fn torn(&self) -> u64 {
        self.len - self.whole
    }

    /// The next whole batch; nothing if what comes next is none. It counts as whole once it was
    /// [taken](Self::take).
    pub(super) fn next(&mut self) -> io::Result<Option<(Written, u64)>> {
        let mut batch = Written::default();
        let mut at = self.whole;
        loop {
            let mut length = [0; 4];
            at += 4;
            if at > self.len {
                return Ok(None);
            }
            if !self.filled(&mut length)? {
                return Ok(None);
            }
            let length = u32::from_be_bytes(length);
            let commit = length & COMMIT != 0;
            let length = (length & !COMMIT) as usize;
            at += length as u64;
            let most = if commit { MAX_NOTE } else { MAX_LEAF };
            if length == 0 || length > most || at > self.len {
                return Ok(None);
            }
            let to = if commit {
                &mut batch.note
            } else {
                &mut batch.text
            };
            let start = to.len();
            to.resize(start + length, 0);
            if !self.filled(&mut to[start..])? {
                return Ok(None);
            }
            if commit {
                return Ok((!batch.ends.is_empty()).then_some((batch, at)));
            }
            batch.ends.push(batch.text.len());
        }
    }

    /// Reads so many bytes; false if they aren't there any more: who writes takes back what failed, and
    /// what it tried the disk with.
    fn filled(&mut self, bytes: &mut [u8]) -> io::Result<bool> {
        match self.from.read_exact(bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            read => read.map(|()| true),
        }
    }

    /// Goes on after a batch that ends here.
    pub(super) fn take(&mut self, end: u64) {
        self.whole = end;
    }
}

/// At most so many bytes of a segment from `whole` on. Who writes may have added to them since, or taken
/// them back.
pub(super) fn remainder(path: &Path, whole: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(whole))?;
    file.take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::disk::FileSystem;
    use super::*;
    use crate::audit::store::Head;
    use crate::audit::store::suite::{draft, signer};

    /// As a reader beside a gateway that tries a failing disk.
    #[test]
    fn what_is_taken_back_under_a_reader_was_never_there() {
        let dir = tempfile::tempdir().unwrap();
        disk::create_dir(&paths::wal(dir.path())).unwrap();
        let mut wal = Wal::begin(dir.path(), 0).unwrap();
        let now = jiff::Timestamp::now;
        let batch = Batch::of(&[draft(1)], &Head::default(), &signer(), now);
        wal.commit(&FileSystem, &batch).unwrap();
        let path = paths::segment(dir.path(), 0);
        let file = disk::append_to(&path).unwrap();
        for left in [0, 10] {
            let tried = [&1000_u32.to_be_bytes(), &PROBE[..]].concat();
            file.set_len(wal.bytes()).unwrap();
            (&file).write_all(&tried).unwrap();
            let mut batches = Batches::of(&path).unwrap();
            file.set_len(wal.bytes() + left).unwrap();
            let (_, end) = batches.next().unwrap().unwrap();
            batches.take(end);
            assert!(batches.next().unwrap().is_none());
            let there = remainder(&path, end, batches.torn()).unwrap();
            assert_eq!(there.len() as u64, left);
        }
    }
}
