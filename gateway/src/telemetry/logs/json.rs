//! A log line as a JSON object: an event in, its line out, without a copy in between.
//!
//! What stands at the top of the object is written in a first pass over the event, the attributes in
//! a second.

use std::fmt;
use std::io;

use serde::{Serialize, Serializer};
use tracing::Event;
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;

use super::severity;

/// Writes the event's line.
pub(super) fn write(event: &Event<'_>, writer: &mut Writer<'_>) -> fmt::Result {
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
    fn put(&mut self, field: &Field, value: impl Serialize) {
        let (part, name) = match field.name() {
            "message" => (Part::Head, "body"),
            name @ ("trace_id" | "span_id") => (Part::Head, name),
            name => (Part::Attributes, name),
        };
        if part == self.part && self.done.is_ok() {
            self.done = self.write(name, value);
        }
    }

    fn write(&mut self, name: &str, value: impl Serialize) -> fmt::Result {
        let before = if self.part == Part::Attributes && !self.any {
            r#","attributes":{"#
        } else {
            ","
        };
        self.any = true;
        self.body |= name == "body";
        // Names are those of our own fields: nothing in them needs an escape.
        write!(self.writer, r#"{before}"{name}":"#)?;
        serde_json::to_writer(Sink(self.writer), &value).map_err(|_| fmt::Error)
    }
}

impl Visit for Members<'_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Text(value));
    }
}

/// What a value's `Debug` says, as one string.
struct Text<'a>(&'a dyn fmt::Debug);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:?}", self.0))
    }
}

struct Sink<'a, 'w>(&'a mut Writer<'w>);

impl io::Write for Sink<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
