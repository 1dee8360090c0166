//! Patience: a socket in, the same socket with an end to a peer that takes nothing out.
//!
//! Below TLS, so that the handshake is covered too. What counts is progress: any byte that the
//! peer's side takes starts the time anew.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::life::Life;
use crate::telemetry::Ending;

/// A stream whose writes may stall for so long.
pub(super) struct Patience<S> {
    inner: S,
    timeout: Duration,
    /// Running while a write waits.
    timer: Option<Pin<Box<Sleep>>>,
    life: Arc<Life>,
}

impl<S> Patience<S> {
    pub(super) fn new(inner: S, timeout: Duration, life: Arc<Life>) -> Self {
        Self {
            inner,
            timeout,
            timer: None,
            life,
        }
    }

    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.timer = None;
            return written;
        }
        let timeout = self.timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        ready!(timer.as_mut().poll(cx));
        self.life.ends(Ending::SlowReader);
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_left() {
        let (mut peer, ours) = tokio::io::duplex(4);
        let life = Arc::new(Life::new());
        let mut ours = Patience::new(ours, Duration::from_secs(10), life.clone());
        ours.write_all(b"full").await.unwrap();
        // Every byte taken starts the time anew.
        for _ in 0..3 {
            let slow = async {
                sleep(Duration::from_secs(9)).await;
                peer.read_u8().await.unwrap()
            };
            let (written, _) = tokio::join!(ours.write_all(b"x"), slow);
            written.unwrap();
        }
        assert_eq!(life.ending(), Ending::Peer);
        let error = ours.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(life.ending(), Ending::SlowReader);
    }
}
