//! Strict: the plain bytes of an HTTP/1 connection in, the same bytes or a poisoned end out.
//!
//! It stands between TLS and the HTTP parser and lets bytes pass where they are. Where the
//! [`grammar`] breaks it ends what the peer sent just before the line does, with bytes that no
//! parser takes, so that the parser refuses in its own turn: after what was asked before, with 400
//! and a closed connection. Before the size of a chunk it just ends. Refused besides: a head that is too slow. At the end it waits a little
//! for a peer that still sends, which would otherwise be reset before it has read why.

mod grammar;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use self::grammar::{Broken, Grammar};
use super::life::Life;
use crate::telemetry::Ending;

/// No parser takes a NUL in a head or a trailer; the line ends make it look at once.
const POISON: &[u8] = b"\0\r\n\r\n";
/// In a chunk's extension a parser may take anything up to the line's end, so there must be none.
const END: &[u8] = b"";
/// How long, and for how much, an ended connection is still listened to.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

/// A stream that passes strict HTTP/1 only.
pub(super) struct Strict<S> {
    inner: S,
    grammar: Grammar,
    /// What is left to give of the poison, once the grammar broke.
    poison: Option<&'static [u8]>,
    head_timeout: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    linger: Option<(Pin<Box<Sleep>>, usize)>,
    life: Arc<Life>,
}

impl<S> Strict<S> {
    pub(super) fn new(inner: S, max_head: usize, head_timeout: Duration, life: Arc<Life>) -> Self {
        Self {
            inner,
            grammar: Grammar::new(max_head),
            poison: None,
            head_timeout,
            timer: None,
            linger: None,
            life,
        }
    }

    /// Gives as much of the poison as there is room for, and then the end.
    fn give_poison(&mut self, buf: &mut ReadBuf<'_>) {
        if let Some(poison) = &mut self.poison {
            let (now, later) = poison.split_at(poison.len().min(buf.remaining()));
            buf.put_slice(now);
            *poison = later;
        }
    }

    /// Passes on what was just read, up to where it breaks the grammar.
    fn pass(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let heads = self.grammar.heads();
        if let Err(Broken(good)) = self.grammar.check(&buf.filled()[before..]) {
            self.life.ends(Ending::Malformed);
            let in_size = self.grammar.is_in_chunk_size();
            self.poison = Some(if in_size { END } else { POISON });
            buf.set_filled(before + good);
            self.give_poison(buf);
        }
        // One head may have ended and the next begun.
        if !self.grammar.is_in_head() || self.grammar.heads() != heads {
            self.timer = None;
        }
    }

    /// Nothing more has come: that is well between requests, and for a while within a head.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.grammar.is_in_head() {
            return Poll::Pending;
        }
        let timeout = self.head_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(timer.as_mut().poll(cx));
        self.life.ends(Ending::SlowHead);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Strict<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.poison.is_some() {
            this.give_poison(buf);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                this.pass(buf, before);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.wait(cx),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Strict<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            if this.poison.is_none() && !this.grammar.is_in_request() {
                return Poll::Ready(Ok(()));
            }
        }
        let start = || (Box::pin(sleep(LINGER)), LINGER_BYTES);
        let (timer, left) = this.linger.get_or_insert_with(start);
        loop {
            let mut nowhere = [0; 4096];
            let mut buf = ReadBuf::new(&mut nowhere);
            match Pin::new(&mut this.inner).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    *left = left.saturating_sub(buf.filled().len());
                    if *left == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                // The end, by whatever means.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return timer.as_mut().poll(cx).map(Ok),
            }
        }
    }
}

#[cfg(test)]
mod tests;
