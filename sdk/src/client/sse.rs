//! Server-sent events: bytes in any chunks in, events out (WHATWG HTML, "Server-sent events").
//!
//! The part that a lookup needs: fields `event` and `data`, comments, LF, CRLF and CR. `id` and
//! `retry` are read over, since a lookup is never resumed. Refused: lines and events over
//! [`MAX_BYTES`], and text that isn't UTF-8.

use std::mem;

/// Longest line and largest event, in bytes.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its name; empty when none was given.
    pub event: String,
    /// Its data, lines joined by LF.
    pub data: String,
}

/// Why the stream can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SseError {
    #[error("a line or event of the stream is longer than 1 MiB")]
    TooLarge,
    #[error("the stream isn't UTF-8")]
    NotUtf8,
}

/// Reads a stream chunk by chunk. An event that isn't ended by an empty line doesn't count.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    past_first_line: bool,
    event: String,
    data: String,
    has_data: bool,
}

impl Parser {
    /// Reads on; gives the events that this chunk completes.
    pub(super) fn push(&mut self, mut chunk: &[u8]) -> Result<Vec<Frame>, SseError> {
        let mut frames = Vec::new();
        while !chunk.is_empty() {
            if mem::take(&mut self.after_cr) && chunk[0] == b'\n' {
                chunk = &chunk[1..];
                continue;
            }
            let end = chunk.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &chunk[..end.unwrap_or(chunk.len())];
            if self.line.len() + part.len() > MAX_BYTES {
                return Err(SseError::TooLarge);
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_cr = chunk[end] == b'\r';
            chunk = &chunk[end + 1..];
            let line = mem::take(&mut self.line);
            frames.extend(self.take_line(&line)?);
        }
        Ok(frames)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<Frame>, SseError> {
        let line = match mem::replace(&mut self.past_first_line, true) {
            false => line.strip_prefix(BOM).unwrap_or(line),
            true => line,
        };
        let line = std::str::from_utf8(line).map_err(|_| SseError::NotUtf8)?;
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => self.add_data(value)?,
            // A comment has an empty field; the others mean nothing here.
            _ => {}
        }
        Ok(None)
    }

    fn add_data(&mut self, value: &str) -> Result<(), SseError> {
        if self.data.len() + value.len() + 1 > MAX_BYTES {
            return Err(SseError::TooLarge);
        }
        if mem::replace(&mut self.has_data, true) {
            self.data.push('\n');
        }
        self.data.push_str(value);
        Ok(())
    }

    fn dispatch(&mut self) -> Option<Frame> {
        let frame = Frame {
            event: mem::take(&mut self.event),
            data: mem::take(&mut self.data),
        };
        mem::take(&mut self.has_data).then_some(frame)
    }
}

#[cfg(test)]
mod tests;
