//! `loket check`: a configuration in, what is wrong or worth a look out.
//!
//! Reads what the gateway would read and starts nothing, so it may stand in front of a start, a
//! reload or a merge.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use serde_json::json;

use crate::config::{Config, ConfigErrors, Finding, Severity};

/// Exit code: nothing is wrong, warnings allowed.
pub const FINE: u8 = 0;
/// Exit code: the file can't be read.
pub const UNREADABLE: u8 = 1;
/// Exit code: something is wrong.
pub const WRONG: u8 = 3;

/// Checks a configuration without starting anything.
///
/// Exit codes: 0 nothing is wrong, 1 the file can't be read, 3 something is wrong.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Configuration file
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
    /// For people or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// What the findings look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON document, `loket.check/1`.
    Json,
}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the output can't be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let loaded = Config::load(&args.config);
    match args.output {
        Output::Json => {
            json(&loaded, out)?;
        }
        Output::Text => {
            let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            text(&loaded, wanted && io::stdout().is_terminal(), out)?;
        }
    }
    Ok(match &loaded {
        Ok(_) => FINE,
        Err(errors) if errors.is_unreadable() => UNREADABLE,
        Err(_) => WRONG,
    })
}

fn findings(loaded: &Result<Config, ConfigErrors>) -> (&[Finding], &[Finding]) {
    match loaded {
        Ok(config) => (&[], &config.warnings),
        Err(errors) => (&errors.errors, &errors.warnings),
    }
}

/// Writes the findings for programs.
///
/// # Errors
/// When they can't be written.
pub fn json(loaded: &Result<Config, ConfigErrors>, out: &mut dyn Write) -> io::Result<()> {
    let (errors, warnings) = findings(loaded);
    let document = json!({"schema": "loket.check/1", "errors": errors, "warnings": warnings});
    writeln!(out, "{document:#}")
}

/// The tables of the file, in the order in which they are shown.
const TABLES: [&str; 18] = [
    "gateway",
    "listener",
    "tls",
    "upstream",
    "admin",
    "limits",
    "audit",
    "telemetry",
    "drain",
    "reload",
    "holds_file",
    "grants_dir",
    "members",
    "sources",
    "services",
    "service_grants",
    "grants",
    "narrowings",
];

/// Writes the findings for people, table by table.
///
/// # Errors
/// When they can't be written.
pub fn text(
    loaded: &Result<Config, ConfigErrors>,
    coloured: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (errors, warnings) = findings(loaded);
    let mut tables: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in errors.iter().chain(warnings) {
        let table = finding.key.split(['.', '[']).next().unwrap_or_default();
        let table = TABLES
            .into_iter()
            .find(|known| *known == table)
            .unwrap_or("");
        tables.entry(table).or_default().push(finding);
    }
    if let Some(findings) = tables.get("") {
        writeln!(out, "file")?;
        show(findings, coloured, out)?;
    }
    // Of a file that isn't TOML nothing else is known.
    let parsed = errors.iter().all(|error| !error.key.is_empty());
    for table in TABLES {
        match tables.get(table) {
            Some(findings) => {
                writeln!(out, "{table}")?;
                show(findings, coloured, out)?;
            }
            None if parsed => writeln!(out, "{table} {}", paint("√", 32, coloured))?,
            None => (),
        }
    }
    let (symbol, colour) = match (errors.len(), warnings.len()) {
        (0, 0) => ("√", 32),
        (0, _) => ("‼", 33),
        _ => ("×", 31),
    };
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    writeln!(
        out,
        "Result: {} {}, {}",
        paint(symbol, colour, coloured),
        count(errors.len(), "error"),
        count(warnings.len(), "warning")
    )
}

fn show(findings: &[&Finding], coloured: bool, out: &mut dyn Write) -> io::Result<()> {
    for finding in findings {
        let symbol = match finding.severity {
            Severity::Error => paint("×", 31, coloured),
            Severity::Warning => paint("‼", 33, coloured),
        };
        write!(
            out,
            "  {symbol} {}:{}",
            finding.file.display(),
            finding.line
        )?;
        if !finding.key.is_empty() {
            write!(out, " {}", finding.key)?;
        }
        writeln!(out, ": {}\n    → {}", finding.message, finding.remedy)?;
    }
    Ok(())
}

fn paint(symbol: &str, colour: u8, coloured: bool) -> String {
    match coloured {
        true => format!("\x1b[{colour}m{symbol}\x1b[0m"),
        false => symbol.to_owned(),
    }
}

#[cfg(test)]
mod tests;
