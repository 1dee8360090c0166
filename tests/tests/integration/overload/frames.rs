//! HTTP/2 by the frame: a peer that sends what no client would, and keeps what it hears.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};
use loket_tests::Town;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// A frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::with_capacity(9 + payload.len());
    bytes.put_uint(payload.len() as u64, 3);
    bytes.put_u8(kind);
    bytes.put_u8(flags);
    bytes.put_u32(stream);
    bytes.put_slice(payload);
    bytes.to_vec()
}

/// The header block of a request without a body, never compressed.
pub(super) fn get(path: &str) -> Vec<u8> {
    head(0x82, path)
}

/// The header block of a request with one.
pub(super) fn post(path: &str) -> Vec<u8> {
    head(0x83, path)
}

fn head(method: u8, path: &str) -> Vec<u8> {
    // Methods and schemes are in every table.
    let mut block = vec![method, 0x87];
    for (name, value) in [(1, "localhost"), (4, path)] {
        block.extend([name, value.len() as u8]);
        block.extend(value.as_bytes());
    }
    block
}

/// A header field of its own.
pub(super) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0, name.len() as u8];
    block.extend(name.as_bytes());
    // A length of seven bits and more.
    match value.len() {
        short @ 0..127 => block.push(short as u8),
        long => {
            block.push(127);
            let mut rest = long - 127;
            while rest >= 128 {
                block.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            block.push(rest as u8);
        }
    }
    block.extend(value.as_bytes());
    block
}

/// What came so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// Frames of each kind.
    pub(super) frames: BTreeMap<u8, usize>,
    /// The code of each stream that was reset.
    pub(super) resets: BTreeMap<u32, u32>,
    /// The code with which the gateway went away.
    pub(super) goaway: Option<u32>,
    /// Streams whose answer is whole.
    pub(super) whole: Vec<u32>,
    /// Whether nothing comes any more.
    pub(super) closed: bool,
}

/// A connection.
pub(super) struct Raw {
    writing: WriteHalf<TlsStream<TcpStream>>,
    heard: watch::Receiver<Heard>,
    reading: JoinHandle<()>,
}

impl Raw {
    /// Connects as the mall's counter and says hello with these settings.
    pub(super) async fn connect(town: &Town, settings: &[(u16, u32)]) -> Self {
        let mut tls = town.ca().mutual_tls(&town.leaf(), None).client().unwrap();
        tls.alpn_protocols = vec![b"h2".to_vec()];
        let tcp = TcpStream::connect(town.address()).await.unwrap();
        let connector = TlsConnector::from(Arc::new(tls));
        let name = "localhost".try_into().unwrap();
        let stream = connector.connect(name, tcp).await.unwrap();
        let (reading, writing) = tokio::io::split(stream);
        let (told, heard) = watch::channel(Heard::default());
        let mut raw = Self {
            writing,
            heard,
            reading: tokio::spawn(read(reading, told)),
        };
        let mut payload = BytesMut::new();
        for (id, value) in settings {
            payload.put_u16(*id);
            payload.put_u32(*value);
        }
        assert!(raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await);
        assert!(raw.send(&frame(SETTINGS, 0, 0, &payload)).await);
        raw
    }

    /// Sends bytes; whether anybody takes them.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = self.writing.write_all(bytes).await.is_ok();
        sent && self.writing.flush().await.is_ok()
    }

    /// What was heard once it is enough.
    pub(super) async fn until(&mut self, what: &str, enough: impl Fn(&Heard) -> bool) -> Heard {
        let patience = std::time::Duration::from_secs(60);
        let waiting = self.heard.wait_for(|heard| enough(heard) || heard.closed);
        let heard = tokio::time::timeout(patience, waiting).await;
        let heard = heard.expect(what).unwrap().clone();
        assert!(enough(&heard), "{what}: {heard:?}");
        heard
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(mut stream: ReadHalf<TlsStream<TcpStream>>, told: watch::Sender<Heard>) {
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_be_bytes);
        let (kind, flags, id) = (head[3], head[4], number(&head[5..]));
        let mut payload = vec![0; length as usize];
        if stream.read_exact(&mut payload).await.is_err() {
            break;
        }
        told.send_modify(|heard| {
            *heard.frames.entry(kind).or_default() += 1;
            match kind {
                RST_STREAM => drop(heard.resets.insert(id, number(&payload))),
                GOAWAY => heard.goaway = payload.get(4..8).map(number),
                DATA | HEADERS if flags & END_STREAM != 0 => heard.whole.push(id),
                _ => {}
            }
        });
    }
    told.send_modify(|heard| heard.closed = true);
}
