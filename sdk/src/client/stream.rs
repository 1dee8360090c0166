//! A streamed lookup: each agency's result as it arrives, then the whole answer.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_util::stream::{BoxStream, Stream, StreamExt, try_unfold};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use uuid::Uuid;

use super::call::{Begun, Call, from_json, is_type};
use super::error::{Error, Result};
use super::event::{self, Accepted, Event, IndexedResult};
use super::sse::{Frame, Parser};
use crate::message::{Answer, SourceResult};
use crate::problem::Problem;

/// Most results that an answer may have: 16 records with several sources each.
const MAX_RESULTS: usize = 256;

/// The events of one lookup. Ends after [`Event::Done`] or the first error; a stream that is cut
/// before either is [`Error::Incomplete`]. Dropping it tells the gateway that the caller left.
#[must_use = "a stream does nothing until it is read"]
pub struct Results {
    events: BoxStream<'static, Result<Event>>,
    trace_id: String,
}

impl fmt::Debug for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Results")
            .field("trace_id", &self.trace_id)
            .finish_non_exhaustive()
    }
}

impl Results {
    pub(super) fn new(begun: Begun, call: &Call, request_id: Uuid) -> Result<Self> {
        let trace_id = begun.trace_id;
        if !is_type(begun.response.headers(), event::MEDIA_TYPE) {
            return Err(Error::protocol("it isn't text/event-stream", &trace_id));
        }
        let reading = Reading {
            body: begun.response.into_body(),
            parser: Parser::default(),
            waiting: VecDeque::new(),
            seen: BTreeMap::new(),
            until: begun.until,
            after: call.within,
            request_id,
            trace_id: trace_id.clone(),
            done: false,
        };
        Ok(Self {
            events: try_unfold(reading, Reading::next).boxed(),
            trace_id,
        })
    }

    /// The trace id, 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.trace_id
    }

    /// The next event; `None` after the last. For callers without a `StreamExt` in scope.
    pub async fn next(&mut self) -> Option<Result<Event>> {
        self.events.next().await
    }

    /// Reads on to the end and gives the whole answer.
    ///
    /// # Errors
    /// As the stream's own.
    pub async fn finish(mut self) -> Result<Answer> {
        while let Some(event) = self.next().await {
            if let Event::Done(answer) = event? {
                return Ok(answer);
            }
        }
        Err(Error::Incomplete {
            request_id: None,
            trace_id: self.trace_id,
            source: None,
        })
    }
}

impl Stream for Results {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_next_unpin(cx)
    }
}

struct Reading {
    body: Incoming,
    parser: Parser,
    waiting: VecDeque<Frame>,
    /// The results that came, by their place in the answer.
    seen: BTreeMap<usize, SourceResult>,
    until: Instant,
    after: std::time::Duration,
    request_id: Uuid,
    trace_id: String,
    done: bool,
}

impl Reading {
    async fn next(mut self) -> Result<Option<(Event, Self)>> {
        while !self.done {
            if let Some(frame) = self.waiting.pop_front() {
                if let Some(event) = self.event(&frame)? {
                    return Ok(Some((event, self)));
                }
                continue;
            }
            self.read().await?;
        }
        Ok(None)
    }

    async fn read(&mut self) -> Result<()> {
        let frame = tokio::time::timeout_at(self.until.into(), self.body.frame())
            .await
            .map_err(|_| Error::Timeout {
                after: self.after,
                request_id: Some(self.request_id),
                trace_id: self.trace_id.clone(),
            })?;
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Err(self.cut(Some(error.into()))),
            None => return Err(self.cut(None)),
        };
        let Some(chunk) = frame.data_ref() else {
            return Ok(());
        };
        let frames = self
            .parser
            .push(chunk)
            .map_err(|error| Error::protocol(error.to_string(), &self.trace_id))?;
        self.waiting.extend(frames);
        Ok(())
    }

    fn event(&mut self, frame: &Frame) -> Result<Option<Event>> {
        let data = frame.data.as_bytes();
        let event = match frame.event.as_str() {
            event::ACCEPTED => Event::Accepted(self.accepted(data)?),
            event::RESULT => Event::Result(self.result(data)?),
            event::FINDING => Event::Finding(from_json(data, &self.trace_id)?),
            event::DONE => Event::Done(self.answer(data)?),
            event::PROBLEM => {
                return Err(Error::Problem {
                    problem: Box::new(from_json::<Problem>(data, &self.trace_id)?),
                    retry_after: None,
                });
            }
            // A later gateway may have more to say.
            _ => return Ok(None),
        };
        Ok(Some(event))
    }

    fn accepted(&self, data: &[u8]) -> Result<Accepted> {
        let accepted: Accepted = from_json(data, &self.trace_id)?;
        self.ours(accepted.request_id)?;
        Ok(accepted)
    }

    fn result(&mut self, data: &[u8]) -> Result<SourceResult> {
        let IndexedResult { index, result } = from_json(data, &self.trace_id)?;
        if index >= MAX_RESULTS || self.seen.insert(index, result.clone()).is_some() {
            let what = "a result has no place of its own in the answer";
            return Err(Error::protocol(what, &self.trace_id));
        }
        Ok(result)
    }

    /// The answer, with the data that came before.
    fn answer(&mut self, data: &[u8]) -> Result<Answer> {
        let mut answer: Answer = from_json(data, &self.trace_id)?;
        self.ours(answer.request_id)?;
        for (index, seen) in std::mem::take(&mut self.seen) {
            let same = answer
                .results
                .get_mut(index)
                .filter(|result| result.record == seen.record && result.outcome == seen.outcome);
            let Some(result) = same else {
                let what = "the whole answer contradicts the results before it";
                return Err(Error::protocol(what, &self.trace_id));
            };
            if result.data.is_none() && result.claims.is_empty() {
                result.data = seen.data;
                result.claims = seen.claims;
            }
        }
        self.done = true;
        Ok(answer)
    }

    fn ours(&self, request_id: Uuid) -> Result<()> {
        if request_id == self.request_id {
            return Ok(());
        }
        let what = "it is the answer to another request_id";
        Err(Error::protocol(what, &self.trace_id))
    }

    fn cut(&self, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Incomplete {
            request_id: Some(self.request_id),
            trace_id: self.trace_id.clone(),
            source,
        }
    }
}
