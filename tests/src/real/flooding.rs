//! A source that agrees on HTTP/2 and, once it is asked, sends frames without end.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A frame of settings that sets nothing.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// Bytes of frames: once, and then again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frames {
    /// What comes first.
    pub first: &'static [u8],
    /// What comes after it, without end.
    pub then: &'static [u8],
}

/// Floods until nobody takes it any more.
pub(super) async fn flood(mut stream: TlsStream<TcpStream>, frames: Frames) -> Option<()> {
    stream.write_all(SETTINGS).await.ok()?;
    stream.flush().await.ok()?;
    let mut asked = Vec::new();
    // A head, after the preface; it holds the name of what is asked for, which isn't compressed.
    while !asked.windows(9).any(|nine| nine == b"\"subject\"") {
        if stream.read_buf(&mut asked).await.ok()? == 0 {
            return None;
        }
    }
    let (mut reading, mut writing) = tokio::io::split(stream);
    let many = frames.then.repeat(1000);
    writing.write_all(frames.first).await.ok()?;
    let flooding = async {
        while writing.write_all(&many).await.is_ok() {
            // This process is the callers' too.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let mut nowhere = tokio::io::sink();
    tokio::select! {
        () = flooding => {}
        _ = tokio::io::copy(&mut reading, &mut nowhere) => {}
    }
    None
}
