//! What the store asks of the file system.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The calls that fail when a disk is full or failing; tests put faults here.
pub(crate) trait Disk: Send + Sync {
    fn write(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn write_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn truncate(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }
}

/// The real one.
#[derive(Debug)]
pub(crate) struct FileSystem;

impl Disk for FileSystem {}

/// Files that come into being together: each appears whole and durable, or isn't there.
pub(super) struct Replacing<'a> {
    disk: &'a dyn Disk,
    /// Where all of them are. It isn't made anew if another hand removed it.
    base: &'a Path,
    written: Vec<(File, PathBuf, PathBuf)>,
    /// Directories whose names changed.
    dirs: BTreeSet<PathBuf>,
}

impl<'a> Replacing<'a> {
    pub(super) fn of(base: &'a Path, disk: &'a dyn Disk) -> Self {
        Self {
            disk,
            base,
            written: Vec::new(),
            dirs: BTreeSet::new(),
        }
    }

    pub(super) fn write(&mut self, path: PathBuf, bytes: &[u8]) -> io::Result<()> {
        if let Some(dir) = path.parent() {
            self.create_dir(dir)?;
        }
        let new = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&new)?;
        self.disk.write(&file, bytes)?;
        self.written.push((file, new, path));
        Ok(())
    }

    /// Each up to the base has its name made durable, also if it is there: a crash may have come between.
    fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        if !self.dirs.insert(dir.to_owned()) || dir == self.base {
            return Ok(());
        }
        if let Some(parent) = dir.parent() {
            self.create_dir(parent)?;
        }
        match DirBuilder::new().mode(0o700).create(dir) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes all of it durable.
    pub(super) fn finish(self) -> io::Result<()> {
        for (file, _, _) in &self.written {
            self.disk.sync(file)?;
        }
        for (_, new, path) in &self.written {
            self.disk.rename(new, path)?;
        }
        self.dirs.iter().try_for_each(|dir| sync_dir(dir))
    }
}

/// Creates `dir` and what it lies in, readable by nobody else, and makes each name durable.
pub(super) fn create_dir(dir: &Path) -> io::Result<()> {
    let changed = changed_by(dir);
    if changed.is_empty() {
        return Ok(());
    }
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    changed.into_iter().try_for_each(sync_dir)
}

/// The directories that get a new name when `dir` is created, the nearest first.
fn changed_by(dir: &Path) -> Vec<&Path> {
    let missing = dir.ancestors().take_while(|at| !at.is_dir());
    let parents = missing.filter_map(Path::parent).map(|parent| {
        let here = parent.as_os_str().is_empty();
        if here { Path::new(".") } else { parent }
    });
    parents.collect()
}

pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// A file to write to, begun if it isn't there.
pub(super) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(path)
}

/// A file to append to, begun if it isn't there.
pub(super) fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).mode(0o600);
    options.open(path)
}

/// All of a file; nothing if it isn't there.
pub(super) fn read_if_there(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directory_that_is_created_has_its_name_synced() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("a/b/c");
        let changed = [base.path().join("a/b"), base.path().join("a")];
        let changed: Vec<&Path> = changed.iter().map(PathBuf::as_path).collect();
        assert_eq!(changed_by(&dir), [changed, vec![base.path()]].concat());
        create_dir(&dir).unwrap();
        assert!(dir.is_dir() && changed_by(&dir).is_empty());
        assert_eq!(changed_by(Path::new("nowhere")), [Path::new(".")]);
    }
}
