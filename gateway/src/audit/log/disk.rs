//! What the log asks of the file system.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The calls that fail when a disk is full or failing; tests put faults here.
pub(super) trait Disk: Send {
    fn write(&mut self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&mut self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn truncate(&mut self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }
}

/// The real one.
pub(super) struct FileSystem;

impl Disk for FileSystem {}

/// The segments in `dir`, by first entry. Files with other names aren't the log's.
pub(crate) fn segments(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for file in dir.read_dir()? {
        let path = file?.path();
        if let Some(first) = first_entry(&path) {
            found.push((first, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}

fn first_entry(path: &Path) -> Option<u64> {
    let digits = path.file_name()?.to_str()?.strip_suffix(".log")?;
    let whole = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    whole.then(|| digits.parse().ok())?
}

pub(super) fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.log"))
}

/// Creates `dir`, readable by nobody else, and makes its name durable.
pub(super) fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

pub(super) fn lock_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path)
}

/// Begins a segment. One left empty by a crash, or by a failure just now, is taken over.
pub(super) fn create_segment(dir: &Path, path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    let file = options.open(path)?;
    if file.metadata()?.len() > 0 {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    sync_dir(dir)?;
    Ok(file)
}

pub(super) fn open_segment(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).open(path)
}

/// The first line of a file without its line break, if there is a whole one.
pub(super) fn first_line(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    BufReader::new(File::open(path)?).read_until(b'\n', &mut line)?;
    Ok((line.pop() == Some(b'\n')).then_some(line))
}

/// The last line of a file without its line break, if the file ends with a whole one.
pub(super) fn last_line(path: &Path) -> io::Result<Option<Vec<u8>>> {
    const STEP: u64 = 16 << 10;
    let file = File::open(path)?;
    let mut from = file.metadata()?.len();
    let mut tail = Vec::new();
    while from > 0 {
        let step = from.min(STEP);
        from -= step;
        let mut bytes = vec![0; usize::try_from(step).unwrap_or_default()];
        file.read_exact_at(&mut bytes, from)?;
        bytes.append(&mut tail);
        tail = bytes;
        let Some((b'\n', lines)) = tail.split_last() else {
            return Ok(None);
        };
        let before = lines.iter().rposition(|byte| *byte == b'\n');
        if let Some(start) = before.map(|at| at + 1).or((from == 0).then_some(0)) {
            return Ok(Some(lines[start..].to_vec()));
        }
    }
    Ok(None)
}
