//! Answering: the source's body as the caller gets it, and what is recorded of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;

use super::Streamed;
use super::meter::{Meter, Tally};
use super::passing::{Fault, Passing};
use crate::audit::{CallOutcome, Kind};
use crate::refusal::Refusal;
use crate::trail::Trail;
use crate::upstream::{BoxError, Ended, Guard};

/// The answer can't be passed on as a whole.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the source's body broke off")]
    Source,
    #[error("the source's body stood still")]
    Stalled,
    #[error("the answer can't be recorded")]
    Unrecorded,
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Broken => Self::Source,
            Fault::Stalled => Self::Stalled,
        }
    }
}

/// An answer under way.
pub(super) struct Answering {
    passing: Passing,
    guard: Option<Guard>,
    sent: Option<Arc<Meter>>,
    status: u16,
    size: Option<u64>,
    tally: Tally,
}

impl Answering {
    pub(super) fn new(
        body: Incoming,
        guard: Guard,
        sent: Option<Arc<Meter>>,
        status: u16,
        size: Option<u64>,
        stall: Duration,
    ) -> Self {
        Self {
            passing: Passing::new(body, stall),
            guard: Some(guard),
            sent,
            status,
            size,
            tally: Tally::default(),
        }
    }

    /// The next frame, counted; `None` at the end of a whole body.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        let frame = ready!(self.passing.poll(cx)).transpose();
        if let Ok(Some(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.tally.data(data);
        }
        Poll::Ready(frame.map_err(Broken::from))
    }

    /// Whether nothing but the end can come.
    fn is_complete(&self) -> bool {
        self.passing.is_end_stream() || self.size == Some(self.tally.bytes())
    }

    fn conclude(&mut self, trail: &mut Trail, outcome: CallOutcome, ended: Ended) {
        let sent = self.sent.as_deref().map(Meter::sum);
        trail.call_ended(Some(self.status), sent, Some(self.tally.sum()), outcome);
        if let Some(guard) = self.guard.take() {
            guard.conclude(ended);
        }
    }

    /// It was read to its end.
    fn end(&mut self, trail: &mut Trail) {
        self.tally.whole();
        self.conclude(trail, CallOutcome::Answered, Ended::Whole);
    }

    /// It broke off on the source's side.
    pub(super) fn break_off(&mut self, trail: &mut Trail) {
        self.conclude(trail, CallOutcome::CutShort, Ended::SourceFailed);
    }

    /// Nobody wants the rest.
    pub(super) fn leave(&mut self, trail: &mut Trail) {
        self.conclude(trail, CallOutcome::CutShort, Ended::CallerLeft);
    }

    /// Reads an answer that is known to be small.
    pub(super) async fn take_whole(&mut self, trail: &mut Trail) -> Result<Streamed, Refusal> {
        let mut first = Bytes::new();
        let mut more = Vec::new();
        let mut trailers = None;
        loop {
            let next = std::future::poll_fn(|cx| self.poll(cx)).await;
            let frame = match next {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(broken) => {
                    self.break_off(trail);
                    return Err(match broken {
                        Broken::Stalled => Refusal::SourceTimeout,
                        _ => Refusal::SourceUnavailable(None),
                    });
                }
            };
            match frame.into_data() {
                Ok(data) if first.is_empty() => first = data,
                Ok(data) => more.push(data),
                Err(frame) => trailers = frame.into_trailers().ok(),
            }
        }
        self.end(trail);
        if !more.is_empty() {
            let mut whole = Vec::with_capacity(self.tally.bytes() as usize);
            whole.extend_from_slice(&first);
            more.iter().for_each(|data| whole.extend_from_slice(data));
            first = whole.into();
        }
        let trailers = trailers.map(|trailers| async move { Some(Ok(trailers)) });
        Ok(match (first.is_empty(), trailers) {
            (true, None) => Empty::new().map_err(|never| match never {}).boxed_unsync(),
            (_, None) => Full::new(first)
                .map_err(|never| match never {})
                .boxed_unsync(),
            (_, Some(trailers)) => Full::new(first)
                .with_trailers(trailers)
                .map_err(|never: std::convert::Infallible| match never {})
                .boxed_unsync(),
        })
    }

    /// Passes the answer on as it comes.
    pub(super) fn stream(self, trail: Trail) -> Streaming {
        Streaming {
            answering: self,
            trail: Some(trail),
            closing: None,
            last: None,
            closed: false,
        }
    }
}

/// An answer that is passed on as it comes. The frame that makes it whole waits for the record.
pub(super) struct Streaming {
    answering: Answering,
    trail: Option<Trail>,
    closing: Option<BoxFuture<'static, bool>>,
    last: Option<Frame<Bytes>>,
    closed: bool,
}

impl Streaming {
    /// Records the whole; true once that is durable.
    fn close(&mut self) {
        let Some(mut trail) = self.trail.take() else {
            return;
        };
        self.answering.end(&mut trail);
        let status = self.answering.status;
        self.closing = Some(Box::pin(async move {
            let recorded = trail.close(Kind::Call).await.is_ok();
            trail.responded(status, None);
            recorded
        }));
    }
}

impl Body for Streaming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            if let Some(closing) = &mut this.closing {
                let recorded = ready!(closing.as_mut().poll(cx));
                this.closing = None;
                this.closed = true;
                if !recorded {
                    return Poll::Ready(Some(Err(Broken::Unrecorded.into())));
                }
            }
            if this.closed {
                return Poll::Ready(this.last.take().map(Ok));
            }
            match ready!(this.answering.poll(cx)) {
                Ok(Some(frame)) => {
                    if frame.is_data() && !this.answering.is_complete() {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    this.last = Some(frame);
                    this.close();
                }
                Ok(None) => this.close(),
                Err(broken) => {
                    this.closed = true;
                    if let Some(mut trail) = this.trail.take() {
                        this.answering.break_off(&mut trail);
                    }
                    return Poll::Ready(Some(Err(broken.into())));
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.closed && self.last.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = |size: u64| size.saturating_sub(self.answering.tally.bytes());
        let held = self.last.as_ref().and_then(Frame::data_ref);
        let held = held.map_or(0, |data| data.len() as u64);
        match self.answering.size {
            Some(size) => SizeHint::with_exact(left(size) + held),
            None => SizeHint::default(),
        }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        if let Some(mut trail) = self.trail.take() {
            self.answering.leave(&mut trail);
        }
    }
}
