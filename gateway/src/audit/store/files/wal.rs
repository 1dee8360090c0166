//! What is written first: batches in, one write and one sync each, and the other way round.
//!
//! A batch is its leaves, each after its length in 32 bits, and its signed checkpoint, whose length has
//! the highest bit set. What isn't followed by its checkpoint was never answered for.
//!
//! The segment that is written to has room after its last batch, zeros that are on disk already: a sync
//! then has nothing to tell the file system's journal. A segment that is left has none.

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

/// So many zeros are written ahead at once.
const ROOM: u64 = 64 << 10;

/// The least that a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Bytes of a sector that tell whether it was written: a length begins with zeros.
const TELLING: usize = 4;

/// The segment that is written to.
pub(super) struct Wal {
    path: PathBuf,
    /// Nothing after a failure, until the file was opened again and found as it should be.
    file: Option<File>,
    /// Bytes of batches known to be on disk.
    durable: u64,
    /// Bytes of the file: batches, and room for more.
    len: u64,
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
            len: durable,
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
        let file = disk::create(&path)?;
        if file.metadata()?.len() > 0 {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        disk::sync_dir(&paths::wal(dir))?;
        Ok(Self {
            path,
            file: Some(file),
            durable: 0,
            len: 0,
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
        let end = self.durable + bytes.len() as u64;
        let written = self.with_room(disk, end).and_then(|file| {
            disk.write_at(file, &bytes, self.durable)?;
            disk.sync(file)
        });
        if written.is_ok() {
            self.durable = end;
            self.len = self.len.max(room_for(end));
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
        let file = File::options().read(true).write(true).open(&self.path);
        let file = file.map_err(|error| self.says(&error.to_string()))?;
        if file.metadata()?.len() < self.durable {
            return Err(self.says("another hand took entries out of it"));
        }
        disk.truncate(&file, self.durable)?;
        disk.sync(&file)?;
        self.len = self.durable;
        let mut last = vec![0; self.last.len()];
        let from = self.durable.checked_sub(last.len() as u64);
        file.read_exact_at(&mut last, from.ok_or(io::ErrorKind::UnexpectedEof)?)?;
        if last != self.last {
            return Err(self.says("its last checkpoint isn't what was written"));
        }
        self.file = Some(file);
        Ok(())
    }

    /// Tries the disk, and leaves nothing but room behind.
    pub(super) fn probe(&mut self, disk: &dyn Disk) -> io::Result<()> {
        self.recover(disk)?;
        let end = self.durable + SECTOR as u64;
        let probed = self.with_room(disk, end).and_then(|file| {
            disk.write_at(file, &[0; SECTOR], self.durable)?;
            disk.sync(file)
        });
        match probed {
            Ok(()) => self.len = self.len.max(room_for(end)),
            Err(_) => self.file = None,
        }
        probed
    }

    /// Gives back the room: the segment ends with its last batch.
    pub(super) fn end(&mut self, disk: &dyn Disk) -> io::Result<()> {
        let ended = self.untouched().and_then(|file| {
            disk.truncate(file, self.durable)?;
            disk.sync(file)
        });
        match ended {
            Ok(()) => self.len = self.durable,
            Err(_) => self.file = None,
        }
        ended
    }

    /// The file, with zeros up to `end` and beyond. They are on disk with the next sync.
    fn with_room(&self, disk: &dyn Disk, end: u64) -> io::Result<&File> {
        let file = self.untouched()?;
        if end > self.len {
            let zeros = room_for(end) - self.len;
            let zeros = vec![0; usize::try_from(zeros).map_err(io::Error::other)?];
            disk.write_at(file, &zeros, self.len)?;
        }
        Ok(file)
    }

    /// The open file, unless another hand unlinked or changed it: it would take entries and lose them.
    fn untouched(&self) -> io::Result<&File> {
        let closed = || self.says("it isn't open");
        let file = self.file.as_ref().ok_or_else(closed)?;
        let found = file.metadata()?;
        if found.nlink() == 0 {
            return Err(self.says("another hand removed it; put it back as it was"));
        }
        if found.len() != self.len {
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

/// How long a segment is whose batches end here.
fn room_for(end: u64) -> u64 {
    end.next_multiple_of(ROOM)
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
    /// Where what was written ends, whole or not: whoever writes goes on meanwhile.
    len: u64,
}

impl Batches {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        Ok(Self {
            len: written(&file)?,
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

/// The bytes of a segment before its room.
fn written(file: &File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut block = vec![0; 64 << 10];
    while end > 0 {
        let start = end.saturating_sub(block.len() as u64);
        let read = &mut block[..usize::try_from(end - start).unwrap_or_default()];
        match file.read_exact_at(read, start) {
            // Taken back meanwhile.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => read.fill(0),
            done => done?,
        }
        if let Some(last) = read.iter().rposition(|byte| *byte != 0) {
            return Ok(start + last as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Whether a batch that begins at `at` in its segment was written in part: a sector of it never was, and is
/// room still.
pub(super) fn in_part(batch: &[u8], at: u64) -> bool {
    let first = SECTOR - (at % SECTOR as u64) as usize;
    let (first, rest) = batch.split_at(first.min(batch.len()));
    let mut sectors = std::iter::once(first).chain(rest.chunks(SECTOR));
    sectors.any(|sector| sector.len() >= TELLING && sector.iter().all(|byte| *byte == 0))
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
    use super::super::disk::FileSystem;
    use super::*;
    use crate::audit::store::Head;
    use crate::audit::store::suite::{draft, signer};

    /// As a reader beside a gateway whose disk fails.
    #[test]
    fn what_is_taken_back_under_a_reader_was_never_there() {
        let dir = tempfile::tempdir().unwrap();
        disk::create_dir(&paths::wal(dir.path())).unwrap();
        let mut wal = Wal::begin(dir.path(), 0).unwrap();
        let now = jiff::Timestamp::now;
        let batch = Batch::of(&[draft(1)], &Head::default(), &signer(), now);
        wal.commit(&FileSystem, &batch).unwrap();
        let path = paths::segment(dir.path(), 0);
        let file = disk::create(&path).unwrap();
        for left in [0, 10] {
            let tried = [&1000_u32.to_be_bytes(), &[b'x'; 500][..]].concat();
            file.set_len(wal.bytes()).unwrap();
            file.write_all_at(&tried, wal.bytes()).unwrap();
            let mut batches = Batches::of(&path).unwrap();
            assert_eq!(batches.torn(), wal.bytes() + 504);
            file.set_len(wal.bytes() + left).unwrap();
            let (_, end) = batches.next().unwrap().unwrap();
            batches.take(end);
            assert!(batches.next().unwrap().is_none());
            let there = remainder(&path, end, batches.torn()).unwrap();
            assert_eq!(there.len() as u64, left);
        }
    }

    #[test]
    fn a_part_that_begins_in_a_written_sector_is_looked_at_by_itself() {
        let batch = [&4_u32.to_be_bytes(), &[b'x'; 2000][..]].concat();
        for at in 0..1024 {
            assert!(!in_part(&batch, at), "{at}");
            let first = 512 - usize::try_from(at % 512).unwrap();
            let mut part = batch.clone();
            part[..first].fill(0);
            // A length of less than four bytes of zeros may be one.
            assert_eq!(in_part(&part, at), first >= 4, "{at}");
            part.clone_from(&batch);
            part[first + 512..first + 1024].fill(0);
            assert!(in_part(&part, at), "{at}");
        }
    }
}
