//! The report: for people a table, for programs a document.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use serde_json::json;

use crate::figures::{Machine, Run};
use crate::plan::{Output, Plan};

/// Writes it.
///
/// # Errors
/// When it can't be written.
pub(crate) fn write(
    plan: &Plan,
    machine: &Machine,
    runs: &[Run],
    out: &mut dyn Write,
) -> io::Result<()> {
    match plan.output {
        Output::Json => {
            let document = json!({
                "schema": "loket.load/1",
                "rate": plan.rate,
                "duration_s": plan.duration.as_secs_f64(),
                "connections": plan.connections,
                "protocol": plan.protocol,
                "arrivals": plan.arrivals,
                "machine": machine,
                "runs": runs,
            });
            writeln!(out, "{document:#}")
        }
        Output::Table => table(plan, machine, runs, out),
    }
}

fn table(plan: &Plan, machine: &Machine, runs: &[Run], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "{} lookups/s for {} s over 5 sources, open loop; {} connections; {} cores, load {} before; {}, fsync p50 {:.2} ms, p95 {:.2} ms",
        plan.rate,
        plan.duration.as_secs_f64(),
        plan.connections,
        machine.cores,
        machine.load,
        machine.filesystem,
        machine.fsync_ms.p50,
        machine.fsync_ms.p95,
    )?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    let mut header = vec![String::new()];
    header.extend(runs.iter().map(|run| run.name.to_owned()));
    let ratio = runs.len() == 2;
    if ratio {
        header.push("ratio".to_owned());
    }
    table.set_header(header);
    let mut row = |name: &str, places: usize, figure: &dyn Fn(&Run) -> f64| {
        let figures: Vec<f64> = runs.iter().map(figure).collect();
        let mut cells = vec![name.to_owned()];
        cells.extend(figures.iter().map(|figure| format!("{figure:.places$}")));
        if let ([one, other], true) = (figures.as_slice(), ratio) {
            cells.push(format!("{:.2}", one / other));
        }
        table.add_row(cells);
    };
    row("sent", 0, &|run| run.sent as f64);
    row("answered", 0, &|run| run.answered as f64);
    row("answered/s", 1, &|run| run.answered_per_s);
    row("added ms p50", 2, &|run| run.added_ms.p50);
    row("added ms p95", 2, &|run| run.added_ms.p95);
    row("added ms p99", 2, &|run| run.added_ms.p99);
    row("added ms max", 2, &|run| run.added_ms.max);
    row("total ms p50", 2, &|run| run.total_ms.p50);
    row("total ms p95", 2, &|run| run.total_ms.p95);
    row("total ms p99", 2, &|run| run.total_ms.p99);
    row("total ms max", 2, &|run| run.total_ms.max);
    row("sent late ms p99", 2, &|run| run.late_ms.p99);
    row("CPU µs/lookup", 0, &|run| run.cpu_us_per_lookup);
    row("cores in use", 2, &|run| run.cores);
    row("peak MiB", 1, &|run| run.peak_mib);
    row("resident MiB before", 1, &|run| run.resident_before_mib);
    row("resident MiB after", 1, &|run| run.resident_after_mib);
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    for run in runs {
        for (kind, count) in &run.errors {
            writeln!(out, "{}: {count} lookups ended as {kind}", run.name)?;
        }
        if let Some(audit) = run.audit {
            let (entries, answered) = (audit.entries, audit.answered);
            writeln!(
                out,
                "audit: {entries} lookups recorded, {answered} answered, chain whole"
            )?;
            for (aim, met) in run.aims() {
                writeln!(out, "aim: {aim}: {}", if met { "met" } else { "missed" })?;
            }
        }
    }
    Ok(())
}
