//! Sending: the caller's body as the source gets it. Nothing is read before the source takes it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::headers;
use super::meter::{Fault, Meter};
use crate::upstream::BoxError;

/// Waits for a body to move.
pub(super) struct Patience {
    limit: Duration,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    waiting: bool,
}

impl Patience {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            limit,
            sleep: None,
            waiting: false,
        }
    }

    /// It moved.
    pub(super) fn moved(&mut self) {
        self.waiting = false;
    }

    /// Ready when it has stood still for too long.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = tokio::time::Instant::now() + self.limit;
        // One timer for the whole body, set anew only when there is something to wait for.
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if !self.waiting {
            self.waiting = true;
            sleep.as_mut().reset(until);
        }
        sleep.as_mut().poll(cx)
    }
}

/// The body broke off on the caller's side.
#[derive(Debug, thiserror::Error)]
#[error("the caller's body broke off")]
struct CutShort;

pub(super) struct Sending {
    body: Incoming,
    meter: Arc<Meter>,
    patience: Patience,
}

impl Sending {
    pub(super) fn new(body: Incoming, meter: Arc<Meter>, stall: Duration) -> Self {
        Self {
            body,
            meter,
            patience: Patience::new(stall),
        }
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            ready!(this.patience.poll(cx));
            this.meter.fail(Fault::Stalled);
            return Poll::Ready(Some(Err(CutShort.into())));
        };
        this.patience.moved();
        let frame = match frame {
            Some(Ok(mut frame)) => {
                if let Some(data) = frame.data_ref() {
                    let mut tally = this.meter.tally();
                    tally.data(data);
                    if this.body.is_end_stream() {
                        tally.whole();
                    }
                } else if let Some(trailers) = frame.trailers_mut() {
                    headers::clean_trailers(trailers);
                    this.meter.tally().whole();
                }
                Some(Ok(frame))
            }
            Some(Err(_)) => {
                this.meter.fail(Fault::Broken);
                Some(Err(CutShort.into()))
            }
            None => {
                this.meter.tally().whole();
                None
            }
        };
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
