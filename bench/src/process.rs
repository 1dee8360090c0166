//! A process under measurement: started, watched through `/proc` with its children, stopped.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// Ticks a second in `/proc/PID/stat`: 100 on every Linux that Rust's targets run on.
const TICKS: u64 = 100;
/// Between two looks at memory: a look holds the process up for about a millisecond.
const LOOK: Duration = Duration::from_millis(500);

/// A child that doesn't outlive this program, nor do its own children.
pub(crate) struct Process {
    child: Child,
    name: String,
}

/// What the system says of a process and its children.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// User and system time of all threads since the start.
    pub(crate) cpu: Duration,
    /// Resident now, in KiB; what several share counts once.
    pub(crate) resident_kib: u64,
    /// The most that was ever resident, in KiB; what several share counts for each.
    pub(crate) peak_kib: u64,
    /// Threads.
    pub(crate) threads: u64,
}

impl Process {
    /// Starts a program whose output goes to a file.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn start(program: &Path, args: &[&str], output: &Path) -> anyhow::Result<Self> {
        let file = File::create(output)?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("{} can't be started", program.display()))?;
        Ok(Self {
            child,
            name: program.display().to_string(),
        })
    }

    /// Waits until a line of the output is what `find` looks for.
    ///
    /// # Errors
    /// When the process ends first, or it takes more than ten seconds.
    pub(crate) fn wait_for<T>(
        &mut self,
        output: &Path,
        find: impl Fn(&str) -> Option<T>,
    ) -> anyhow::Result<T> {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let text = fs::read_to_string(output)?;
            if let Some(found) = text.lines().find_map(&find) {
                return Ok(found);
            }
            if self.has_ended()? || Instant::now() > until {
                bail!("{} didn't start:\n{}", self.name, tail(&text));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether there is nobody left to wait for.
    ///
    /// # Errors
    /// When the system doesn't tell.
    pub(crate) fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// What the system says of it and its children now.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        let mut whole = Usage::default();
        for pid in self.family()? {
            let file = |name: &str| {
                let path = format!("/proc/{pid}/{name}");
                fs::read_to_string(&path).with_context(|| format!("{path} can't be read"))
            };
            let status = file("status")?;
            let number = |name| number(&status, name).unwrap_or_default();
            whole.cpu += cpu(&file("stat")?).context("stat isn't as expected")?;
            whole.resident_kib += resident(pid)?;
            whole.peak_kib += number("VmHWM:");
            whole.threads += number("Threads:");
        }
        Ok(whole)
    }

    /// Begins to watch how much is resident.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) fn watch(&self) -> anyhow::Result<Watch> {
        let family = self.family()?;
        let enough = Arc::new(AtomicBool::new(false));
        let told = enough.clone();
        let thread = std::thread::spawn(move || {
            let mut most = 0;
            loop {
                // The last look is taken after it was told to stop.
                let last = told.load(Ordering::Relaxed);
                let now = family.iter().filter_map(|pid| resident(*pid).ok()).sum();
                most = most.max(now);
                if last {
                    return most;
                }
                std::thread::park_timeout(LOOK);
            }
        });
        Ok(Watch { enough, thread })
    }

    /// Its id and those of its descendants.
    fn family(&self) -> anyhow::Result<Vec<u32>> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            // Who ended meanwhile has no parent to tell.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if let Some(parent) = field(&stat, 1).and_then(|id| u32::try_from(id).ok()) {
                children.entry(parent).or_default().push(pid);
            }
        }
        let mut family = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = family.get(next) {
            family.extend(children.remove(pid).unwrap_or_default());
            next += 1;
        }
        Ok(family)
    }

    /// Waits for its end; what hasn't ended by then is killed.
    ///
    /// # Errors
    /// When it had to be killed.
    pub(crate) fn wait(&mut self, patience: Duration) -> anyhow::Result<ExitStatus> {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("{} didn't stop when told to", self.name)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended can't be ended, and that is well.
        if let Ok(None) = self.child.try_wait() {
            let family = self.family().unwrap_or_default();
            let family: Vec<_> = family.into_iter().map(|pid| (pid, began(pid))).collect();
            signal(self.child.id(), Signal::TERM);
            let _ = self.wait(Duration::from_secs(3));
            for (pid, began_at) in family {
                // The id may be another's by now.
                if began_at.is_some() && began(pid) == began_at {
                    signal(pid, Signal::KILL);
                }
            }
        }
        let _ = self.child.wait();
    }
}

/// Looks at memory until it is told to stop.
pub(crate) struct Watch {
    enough: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<u64>,
}

impl Watch {
    /// The most that was resident, in KiB.
    pub(crate) fn most(self) -> u64 {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        self.thread.join().unwrap_or_default()
    }
}

/// Lets this program and its children open as many files as the system allows.
///
/// # Errors
/// When fewer than `least` are allowed.
pub(crate) fn raise_open_files(least: u64) -> anyhow::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(1 << 20);
    if most < least {
        bail!("{most} open files are allowed and {least} are needed: raise `ulimit -Hn`");
    }
    let current = Some(most);
    setrlimit(Resource::Nofile, Rlimit { current, ..limit })?;
    Ok(most)
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        let _ = kill_process(pid, signal);
    }
}

/// The last lines, which tell why.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

/// When it began, in ticks since the system did.
fn began(pid: u32) -> Option<u64> {
    field(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?, 19)
}

/// A field of `stat` after the name, which is in brackets and may contain spaces.
fn field(stat: &str, index: usize) -> Option<u64> {
    let after = stat.rsplit_once(')')?.1;
    after.split_whitespace().nth(index)?.parse().ok()
}

fn cpu(stat: &str) -> Option<Duration> {
    let ticks = field(stat, 11)? + field(stat, 12)?;
    Some(Duration::from_millis(ticks * 1000 / TICKS))
}

/// What is resident of one process, in KiB: of a page that n share, an nth.
fn resident(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).with_context(|| format!("{path} can't be read"))?;
    number(&text, "Pss:").with_context(|| format!("{path} isn't as expected"))
}

fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_are_read() {
        let stat = "17 (a (b) c) S 1 17 17 0 -1 4194560 90 0 0 0 250 50 0 0 20 0 3 0 1 1 1";
        assert_eq!(cpu(stat), Some(Duration::from_secs(3)));
        assert_eq!(field(stat, 1), Some(1));
        let text = "Name:\tloket\nVmHWM:\t   65536 kB\nThreads:\t5\n";
        assert_eq!(number(text, "VmHWM:"), Some(65_536));
        assert_eq!(number(text, "Threads:"), Some(5));
        assert_eq!(number(text, "Pss:"), None);
    }

    #[test]
    fn children_count_and_end_with_their_parent() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let script = "sh -c 'echo here; while :; do :; done' & wait";
        let mut process = Process::start(Path::new("sh"), &["-c", script], &log).unwrap();
        process
            .wait_for(&log, |line| (line == "here").then_some(()))
            .unwrap();
        let family = process.family().unwrap();
        assert_eq!(family.len(), 2, "{family:?}");
        while process.usage().unwrap().cpu.is_zero() {
            std::thread::yield_now();
        }
        assert!(process.watch().unwrap().most() > 0);
        drop(process);
        let is_gone = |pid: &u32| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
            stat.map_or(true, |stat| stat.contains(") Z "))
        };
        let until = Instant::now() + Duration::from_secs(30);
        while !family.iter().all(is_gone) {
            assert!(Instant::now() < until, "{family:?} live on");
            std::thread::yield_now();
        }
    }
}
