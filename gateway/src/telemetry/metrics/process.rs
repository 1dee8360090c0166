//! The process itself, read when somebody looks: the conventions' `process.*`.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use procfs::process::{Process, Stat};

use crate::telemetry::names as name;

/// Has the meter read what the kernel says of this process whenever it is asked; nothing where that can't be
/// read.
pub(super) fn observe(meter: &Meter) {
    let Ok(process) = Process::myself() else {
        return;
    };
    let process = Arc::new(process);
    let stat = move || process.stat().ok();
    cpu(meter, stat.clone());
    sizes(meter, stat);
    let began = Instant::now();
    // The meter keeps what it calls back; the handles do nothing.
    let _ = meter
        .f64_observable_gauge(name::PROCESS_UPTIME)
        .with_description("How long the process has run.")
        .with_unit("s")
        .with_callback(move |gauge| gauge.observe(began.elapsed().as_secs_f64(), &[]))
        .build();
    let _ = meter
        .u64_observable_gauge(name::PROCESS_FDS)
        .with_description("File descriptors in use.")
        .with_callback(|gauge| {
            let count = Process::myself().and_then(|process| process.fd_count());
            if let Ok(count) = count {
                gauge.observe(count as u64, &[]);
            }
        })
        .build();
}

fn cpu(meter: &Meter, stat: impl Fn() -> Option<Stat> + Send + Sync + 'static) {
    let _ = meter
        .f64_observable_counter(name::PROCESS_CPU)
        .with_description("CPU time of the process.")
        .with_unit("s")
        .with_callback(move |counter| {
            let Some(stat) = stat() else {
                return;
            };
            let ticks = procfs::ticks_per_second() as f64;
            for (mode, time) in [("user", stat.utime), ("system", stat.stime)] {
                counter.observe(time as f64 / ticks, &[KeyValue::new(name::CPU_MODE, mode)]);
            }
        })
        .build();
}

fn sizes(meter: &Meter, stat: impl Fn() -> Option<Stat> + Clone + Send + Sync + 'static) {
    type Size = fn(&Stat) -> u64;
    let all: [(_, _, _, Size); 3] = [
        (name::PROCESS_MEMORY, "Memory in use.", "By", |stat| {
            stat.rss.saturating_mul(procfs::page_size())
        }),
        (
            name::PROCESS_VIRTUAL,
            "Memory that is mapped.",
            "By",
            |stat| stat.vsize,
        ),
        (name::PROCESS_THREADS, "Threads.", "", |stat| {
            u64::try_from(stat.num_threads).unwrap_or_default()
        }),
    ];
    for (name, about, unit, size) in all {
        let stat = stat.clone();
        let _ = meter
            .u64_observable_gauge(name)
            .with_description(about)
            .with_unit(unit)
            .with_callback(move |gauge| {
                if let Some(stat) = stat() {
                    gauge.observe(size(&stat), &[]);
                }
            })
            .build();
    }
}
