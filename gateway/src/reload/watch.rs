//! Watch: the files that the configuration names in, a reload when one of them changes out.
//!
//! Files are looked at every few seconds instead of asking the kernel to tell: that sees a file
//! written in place, one renamed over another and a directory whose symbolic link is turned, as
//! Kubernetes does, all the same.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Reloader;
use crate::audit::Asker;
use crate::config::files;

/// Looks at files that change all the time are given up after so many.
const SETTLES_WITHIN: usize = 5;

/// Files as they were when they were last looked at.
#[derive(Debug)]
pub struct Watch {
    config: PathBuf,
    seen: Vec<(PathBuf, Option<Stamp>)>,
}

/// What changes with a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Also when mode or owner change, which decide who may read a key.
    changed: (i64, i64),
}

impl Watch {
    /// Looks at the configuration and the files that it names; call it before they are read, so
    /// that no change falls in between.
    #[must_use]
    pub fn of(config: &Path) -> Self {
        Self {
            config: config.to_owned(),
            seen: look(config),
        }
    }

    /// Reloads for good, whenever a file has changed and then doesn't for a fifth of the interval:
    /// whoever writes a certificate and its key isn't done with the first.
    pub async fn run(mut self, reloader: Arc<Reloader>, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            if self.has_changed(interval / 5).await {
                tracing::info!("a file of the configuration has changed");
                // What became of it is logged and counted.
                let _ = reloader.reload(Asker::Watch).await;
            }
        }
    }

    async fn has_changed(&mut self, settle: Duration) -> bool {
        let mut now = self.look().await;
        if now == self.seen {
            return false;
        }
        for _ in 0..SETTLES_WITHIN {
            tokio::time::sleep(settle).await;
            let again = self.look().await;
            let settled = again == now;
            now = again;
            if settled {
                break;
            }
        }
        self.seen = now;
        true
    }

    async fn look(&self) -> Vec<(PathBuf, Option<Stamp>)> {
        let config = self.config.clone();
        let looked = tokio::task::spawn_blocking(move || look(&config)).await;
        looked.unwrap_or_else(|_| self.seen.clone())
    }
}

fn look(config: &Path) -> Vec<(PathBuf, Option<Stamp>)> {
    let files = files::named_by(config).into_iter();
    files
        .map(|path| {
            let stamp = std::fs::metadata(&path).ok().map(|file| Stamp {
                device: file.dev(),
                inode: file.ino(),
                size: file.size(),
                modified: (file.mtime(), file.mtime_nsec()),
                changed: (file.ctime(), file.ctime_nsec()),
            });
            (path, stamp)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn sees_every_way_to_change_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let config = at("loket.toml");
        fs::write(&config, "holds_file = \"mounted/holds.txt\"\n").unwrap();
        for (version, held) in [("one", "1"), ("two", "2")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("holds.txt"), held).unwrap();
        }
        symlink("one", at("mounted")).unwrap();
        let mut watch = Watch::of(&config);
        assert!(!watch.has_changed(Duration::from_secs(1)).await);

        let mut check = async |how: &str| {
            assert!(watch.has_changed(Duration::from_secs(1)).await, "{how}");
            assert!(!watch.has_changed(Duration::from_secs(1)).await, "{how}");
        };
        symlink("two", at("turned")).unwrap();
        fs::rename(at("turned"), at("mounted")).unwrap();
        check("a directory's link turned").await;
        fs::write(at("new"), "2").unwrap();
        fs::rename(at("new"), at("two/holds.txt")).unwrap();
        check("one renamed over another").await;
        fs::write(at("two/holds.txt"), "33").unwrap();
        check("written in place").await;
        fs::remove_file(at("two/holds.txt")).unwrap();
        check("taken away").await;
        fs::write(&config, "holds_file = \"one/holds.txt\"\n").unwrap();
        check("another is named").await;
        fs::create_dir(at("grants")).unwrap();
        fs::write(&config, "grants_dir = \"grants\"\n").unwrap();
        check("a directory is named").await;
        fs::write(at("grants/g-1.jws"), "1").unwrap();
        check("a file comes into the directory").await;
        fs::write(at("grants/g-1.jws"), "22").unwrap();
        check("a file of the directory is written in place").await;
        fs::remove_file(at("grants/g-1.jws")).unwrap();
        check("a file of the directory is taken away").await;
    }
}
