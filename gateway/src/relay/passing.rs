//! Passing: a body from one side, frame by frame as the other may have them, or why no more come.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::headers;

/// Why a body didn't come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It broke off.
    Broken,
    /// It stood still for too long.
    Stalled,
}

/// A body on its way from one side to the other.
pub(super) struct Passing {
    body: Incoming,
    patience: Patience,
}

impl Passing {
    pub(super) fn new(body: Incoming, stall: Duration) -> Self {
        Self {
            body,
            patience: Patience::new(stall),
        }
    }

    /// The next frame; `None` at the end of a whole body. Trailers are those that may pass.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            return self.patience.poll(cx).map(|()| Some(Err(Fault::Stalled)));
        };
        self.patience.moved();
        Poll::Ready(match frame {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    headers::clean_trailers(trailers);
                }
                Some(Ok(frame))
            }
            Some(Err(_)) => Some(Err(Fault::Broken)),
            None => None,
        })
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Waits for a body to move.
struct Patience {
    limit: Duration,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
    waiting: bool,
}

impl Patience {
    fn new(limit: Duration) -> Self {
        Self {
            limit,
            sleep: None,
            waiting: false,
        }
    }

    /// It moved.
    fn moved(&mut self) {
        self.waiting = false;
    }

    /// Ready when it has stood still for too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
