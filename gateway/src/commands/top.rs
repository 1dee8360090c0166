//! `loket top`: how each agency does, the worst first, again every two seconds.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::bail;
use clap::Args as ClapArgs;
use comfy_table::{CellAlignment, Table, presets};
use http::{Method, StatusCode};
use serde_json::Value;

use super::admin::{Admin, Shape, ask, late};

/// How often it is drawn again.
const EVERY: Duration = Duration::from_secs(2);
/// Clears a terminal and goes to its corner.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// How each agency does, the worst first.
///
/// Rates are of the last minutes. An honest "no such record" is no failure.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  loket top
  loket top --once --minutes 60 --output json

Exit codes:
  0 shown   1 nobody answers   2 usage   7 too late")]
pub struct Args {
    /// Shows once and ends, as it does where nobody watches
    #[arg(long)]
    once: bool,
    /// Of how many minutes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    minutes: u64,
    #[command(flatten)]
    admin: Admin,
}

/// Shows; the process's exit code.
///
/// # Errors
/// When nobody answers.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let watched = !args.once && args.admin.output == Shape::Text && io::stdout().is_terminal();
    loop {
        let path = format!("/agencies?minutes={}", args.minutes);
        let Some(reply) = ask(&args.admin, &Method::GET, &path)? else {
            return late(&args.admin, out);
        };
        let document: Value = match serde_json::from_str(&reply.body) {
            Ok(document) if reply.status == StatusCode::OK => document,
            _ => bail!("{}", reply.says()),
        };
        match args.admin.output {
            Shape::Json => writeln!(out, "{document:#}")?,
            Shape::Text => {
                if watched {
                    write!(out, "{CLEAR}")?;
                }
                show(&document, out)?;
            }
        }
        if !watched {
            return Ok(0);
        }
        out.flush()?;
        std::thread::sleep(EVERY);
    }
}

fn show(document: &Value, out: &mut dyn Write) -> io::Result<()> {
    let lookups = &document["lookups"];
    writeln!(
        out,
        "{}  lookups {:.1}/min, {} not complete, p50 {} p95 {} p99 {}",
        document["gateway"].as_str().unwrap_or_default(),
        lookups["per_minute"].as_f64().unwrap_or_default(),
        share(lookups),
        time(&lookups["p50_ms"]),
        time(&lookups["p95_ms"]),
        time(&lookups["p99_ms"]),
    )?;
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "AGENCY",
        "SYSTEM",
        "FAILED",
        "CALLS/MIN",
        "P50",
        "P95",
        "P99",
        "IN FLIGHT",
        "BREAKER",
        "FAILURES",
    ]);
    for agency in document["agencies"].as_array().into_iter().flatten() {
        let text = |name: &str| agency[name].as_str().unwrap_or("-").to_owned();
        let failures = agency["failures"].as_object();
        let failures = failures.into_iter().flatten();
        let failures: Vec<String> = failures
            .map(|(word, count)| format!("{word} {count}"))
            .collect();
        let limit = agency["limit"].as_u64();
        table.add_row([
            text("agency"),
            text("system"),
            share(agency),
            format!("{:.1}", agency["per_minute"].as_f64().unwrap_or_default()),
            time(&agency["p50_ms"]),
            time(&agency["p95_ms"]),
            time(&agency["p99_ms"]),
            format!(
                "{}/{}",
                agency["in_flight"],
                limit.map_or("-".to_owned(), |limit| limit.to_string())
            ),
            text("breaker"),
            failures.join(", "),
        ]);
    }
    for column in 2..8 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// How many of a hundred failed.
fn share(of: &Value) -> String {
    let (calls, failed) = (of["calls"].as_f64(), of["failed"].as_f64());
    match (calls, failed) {
        (Some(calls), Some(failed)) if calls > 0.0 => format!("{:.1} %", failed * 100.0 / calls),
        _ => "-".to_owned(),
    }
}

fn time(milliseconds: &Value) -> String {
    match milliseconds.as_f64() {
        Some(ms) if ms >= 1000.0 => format!("{:.2} s", ms / 1000.0),
        Some(ms) => format!("{ms:.0} ms"),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn agencies_are_lines_of_a_table() {
        let agency = |name: &str, failed: u64, breaker: &str| {
            json!({
                "agency": name, "system": "records", "breaker": breaker, "in_flight": 2, "limit": 40,
                "calls": 200, "failed": failed, "per_minute": 40.0, "p50_ms": 12.4, "p95_ms": 1250.0,
                "p99_ms": null, "failures": if failed > 0 { json!({"timeout": failed}) } else { json!({}) },
            })
        };
        let document = json!({
            "gateway": "gateway-1",
            "lookups": {"calls": 100, "failed": 7, "per_minute": 20.0, "p50_ms": 30.0, "p95_ms": 80.0, "p99_ms": 90.0},
            "agencies": [agency("bpn", 100, "open"), agency("djp", 0, "closed")],
        });
        let mut out = Vec::new();
        show(&document, &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        let expected = "\
gateway-1  lookups 20.0/min, 7.0 % not complete, p50 30 ms p95 80 ms p99 90 ms
 AGENCY  SYSTEM   FAILED  CALLS/MIN    P50     P95  P99  IN FLIGHT  BREAKER  FAILURES
 bpn     records  50.0 %       40.0  12 ms  1.25 s    -       2/40  open     timeout 100
 djp     records   0.0 %       40.0  12 ms  1.25 s    -       2/40  closed
";
        assert_eq!(shown, expected, "\n{shown}");
    }
}
