//! `loket trace`: recent requests of a gateway; a line each as they end, or one of them part by part.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::bail;
use clap::{Args as ClapArgs, Subcommand};
use http::{Method, StatusCode};
use serde_json::Value;

use super::admin::{Admin, Reply, Shape, ask, late};

/// Exit code: the gateway doesn't keep it.
const NOT_FOUND: u8 = 4;
/// How often new traces are asked for.
const EVERY: Duration = Duration::from_secs(1);
/// Columns of the waterfall.
const WIDTH: usize = 40;

/// Recent requests of a gateway.
///
/// What failed, was refused, was slow or broke the glass is always kept, of the others the share that
/// `[telemetry] sampling_ratio` says.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  loket trace list --why failed
  loket trace tail --agency bpn --min 2000
  loket trace show 4bf92f3577b34da6a3ce929d0e0e4736
  loket trace show 4bf92f3577b34da6a3ce929d0e0e4736 --otlp > trace.json

Exit codes:
  0 shown   1 nobody answers   2 usage   3 the filter is wrong   4 not kept   7 too late")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The latest, the newest first
    List {
        /// How many, at most 500
        #[arg(long, default_value_t = 20)]
        limit: u16,
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        admin: Admin,
    },
    /// Each as it ends, until stopped
    Tail {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        admin: Admin,
    },
    /// One, part by part: how long each took, what the end waited for, its log lines
    Show {
        /// 32 hexadecimal digits, as answers and problems have them
        id: String,
        /// As OTLP's JSON, which Jaeger and Tempo import
        #[arg(long)]
        otlp: bool,
        #[command(flatten)]
        admin: Admin,
    },
}

/// All that is given must fit.
#[derive(Debug, ClapArgs)]
struct Filter {
    /// Why it is kept: failed, break_glass, slow, left, refused or sampled
    #[arg(long)]
    why: Option<String>,
    /// Only with a call to this agency
    #[arg(long)]
    agency: Option<String>,
    /// Only with a call that came to this: timed_out, unavailable, not_found ...
    #[arg(long)]
    outcome: Option<String>,
    /// Only with a call, or the request itself, that failed of this: timeout, breaker_open ...
    #[arg(long)]
    error_type: Option<String>,
    /// Only of this member
    #[arg(long)]
    member: Option<String>,
    /// Only for this purpose
    #[arg(long)]
    purpose: Option<String>,
    /// Only with this problem
    #[arg(long)]
    code: Option<String>,
    /// A trace id, a request id or the number of an audit entry
    #[arg(long)]
    reference: Option<String>,
    /// Only those that took so many milliseconds or more
    #[arg(long, value_name = "MS")]
    min: Option<u64>,
}

impl Filter {
    fn query(&self) -> String {
        let min = self.min.map(|min| min.to_string());
        let pairs = [
            ("why", &self.why),
            ("agency", &self.agency),
            ("outcome", &self.outcome),
            ("error.type", &self.error_type),
            ("member", &self.member),
            ("purpose", &self.purpose),
            ("code", &self.code),
            ("reference", &self.reference),
            ("min_ms", &min),
        ];
        let mut query = String::new();
        for (key, value) in pairs {
            if let Some(value) = value {
                query.push_str(&format!("{key}={}&", encoded(value)));
            }
        }
        query
    }
}

/// Whatever isn't plain, in hexadecimal.
fn encoded(text: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(letter).collect()
}

/// Shows; the process's exit code.
///
/// # Errors
/// When nobody answers.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    match &args.command {
        Command::List {
            limit,
            filter,
            admin,
        } => list(admin, &format!("{}limit={limit}", filter.query()), out),
        Command::Tail { filter, admin } => tail(admin, filter, out),
        Command::Show { id, otlp, admin } => show(admin, id, *otlp, out),
    }
}

fn list(admin: &Admin, query: &str, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Some(reply) = ask(admin, &Method::GET, &format!("/traces?{query}"))? else {
        return late(admin, out);
    };
    let document = document(&reply)?;
    match admin.output {
        Shape::Json => writeln!(out, "{document:#}")?,
        Shape::Text => {
            for trace in all(&document["traces"]) {
                line(trace, out)?;
            }
        }
    }
    Ok(0)
}

fn tail(admin: &Admin, filter: &Filter, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut after = None;
    loop {
        // The first time only where the end is.
        let from = after.map_or("limit=1".to_owned(), |after| {
            format!("limit=500&after={after}")
        });
        let query = match after {
            None => from.clone(),
            Some(_) => format!("{}{from}", filter.query()),
        };
        let Some(reply) = ask(admin, &Method::GET, &format!("/traces?{query}"))? else {
            return late(admin, out);
        };
        let document = document(&reply)?;
        let traces = &document["traces"];
        if after.is_some() {
            for trace in all(traces).iter().rev() {
                match admin.output {
                    Shape::Json => writeln!(out, "{trace}")?,
                    Shape::Text => line(trace, out)?,
                }
            }
            out.flush()?;
        }
        let newest = traces[0]["number"].as_u64();
        after = Some(newest.or(after).unwrap_or_default());
        std::thread::sleep(EVERY);
    }
}

fn show(admin: &Admin, id: &str, otlp: bool, out: &mut dyn Write) -> anyhow::Result<u8> {
    let format = if otlp { "?format=otlp" } else { "" };
    let path = format!("/traces/{}{format}", encoded(id));
    let Some(reply) = ask(admin, &Method::GET, &path)? else {
        return late(admin, out);
    };
    if reply.status == StatusCode::NOT_FOUND {
        writeln!(out, "{}", reply.says())?;
        return Ok(NOT_FOUND);
    }
    let document = document(&reply)?;
    if otlp || admin.output == Shape::Json {
        writeln!(out, "{document:#}")?;
        return Ok(0);
    }
    for request in all(&document["requests"]) {
        waterfall(request, out)?;
    }
    Ok(0)
}

/// What was answered, if it is what was asked for.
fn document(reply: &Reply) -> anyhow::Result<Value> {
    match serde_json::from_str(&reply.body) {
        Ok(document) if reply.status == StatusCode::OK => Ok(document),
        _ => bail!("{}", reply.says()),
    }
}

fn all(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text<'a>(of: &'a Value, name: &str) -> &'a str {
    of[name].as_str().unwrap_or("-")
}

/// A trace in a line: when, how long, why it is kept, what for, what each agency said.
fn line(trace: &Value, out: &mut dyn Write) -> io::Result<()> {
    let status = trace["status"].as_u64();
    let status = status.map_or("left".to_owned(), |status| status.to_string());
    let overall = trace["overall"]
        .as_str()
        .or(trace["code"].as_str())
        .unwrap_or("-");
    write!(
        out,
        "{} {:>9.1} ms  {:<11} {status:<4} {overall:<10} {} {}",
        text(trace, "began"),
        trace["took_ms"].as_f64().unwrap_or_default(),
        text(trace, "why"),
        text(trace, "member"),
        trace["purpose"].as_str().unwrap_or(text(trace, "route")),
    )?;
    for call in all(&trace["calls"]) {
        write!(out, "  {}={}", text(call, "agency"), text(call, "outcome"))?;
        if let Some(error) = call["error.type"].as_str() {
            write!(out, "({error})")?;
        }
    }
    writeln!(out, "  {}", text(trace, "trace_id"))
}

/// A request's parts, each below what it is part of.
fn waterfall(request: &Value, out: &mut dyn Write) -> io::Result<()> {
    line(request, out)?;
    let took = request["took_ms"]
        .as_f64()
        .unwrap_or_default()
        .max(f64::MIN_POSITIVE);
    let spans = all(&request["spans"]);
    let mut open: Vec<(&Value, usize)> = Vec::new();
    let is_root = |span: &&Value| {
        let parent = &span["parent_span_id"];
        !spans.iter().any(|other| other["span_id"] == *parent)
    };
    open.extend(spans.iter().filter(is_root).rev().map(|span| (span, 0)));
    while let Some((span, depth)) = open.pop() {
        bar(span, depth, took, out)?;
        let parts = spans
            .iter()
            .filter(|part| part["parent_span_id"] == span["span_id"]);
        open.extend(parts.rev().map(|part| (part, depth + 1)));
    }
    writeln!(out, "* the end waited for it   ! it failed")?;
    for line in all(&request["lines"]) {
        let [at, severity, body] =
            ["timestamp", "severity_text", "body"].map(|name| text(line, name));
        writeln!(out, "{at} {severity:<5} {body}  {}", line["attributes"])?;
    }
    writeln!(out)
}

fn bar(span: &Value, depth: usize, took: f64, out: &mut dyn Write) -> io::Result<()> {
    let number = |name: &str| span[name].as_f64().unwrap_or_default();
    let (begins, lasts) = (number("begins_ms"), number("took_ms"));
    let attribute = |name: &str| span["attributes"][name].as_str();
    let mut name = match attribute("service.peer.name") {
        Some(agency) => format!(
            "-> {agency} {}",
            attribute("loket.outcome").unwrap_or("cancelled")
        ),
        None => text(span, "name").to_owned(),
    };
    if let Some(error) = attribute("error.type") {
        name.push_str(&format!(" ({error})"));
    }
    let column = |ms: f64| ((ms / took * WIDTH as f64).round() as usize).min(WIDTH);
    let (from, to) = (column(begins).min(WIDTH - 1), column(begins + lasts));
    let length = to.saturating_sub(from).max(1);
    let name = format!("{:indent$}{name}", "", indent = 2 * depth);
    writeln!(
        out,
        "{critical}{failed} {name:<44} {:from$}{}{:rest$} {lasts:>9.1} ms",
        "",
        "=".repeat(length),
        "",
        critical = if span["critical"] == true { '*' } else { ' ' },
        failed = if span["failed"] == true { '!' } else { ' ' },
        rest = WIDTH - (from + length).min(WIDTH),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_is_shown_part_by_part() {
        let span = |id: &str, parent: &str, name: &str, begins: f64, took: f64| {
            json!({
                "span_id": id, "parent_span_id": parent, "name": name, "begins_ms": begins,
                "took_ms": took, "critical": name != "validate", "failed": id == "c",
                "attributes": if id == "c" {
                    json!({"service.peer.name": "bpn", "loket.outcome": "timed_out", "error.type": "timeout"})
                } else {
                    json!({})
                },
            })
        };
        let request = json!({
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "began": "2026-11-25T01:00:00.000000Z",
            "took_ms": 100.0, "why": "failed", "route": "/v1/lookups", "status": 200, "code": null,
            "member": "samsat", "purpose": "vehicle_tax", "overall": "partial",
            "calls": [{"agency": "bpn", "outcome": "timed_out", "error.type": "timeout"}],
            "spans": [
                span("a", "of the caller", "POST /v1/lookups", 0.0, 100.0),
                span("b", "a", "validate", 0.0, 1.0),
                span("c", "a", "POST", 2.0, 96.0),
                span("d", "a", "audit", 99.0, 1.0),
            ],
            "lines": [{"timestamp": "2026-11-25T01:00:00.1Z", "severity_text": "INFO",
                "body": "answered", "attributes": {"loket.member": "samsat"}}],
        });
        let mut out = Vec::new();
        waterfall(&request, &mut out).unwrap();
        let shown = String::from_utf8(out).unwrap();
        let expected = r#"2026-11-25T01:00:00.000000Z     100.0 ms  failed      200  partial    samsat vehicle_tax  bpn=timed_out(timeout)  4bf92f3577b34da6a3ce929d0e0e4736
*  POST /v1/lookups                             ========================================     100.0 ms
     validate                                   =                                              1.0 ms
*!   -> bpn timed_out (timeout)                  ======================================       96.0 ms
*    audit                                                                             =       1.0 ms
* the end waited for it   ! it failed
2026-11-25T01:00:00.1Z INFO  answered  {"loket.member":"samsat"}

"#;
        assert_eq!(shown, expected, "\n{shown}");
    }

    #[test]
    fn a_filter_is_a_query() {
        let filter = Filter {
            why: None,
            agency: Some("b&p=n".to_owned()),
            outcome: None,
            error_type: Some("timeout".to_owned()),
            member: None,
            purpose: None,
            code: None,
            reference: None,
            min: Some(2000),
        };
        assert_eq!(
            filter.query(),
            "agency=b%26p%3Dn&error.type=timeout&min_ms=2000&"
        );
    }
}
