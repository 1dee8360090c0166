//! Server-sent events, read one by one
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::de::DeserializeOwned;

use super::super::ca::must;
use super::{Connection, CounterError};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// Its name; `message` when the server gives none.
    pub name: String,
    /// Its data; lines are joined by line feeds.
    pub data: String,
    /// Its id.
    pub id: String,
    /// The comments since the event before, such as keep-alives.
    pub comments: Vec<String>,
}

impl Event {
    /// The data as JSON.
    ///
    /// # Panics
    /// When it isn't, or of another type.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        must(serde_json::from_str(&self.data))
    }
}

/// An answer that is read event by event. Dropping it closes the connection.
#[derive(Debug)]
pub struct EventStream {
    /// HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    unread: BytesMut,
    _connection: Connection,
}

impl EventStream {
    pub(super) fn new(response: Response<Incoming>, connection: Connection) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
            unread: BytesMut::new(),
            _connection: connection,
        }
    }

    /// The next event; `None` at the end of the stream.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn next(&mut self) -> Result<Option<Event>, CounterError> {
        let mut event = Event::default();
        let mut has_data = false;
        while let Some(line) = self.line().await? {
            if line.is_empty() {
                if has_data {
                    if event.name.is_empty() {
                        "message".clone_into(&mut event.name);
                    }
                    return Ok(Some(event));
                }
                (event.name, event.id) = (String::new(), String::new());
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => event.comments.push(value.to_owned()),
                "event" => value.clone_into(&mut event.name),
                "id" => value.clone_into(&mut event.id),
                "data" => {
                    if has_data {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                    has_data = true;
                }
                _ => {}
            }
        }
        // An event without the empty line at its end doesn't count.
        Ok(None)
    }

    /// All events until the end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn all(mut self) -> Result<Vec<Event>, CounterError> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await? {
            events.push(event);
        }
        Ok(events)
    }

    /// What is left of the body, for an answer that isn't a stream of events.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn rest(mut self) -> Result<Bytes, CounterError> {
        while self.read().await? {}
        Ok(self.unread.freeze())
    }

    /// One line without its end, which is a line feed, with or without a carriage return.
    async fn line(&mut self) -> Result<Option<String>, CounterError> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = self.unread.split_to(end + 1);
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                return Ok(Some(String::from_utf8_lossy(line).into_owned()));
            }
            if !self.read().await? {
                return Ok(None);
            }
        }
    }

    async fn read(&mut self) -> Result<bool, CounterError> {
        let Some(frame) = self.body.frame().await.transpose()? else {
            return Ok(false);
        };
        if let Some(data) = frame.data_ref() {
            self.unread.extend_from_slice(data);
        }
        Ok(true)
    }
}
