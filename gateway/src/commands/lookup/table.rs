//! The answer for people: a row per result, then what concerns all of them.

use std::io::{self, Write};

use comfy_table::{ContentArrangement, Table, presets};
use loket_sdk::message::{Answer, Finding, SourceResult};
use serde_json::Value;

/// How much is shown, and how wide.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands) struct Showing {
    /// Identifiers whole.
    pub(super) exposed: bool,
    /// Columns of the terminal.
    pub(in crate::commands) width: u16,
}

impl Showing {
    pub(in crate::commands) fn new(exposed: bool) -> Self {
        let columns = std::env::var("COLUMNS").ok();
        let width = columns.and_then(|columns| columns.parse().ok());
        Self {
            exposed,
            width: width.unwrap_or(100).max(60),
        }
    }
}

/// Writes the whole answer.
///
/// # Errors
/// When it can't be written.
pub(super) fn write(answer: &Answer, showing: Showing, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(showing.width)
        .set_header(["record", "agency", "outcome", "reason", "ms", "answer"]);
    for result in &answer.results {
        table.add_row(row(result, showing));
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    summary(answer, out)
}

fn row(result: &SourceResult, showing: Showing) -> [String; 6] {
    let agency = result.source.as_ref().map_or("-", |s| s.agency.as_str());
    [
        result.record.to_string(),
        printable(agency),
        result.outcome.to_string(),
        result.reason.to_string(),
        result.elapsed_ms.to_string(),
        content(result, showing).join("\n"),
    ]
}

/// What the agency gave: fields, claims, what is withheld, of when it is.
fn content(result: &SourceResult, showing: Showing) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, value) in result.data.iter().flat_map(|data| data.expose()) {
        flatten(name.clone(), name, value, showing, &mut lines);
    }
    for claim in &result.claims {
        let (op, said) = (claim.op.as_str(), claim.result.as_str());
        lines.push(format!("{} {op}: {said}", printable(&claim.field)));
    }
    for withheld in &result.withheld {
        let (field, reason) = (printable(&withheld.field), withheld.reason);
        lines.push(format!("withheld {field}: {reason}"));
    }
    if let Some(at) = result.as_of {
        lines.push(format!("as of {at}"));
    }
    if let Some(seconds) = result.retry_after_s {
        lines.push(format!("ask again in {seconds} s"));
    }
    lines
}

/// One line per value; `address.village_code`, `members[0].nik`.
fn flatten(path: String, name: &str, value: &Value, showing: Showing, lines: &mut Vec<String>) {
    let text = match value {
        Value::Object(members) => {
            for (name, value) in members {
                flatten(format!("{path}.{name}"), name, value, showing, lines);
            }
            return;
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flatten(format!("{path}[{index}]"), name, item, showing, lines);
            }
            return;
        }
        Value::String(text) if is_identifier(name) && !showing.exposed => masked(text),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    lines.push(format!("{} = {}", printable(&path), printable(&text)));
}

/// By the names that the catalogue's identifiers have.
fn is_identifier(field: &str) -> bool {
    let last = field.rsplit('_').next().unwrap_or(field);
    matches!(
        last,
        "nik" | "npwp" | "legacy" | "nitku" | "nop" | "nib" | "fin" | "voen" | "mrz" | "number"
    ) || field == "parcel_id"
}

/// Both ends tell the clerk which it is; the middle tells nobody who looks over a shoulder.
fn masked(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let shown = match letters.len() {
        12.. => 4,
        6.. => 2,
        _ => 0,
    };
    let middle = letters.len() - 2 * shown;
    letters
        .iter()
        .enumerate()
        .map(|(place, letter)| match place {
            _ if (shown..shown + middle).contains(&place) => '•',
            _ => *letter,
        })
        .collect()
}

fn summary(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    for finding in &answer.findings {
        writeln!(out, "{:<12} {}", "finding", sentence(finding))?;
    }
    let mut line = |name: &str, text: &str| writeln!(out, "{name:<12} {}", printable(text));
    let listed = |items: Vec<String>| items.join(", ");
    if !answer.obligations.is_empty() {
        let all = answer.obligations.iter().map(ToString::to_string).collect();
        line("obligations", &listed(all))?;
    }
    if !answer.required_missing.is_empty() {
        let missing = answer.required_missing.iter();
        line(
            "missing",
            &listed(missing.map(ToString::to_string).collect()),
        )?;
    }
    line("overall", answer.overall.as_str())?;
    if let Some(glass) = &answer.break_glass {
        let (entry, by) = (glass.entry, glass.approve_by);
        let how = format!("another clerk by {by}: loket break-glass approve {entry}");
        line("approval", &how)?;
    }
    let receipt = &answer.receipt;
    let (entry, at, hash) = (receipt.entry, receipt.at, &receipt.hash);
    line("receipt", &format!("entry {entry} of {at}, {hash}"))?;
    line("request", &answer.request_id.to_string())?;
    line("trace", &answer.trace_id)
}

fn sentence(finding: &Finding) -> String {
    let records: Vec<String> = finding.records.iter().map(ToString::to_string).collect();
    let owner = finding.owner.as_ref().map(|owner| owner.as_str());
    let text = format!(
        "{} {} {} ({}): {}{}",
        finding.rule,
        finding.severity,
        finding.code,
        records.join(", "),
        finding.message,
        owner.map_or_else(String::new, |owner| format!(" [{owner}]")),
    );
    printable(&text)
}

/// What came over the wire can't move the cursor, colour the screen or hide what stands beside it.
pub(in crate::commands) fn printable(text: &str) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .map(|c| if hides(c) { '\u{fffd}' } else { c })
        .collect()
}
