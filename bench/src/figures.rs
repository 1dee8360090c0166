//! Figures: what was measured in, what is told of it out.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::drive::Outcome;
use crate::process::Usage;
use crate::slots::Slots;

/// Added time that 95 of 100 lookups are to stay under.
const AIM_ADDED_MS: f64 = 5.0;
/// Memory that the gateway is to stay under.
const AIM_PEAK_MIB: f64 = 64.0;

/// Milliseconds by share of the lookups.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Quantiles {
    /// Nearest rank; zeros of nothing.
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times
                .get(rank - 1)
                .map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        Self {
            p50: at(50),
            p95: at(95),
            p99: at(99),
            max: at(100),
        }
    }
}

/// One run against one process.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    /// `gateway` or `fan_out`.
    pub(crate) name: &'static str,
    pub(crate) sent: usize,
    pub(crate) answered: usize,
    pub(crate) errors: BTreeMap<String, u64>,
    pub(crate) answered_per_s: f64,
    /// From when a lookup was due to the end of its answer.
    pub(crate) total_ms: Quantiles,
    /// Less the time that its slowest source held it.
    pub(crate) added_ms: Quantiles,
    /// How late the load itself was; contained in both.
    pub(crate) late_ms: Quantiles,
    pub(crate) cpu_us_per_lookup: f64,
    /// Cores in use.
    pub(crate) cores: f64,
    pub(crate) peak_mib: f64,
    pub(crate) resident_before_mib: f64,
    pub(crate) resident_after_mib: f64,
    pub(crate) threads: u64,
    /// Lookups in the verified audit log, and answers that there were, the warm-up's among them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) audit: Option<Audit>,
}

/// Whether what left was recorded.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Audit {
    pub(crate) entries: u64,
    pub(crate) answered: u64,
}

impl Run {
    pub(crate) fn new(
        name: &'static str,
        outcome: Outcome,
        slots: &Slots,
        before: Usage,
        after: Usage,
    ) -> Self {
        let answered = outcome.answered.len();
        let added = |(number, total): &(usize, Duration)| {
            let held = slots.longest(*number);
            total.saturating_sub(held)
        };
        let added = outcome.answered.iter().map(added).collect();
        let total = outcome.answered.iter().map(|(_, total)| *total).collect();
        let cpu = after.cpu.saturating_sub(before.cpu);
        let took = outcome.took.as_secs_f64().max(f64::MIN_POSITIVE);
        Self {
            name,
            sent: outcome.late.len(),
            answered,
            errors: outcome.errors,
            answered_per_s: answered as f64 / took,
            total_ms: Quantiles::of(total),
            added_ms: Quantiles::of(added),
            late_ms: Quantiles::of(outcome.late),
            cpu_us_per_lookup: cpu.as_secs_f64() * 1e6 / answered.max(1) as f64,
            cores: cpu.as_secs_f64() / took,
            peak_mib: mib(after.peak_kib),
            resident_before_mib: mib(before.resident_kib),
            resident_after_mib: mib(after.resident_kib),
            threads: after.threads,
            audit: None,
        }
    }

    /// Whether all were answered, and each answer was recorded.
    pub(crate) fn is_whole(&self) -> bool {
        let recorded = self
            .audit
            .is_none_or(|audit| audit.entries == audit.answered);
        self.errors.is_empty() && self.answered == self.sent && recorded
    }

    /// What was aimed at, and whether it was met.
    pub(crate) fn aims(&self) -> [(String, bool); 2] {
        [
            (
                format!("p95 added under {AIM_ADDED_MS} ms"),
                self.added_ms.p95 < AIM_ADDED_MS,
            ),
            (
                format!("peak memory under {AIM_PEAK_MIB} MiB"),
                self.peak_mib < AIM_PEAK_MIB,
            ),
        ]
    }
}

/// KiB as MiB.
pub(crate) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// Without which the figures mean little.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) kernel: String,
    /// Of the directory with the audit log.
    pub(crate) filesystem: String,
    /// To make half a kilobyte durable there, with nothing else to do.
    pub(crate) fsync_ms: Quantiles,
    /// Runnable tasks in the last minute, before the start: others' work.
    pub(crate) load: String,
}

impl Machine {
    /// # Errors
    /// When the directory can't be written.
    pub(crate) fn look(dir: &Path) -> anyhow::Result<Self> {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let load = read("/proc/loadavg");
        let cpu = read("/proc/cpuinfo");
        let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name"));
        let cpu = cpu
            .unwrap_or("unknown")
            .trim_start_matches([' ', '\t', ':']);
        let kernel = read("/proc/sys/kernel/osrelease");
        Ok(Self {
            cpu: cpu.to_owned(),
            kernel: format!("Linux {}", kernel.trim_end()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            filesystem: filesystem(&read("/proc/mounts"), dir).to_owned(),
            fsync_ms: fsync(dir)?,
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

fn fsync(dir: &Path) -> anyhow::Result<Quantiles> {
    let path = dir.join("fsync.probe");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let mut times = Vec::new();
    for _ in 0..100 {
        let started = Instant::now();
        file.write_all(&[0; 512])?;
        file.sync_data()?;
        times.push(started.elapsed());
    }
    std::fs::remove_file(path)?;
    Ok(Quantiles::of(times))
}

/// The type of the deepest mount that the directory lies under.
fn filesystem<'m>(mounts: &'m str, dir: &Path) -> &'m str {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((Path::new(words.next()?), words.next()?))
    });
    let above = mounts.filter(|(point, _)| dir.starts_with(point));
    let deepest = above.max_by_key(|(point, _)| point.components().count());
    deepest.map_or("unknown", |(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_by_nearest_rank() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        let q = Quantiles::of(times);
        assert_eq!((q.p50, q.p95, q.p99, q.max), (100.0, 190.0, 198.0, 200.0));
        assert_eq!(Quantiles::of(Vec::new()).max, 0.0);
    }

    #[test]
    fn the_deepest_mount_tells_the_filesystem() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n";
        assert_eq!(filesystem(mounts, Path::new("/tmp/x")), "tmpfs");
        assert_eq!(filesystem(mounts, Path::new("/temporary")), "ext4");
    }
}
