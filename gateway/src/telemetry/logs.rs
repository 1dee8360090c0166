//! Log lines: one JSON object each, or text for people at a terminal.
//!
//! Events carry `trace_id` and `span_id` as fields; there are no `tracing` spans on the hot path.

mod batch;
pub(super) mod json;

use std::fmt::{self, Write as _};
use std::io;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

pub use self::batch::{Batches, Flush};
use super::{LogFormat, Settings, TelemetryError, Traces};

/// What our crates' targets begin with.
const OURS: &str = "loket";

/// A subscriber that writes as the settings say.
///
/// For tests; a program calls [`init_logs`].
///
/// # Errors
///
/// When the log level isn't one of `off`, `error`, `warn`, `info`, `debug`, `trace`.
pub fn subscriber<W>(
    settings: &Settings,
    writer: W,
) -> Result<impl Subscriber + for<'s> LookupSpan<'s> + Send + Sync + use<W>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .event_format(Lines(settings.log_format))
        .with_ansi(io::IsTerminal::is_terminal(&io::stdout()))
        .with_writer(writer)
        .with_filter(filter(&settings.log_level)?);
    Ok(tracing_subscriber::registry().with(lines))
}

/// Installs the process's only subscriber, which hands lines to `traces` too.
///
/// # Errors
///
/// When the log level is unknown or a subscriber was installed before.
pub fn init_logs<W>(settings: &Settings, writer: W, traces: &Traces) -> Result<(), TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = traces.lines().with_filter(filter(&settings.log_level)?);
    tracing::subscriber::set_global_default(subscriber(settings, writer)?.with(lines))
        .map_err(|_| TelemetryError::LogsInstalled)
}

/// Lines to `out` in batches: whoever logs never waits for who reads. What a reader loses by being
/// slow is logged, and counted by [`Telemetry::count_lost_lines`](super::Telemetry::count_lost_lines).
///
/// # Errors
///
/// When the system has no thread left.
pub fn in_batches(out: impl io::Write + Send + 'static) -> io::Result<(Batches, Flush)> {
    Batches::start(out, |lost| {
        tracing::warn!(loket.lost = lost, "log lines were lost");
    })
}

/// Other people's crates only warn: below that they may print what they carry. OpenTelemetry's own
/// lines come with every failed export, so the exporter speaks for them.
fn filter(level: &str) -> Result<Targets, TelemetryError> {
    // Its own parser also takes numbers, and nothing at all for `error`.
    let ours = match level {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return Err(TelemetryError::LogLevel(level.to_owned())),
    };
    Ok(Targets::new()
        .with_default(LevelFilter::WARN.min(ours))
        .with_target("opentelemetry", LevelFilter::OFF)
        .with_target(OURS, ours))
}

struct Lines(LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.0 {
            LogFormat::Json => json::write(event, &mut writer),
            LogFormat::Text => Line::of(event).write_pretty(&mut writer),
        }
    }
}

/// A line for people.
struct Line {
    timestamp: String,
    severity_text: &'static str,
    severity_number: u8,
    body: String,
    trace_id: Option<String>,
    attributes: Map<String, Value>,
}

impl Line {
    fn of(event: &Event<'_>) -> Self {
        let (severity_text, severity_number) = severity(*event.metadata().level());
        let mut line = Self {
            timestamp: format!("{:.9}", jiff::Timestamp::now()),
            severity_text,
            severity_number,
            body: String::new(),
            trace_id: None,
            attributes: Map::new(),
        };
        event.record(&mut line);
        line
    }

    fn write_pretty(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let (paint, dim, plain) = match (writer.has_ansi_escapes(), self.severity_number) {
            (false, _) => ("", "", ""),
            (true, 17..) => ("\x1b[31m", "\x1b[2m", "\x1b[0m"),
            (true, 13..) => ("\x1b[33m", "\x1b[2m", "\x1b[0m"),
            (true, _) => ("\x1b[32m", "\x1b[2m", "\x1b[0m"),
        };
        let body = Escaped(&self.body);
        let severity = self.severity_text;
        write!(
            writer,
            "{dim}{}{plain} {paint}{severity:<5}{plain} {body}",
            self.timestamp
        )?;
        for (key, value) in &self.attributes {
            match value {
                Value::String(text) => write!(writer, " {dim}{key}={plain}{}", Escaped(text))?,
                other => write!(writer, " {dim}{key}={plain}{other}")?,
            }
        }
        if let Some(trace_id) = &self.trace_id {
            write!(writer, " {dim}trace_id={}{plain}", Escaped(trace_id))?;
        }
        writer.write_char('\n')
    }

    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", value) => self.body = text(value),
            ("trace_id", value) => self.trace_id = Some(text(value)),
            ("span_id", _) => {}
            (name, value) => {
                self.attributes.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Text that can't start a line of its own or steer the terminal.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            if letter.is_control() {
                write!(f, "{}", letter.escape_default())?;
            } else {
                f.write_char(letter)?;
            }
        }
        Ok(())
    }
}

/// OpenTelemetry's numbers for the levels.
fn severity(level: Level) -> (&'static str, u8) {
    match level {
        Level::TRACE => ("TRACE", 1),
        Level::DEBUG => ("DEBUG", 5),
        Level::INFO => ("INFO", 9),
        Level::WARN => ("WARN", 13),
        Level::ERROR => ("ERROR", 17),
    }
}
