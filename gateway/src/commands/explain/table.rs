//! The explanation for people: a row per step, then what comes of it.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use loket_sdk::message::{ExplainedStep, Explanation};

use crate::commands::lookup::table::{Showing, printable};

pub(super) fn write(
    explanation: &Explanation,
    showing: Showing,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(showing.width)
        .set_header(["record", "agency", "step", "", "what it says", "mended by"]);
    for step in &explanation.steps {
        table.add_row(row("-", "-", step));
    }
    for record in &explanation.records {
        let agency = record.source.as_ref().map_or("-", |it| it.agency.as_str());
        for step in &record.steps {
            table.add_row(row(record.record.as_str(), agency, step));
        }
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    let mut line = |name: &str, text: &str| writeln!(out, "{name:<12} {}", printable(text));
    for record in &explanation.records {
        let agency = record.source.as_ref().map_or("-", |it| it.agency.as_str());
        let reason = record.reason.map_or(String::new(), |it| format!(": {it}"));
        let (name, verdict) = (&record.record, record.verdict);
        line("record", &format!("{name} {agency} {verdict}{reason}"))?;
    }
    line("verdict", explanation.verdict.as_str())?;
    if let Some(step) = explanation.first_failing {
        line("fails at", step.as_str())?;
    }
    line("request", &explanation.request_id.to_string())?;
    line("trace", &explanation.trace_id)
}

fn row(record: &str, agency: &str, step: &ExplainedStep) -> [String; 6] {
    let mark = if step.passed { "√" } else { "×" };
    [
        printable(record),
        printable(agency),
        step.step.to_string(),
        mark.to_owned(),
        printable(&step.says),
        step.mended_by.map_or(String::new(), |by| by.to_string()),
    ]
}
