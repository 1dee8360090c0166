//! `loket audit export`: entries for other programs. Each was compared with its hash in the tree.

use std::io::{self, BufWriter, Write};

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::Value;

use super::filter::Filter;
use super::{BROKEN, source};
use crate::audit::store::Flaw;
use crate::audit::verify::Violation;

/// Writes entries for other programs.
///
/// Exit codes: 0 all is written, 1 the log can't be read, 8 it was changed; what stands before the
/// change is written.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    source: source::Source,
    /// One JSON object a line, or a table
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    format: Format,
    #[command(flatten)]
    filter: Filter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// All that an entry says.
    Ndjson,
    /// What has a place in a table; a row a source.
    Csv,
}

/// The columns: members of the entry, then of each of its sources.
const COLUMNS: [&str; 16] = [
    "entry",
    "at",
    "kind",
    "member",
    "system",
    "operation",
    "purpose",
    "case_id",
    "clerk",
    "counter",
    "request_id",
    "subject_ref",
    "refusal",
    "trace_id",
    "certificate",
    "unrecorded",
];
const SOURCE: [&str; 5] = ["record", "agency", "outcome", "reason", "elapsed_ms"];
const LISTS: [&str; 3] = ["grants", "fields", "claims"];

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let reader = match args.source.reader()? {
        Ok(reader) => reader,
        Err(error) => return broken(error.into()),
    };
    let mut to = BufWriter::new(&mut *out);
    if args.format == Format::Csv {
        let columns = COLUMNS.iter().chain(&SOURCE).chain(&LISTS);
        row(&mut to, columns.map(|name| (*name).to_owned()))?;
    }
    let from = args.filter.start(&*reader);
    let written = from.and_then(|from| {
        let mut each = |entry: &str| match args.format {
            Format::Ndjson => writeln!(to, "{entry}"),
            Format::Csv => rows(&mut to, entry),
        };
        args.filter.each(&*reader, from, &mut each)
    });
    to.flush()?;
    drop(to);
    match written {
        Ok(_) => Ok(0),
        Err(error) => broken(error.into()),
    }
}

/// Names the entry that isn't as it was written; a disk that refuses is an error.
pub(super) fn broken(violation: Violation) -> anyhow::Result<u8> {
    if let Flaw::Unreadable(error) = violation.what {
        return Err(error.into());
    }
    // Not among the entries, which another program reads.
    let _ = writeln!(io::stderr(), "error: {violation}");
    Ok(BROKEN)
}

fn rows(to: &mut dyn Write, entry: &str) -> io::Result<()> {
    let entry: Value = serde_json::from_str(entry)?;
    let own: Vec<String> = COLUMNS.iter().map(|name| cell(&entry[*name])).collect();
    let none = [Value::Null];
    let sources = match entry["sources"].as_array() {
        Some(sources) if !sources.is_empty() => sources.as_slice(),
        _ => &none,
    };
    for source in sources {
        let said = SOURCE.iter().chain(&LISTS).map(|name| cell(&source[*name]));
        row(to, own.iter().cloned().chain(said))?;
    }
    Ok(())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// As RFC 4180 has it. What a spreadsheet would run begins with an apostrophe: callers choose some of it.
fn row(to: &mut dyn Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    let cells = cells.map(|cell| {
        let cell = match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            true => format!("'{cell}"),
            false => cell,
        };
        match cell.contains(['"', ',', '\n', '\r']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell,
        }
    });
    write!(to, "{}\r\n", cells.collect::<Vec<_>>().join(","))
}
