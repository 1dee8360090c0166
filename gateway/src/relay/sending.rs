//! Sending: the caller's body as the source gets it. Nothing is read before the source takes it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::meter::Meter;
use super::passing::Passing;
use crate::upstream::BoxError;

/// The body broke off on the caller's side.
#[derive(Debug, thiserror::Error)]
#[error("the caller's body broke off")]
struct CutShort;

pub(super) struct Sending {
    passing: Passing,
    meter: Arc<Meter>,
}

impl Sending {
    pub(super) fn new(body: Incoming, meter: Arc<Meter>, stall: Duration) -> Self {
        Self {
            passing: Passing::new(body, stall),
            meter,
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
        let frame = ready!(this.passing.poll(cx));
        let mut tally = this.meter.tally();
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                match frame.data_ref() {
                    Some(data) => {
                        tally.data(data);
                        if this.passing.is_end_stream() {
                            tally.whole();
                        }
                    }
                    // Trailers, the last that comes.
                    None => tally.whole(),
                }
                Some(Ok(frame))
            }
            Some(Err(fault)) => {
                tally.fail(fault);
                Some(Err(CutShort.into()))
            }
            None => {
                tally.whole();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.passing.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.passing.size_hint()
    }
}
