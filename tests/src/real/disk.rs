//! A small disk of its own, which can be filled, made to refuse, and made to hang.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::hosts::run;

/// A mounted file system; it is unmounted when it is dropped.
pub struct Disk {
    place: TempDir,
}

impl Disk {
    /// Makes and mounts one of 8 MiB.
    ///
    /// # Errors
    /// Why there can't be one here.
    pub fn new() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("a disk of its own needs root".to_owned());
        }
        let place = TempDir::new().map_err(|error| error.to_string())?;
        let image = place.path().join("image");
        let made = File::create(&image).and_then(|file| file.set_len(8 << 20));
        made.map_err(|error| error.to_string())?;
        let mounted = place.path().join("mounted");
        fs::create_dir(&mounted).map_err(|error| error.to_string())?;
        let (image, mounted) = (image.to_string_lossy(), mounted.to_string_lossy());
        run("mkfs.ext4", &["-q", "-F", &image], "")?;
        run("mount", &["-o", "loop", &image, &mounted], "")?;
        Ok(Self { place })
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.place.path().join("mounted")
    }

    fn filling(&self) -> PathBuf {
        self.path().join("filling")
    }

    /// Writes until there is no room for one byte more.
    ///
    /// # Panics
    /// When it can't write at all.
    pub fn fill(&self) {
        let mut file = File::create(self.filling()).expect("room for a name");
        for size in [64 << 10, 4 << 10, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
    }

    /// Makes room again.
    ///
    /// # Panics
    /// When it can't.
    pub fn empty(&self) {
        fs::remove_file(self.filling()).expect("it was filled");
    }

    /// Lets it hang: whatever is written waits, until what is answered is dropped. A process that
    /// writes to it can't even be killed meanwhile.
    ///
    /// # Panics
    /// When it can't.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        let path = self.path();
        run("fsfreeze", &["-f", &path.to_string_lossy()], "").expect("it freezes");
        Frozen(path)
    }

    /// Mounts it anew, to read only or to write as well.
    ///
    /// # Errors
    /// When somebody writes to it.
    pub fn remount(&self, how: &str) -> Result<(), String> {
        let path = self.path();
        run(
            "mount",
            &["-o", &format!("remount,{how}"), &path.to_string_lossy()],
            "",
        )
    }

    /// Lets every file of this directory refuse to be written, those that are open too.
    ///
    /// # Panics
    /// When it can't.
    pub fn refuse(&self, directory: &Path) {
        refuse(directory, true).expect("files that can't be changed");
    }

    /// Lets them be written again.
    ///
    /// # Panics
    /// When it can't.
    pub fn allow(&self, directory: &Path) {
        refuse(directory, false).expect("files that can be changed");
    }
}

/// A disk that hangs, for as long as this lives.
pub struct Frozen(PathBuf);

impl Drop for Frozen {
    fn drop(&mut self) {
        // The disk may be gone, and then nothing waits for it.
        let _ = run("fsfreeze", &["-u", &self.0.to_string_lossy()], "");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A process that is being killed may still be on it.
        let path = self.path();
        let _ = run("umount", &["-l", &path.to_string_lossy()], "");
    }
}

/// Lets every file of a directory refuse to be written, those that are open too, or no longer.
///
/// # Errors
/// When the file system doesn't know how.
pub(super) fn refuse(directory: &Path, refuse: bool) -> Result<(), String> {
    let files = fs::read_dir(directory).map_err(|error| error.to_string())?;
    for file in files {
        let path = file.map_err(|error| error.to_string())?.path();
        let flag = if refuse { "+i" } else { "-i" };
        run("chattr", &["-R", flag, &path.to_string_lossy()], "")?;
    }
    Ok(())
}
