//! A disk that takes its time for everything that should be durable. A library stands between the
//! gateway and the system, as no file system of its own is needed then, and no root.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Gateway, Site, loket};

/// How long each sync takes.
pub struct SlowSync {
    library: PathBuf,
    told: PathBuf,
}

impl SlowSync {
    /// Compiles the library; nothing is slow yet.
    ///
    /// # Errors
    /// Why there can't be one here.
    pub fn new(site: &Site) -> Result<Self, String> {
        let library = site.scratch().join("libslow_sync.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("preload/slow_sync.rs");
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition", "2024", "--crate-type", "cdylib", "-o"]);
        let compiled = rustc.arg(&library).arg(source).output();
        let compiled = compiled.map_err(|error| format!("rustc: {error}"))?;
        if !compiled.status.success() {
            return Err(String::from_utf8_lossy(&compiled.stderr).into_owned());
        }
        let told = site.scratch().join("slow");
        let slow = Self { library, told };
        slow.take(Duration::ZERO);
        Ok(slow)
    }

    /// Each sync takes so much longer from now on.
    ///
    /// # Panics
    /// When that can't be told.
    pub fn take(&self, time: Duration) {
        std::fs::write(&self.told, time.as_millis().to_string()).expect("a file");
    }

    /// Starts a gateway on this disk.
    #[must_use]
    pub fn start(&self, site: &Site) -> Gateway {
        Gateway::launch(self.command(), &site.config())
    }

    /// What runs on this disk, which is slow for one of its threads only.
    #[must_use]
    pub fn command_of(&self, thread: &str) -> Command {
        let mut command = self.command();
        command.env("LOKET_SLOW_THREAD", thread);
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(loket());
        command
            .env("LD_PRELOAD", &self.library)
            .env("LOKET_SLOW_SYNC", &self.told);
        command
    }
}
