//! A log line as a JSON object: an event in, its line out, without a copy in between.
//!
//! What stands at the top of the object is written in a first pass over the event, the attributes in
//! a second.

use std::fmt::{self, Debug, Write};

use tracing::Event;
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;

use super::severity;

/// Writes the event's line.
pub(in crate::telemetry) fn write(event: &Event<'_>, writer: &mut Writer<'_>) -> fmt::Result {
    let (severity_text, severity_number) = severity(*event.metadata().level());
    write!(
        writer,
        r#"{{"timestamp":"{:.9}","severity_text":"{severity_text}","severity_number":{severity_number}"#,
        jiff::Timestamp::now()
    )?;
    for part in [Part::Head, Part::Attributes] {
        let mut members = Members {
            writer,
            part,
            any: false,
            body: false,
            done: Ok(()),
        };
        event.record(&mut members);
        let Members {
            any, body, done, ..
        } = members;
        done?;
        match part {
            Part::Head if !body => writer.write_str(r#","body":"""#)?,
            Part::Attributes if any => writer.write_char('}')?,
            Part::Head | Part::Attributes => {}
        }
    }
    writer.write_str("}\n")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// `body`, `trace_id`, `span_id`.
    Head,
    /// The others.
    Attributes,
}

/// Writes the members of one part.
struct Members<'a, 'w> {
    writer: &'a mut Writer<'w>,
    part: Part,
    /// Whether one was written, and whether that was the body.
    any: bool,
    body: bool,
    done: fmt::Result,
}

impl Members<'_, '_> {
    fn put(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let (part, name) = match field.name() {
            "message" => (Part::Head, "body"),
            name @ ("trace_id" | "span_id") => (Part::Head, name),
            name => (Part::Attributes, name),
        };
        if part == self.part && self.done.is_ok() {
            self.done = self.write(name, value);
        }
    }

    fn write(
        &mut self,
        name: &str,
        value: impl FnOnce(&mut Writer<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let before = if self.part == Part::Attributes && !self.any {
            r#","attributes":{""#
        } else {
            ",\""
        };
        self.any = true;
        self.body |= name == "body";
        // Names are those of our own fields: nothing in them needs an escape.
        for text in [before, name, "\":"] {
            self.writer.write_str(text)?;
        }
        value(self.writer)
    }
}

impl Visit for Members<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, |writer| match value.is_finite() {
            true => write!(writer, "{value:?}"),
            false => writer.write_str("null"),
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, |writer| write!(writer, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, |writer| {
            writer.write_char('"')?;
            Escaping(writer).write_str(value)?;
            writer.write_char('"')
        });
    }

    /// What the value's `Debug` says, as one string.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, |writer| {
            writer.write_char('"')?;
            write!(Escaping(writer), "{value:?}")?;
            writer.write_char('"')
        });
    }
}

/// The inside of a JSON string. By hand, as serde_json hands on a piece at a time and as bytes, which
/// would have to be checked again: twice the time of a line.
struct Escaping<'a, 'w>(&'a mut Writer<'w>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        let special = |byte: u8| byte < 0x20 || matches!(byte, b'"' | b'\\');
        while let Some(at) = rest.bytes().position(special) {
            // It is ASCII, so a letter ends before it and another begins after it.
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            match from.as_bytes()[0] {
                byte @ (b'"' | b'\\') => {
                    self.0.write_char('\\')?;
                    self.0.write_char(char::from(byte))?;
                }
                b'\n' => self.0.write_str("\\n")?,
                byte => write!(self.0, "\\u{byte:04x}")?,
            }
            rest = &from[1..];
        }
        self.0.write_str(rest)
    }
}
