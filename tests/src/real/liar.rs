//! An agency of raw HTTP/1.1 over TLS that answers well, or in a way that no agency should.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loket_sdk::testing::{Ca, Leaf, sample};
use rustls::ServerConfig;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Register;
use super::flooding::{self, Frames};

/// What it does with a question it has read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Answers.
    None,
    /// Answers after this time.
    Slow(Duration),
    /// Resets the connection.
    Reset,
    /// Sends the end of its stream instead of an answer, and stays.
    HalfClosed,
    /// Sends half an answer and the end of its stream, and stays.
    HalfAnswer,
    /// Sends bytes that aren't HTTP.
    Garbage,
    /// Sends a body that isn't JSON.
    GarbageBody,
    /// Sends a body drop by drop, without end.
    Drip,
    /// Sends a body as fast as it goes, without end.
    Flood,
    /// Announces less than it sends.
    TooShort,
    /// Announces more than it sends, and stays.
    TooLong,
    /// Announces more than it sends, and ends the stream.
    TooLongAndGone,
    /// Sends, right after the answer, another about someone else, which nobody asked for.
    SecondAnswer,
    /// Takes connections and doesn't shake hands.
    NoHandshake,
    /// Agrees on HTTP/2 with whoever connects, and sends bytes that aren't.
    GarbageHttp2,
    /// Agrees on HTTP/2 with whoever connects, and sends these frames once it is asked.
    FloodHttp2(Frames),
}

struct State {
    lie: Lie,
    asked: usize,
    tls: Arc<ServerConfig>,
}

/// A running liar; it ends when it is dropped.
pub struct Liar {
    address: SocketAddr,
    register: Register,
    state: Arc<Mutex<State>>,
    changed: watch::Sender<()>,
    task: JoinHandle<()>,
}

type Broken = Option<()>;

impl Liar {
    pub(super) async fn start(ca: &Ca, register: Register) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("an address");
        let tls = server(&ca.system(register.agency, "registry"));
        let state = Arc::new(Mutex::new(State {
            lie: Lie::None,
            asked: 0,
            tls,
        }));
        let changed = watch::Sender::new(());
        let task = tokio::spawn(accept(
            listener,
            register,
            state.clone(),
            changed.subscribe(),
        ));
        Self {
            address,
            register,
            state,
            changed,
            task,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Which register it is.
    #[must_use]
    pub fn register(&self) -> Register {
        self.register
    }

    /// How many questions it has read.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.state().asked
    }

    /// Does this with every question from now on. Connections stay.
    pub fn tell(&self, lie: Lie) {
        self.state().lie = lie;
    }

    /// Shows this certificate from now on; every connection is closed.
    pub fn show(&self, leaf: &Leaf) {
        self.state().tls = server(leaf);
        self.cut();
    }

    /// Closes every connection.
    pub fn cut(&self) {
        self.changed.send_replace(());
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn server(leaf: &Leaf) -> Arc<ServerConfig> {
    let mut tls = leaf.mutual_tls().server().expect("a certificate");
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(tls)
}

async fn accept(
    listener: TcpListener,
    register: Register,
    state: Arc<Mutex<State>>,
    mut changed: watch::Receiver<()>,
) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                connections.spawn(serve(stream, register, state.clone()));
            }
            Ok(()) = changed.changed() => connections.abort_all(),
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, register: Register, state: Arc<Mutex<State>>) -> Broken {
    let (lie, mut tls) = {
        let state = state.lock().expect("no panic");
        (state.lie, state.tls.clone())
    };
    if lie == Lie::NoHandshake {
        return std::future::pending().await;
    }
    if matches!(lie, Lie::GarbageHttp2 | Lie::FloodHttp2(_)) {
        Arc::make_mut(&mut tls).alpn_protocols = vec![b"h2".to_vec()];
    }
    let mut stream = TlsAcceptor::from(tls).accept(stream).await.ok()?;
    if lie == Lie::GarbageHttp2 {
        send(&mut stream, GARBAGE).await?;
        return listen(&mut stream).await;
    }
    if let Lie::FloodHttp2(frames) = lie {
        return flooding::flood(stream, frames).await;
    }
    loop {
        let question = read(&mut stream).await?;
        let answer = answer(register, &question);
        let lie = {
            let mut state = state.lock().expect("no panic");
            state.asked += 1;
            state.lie
        };
        reply(&mut stream, lie, &answer).await?;
    }
}

/// Reads a request; its body.
async fn read(stream: &mut TlsStream<TcpStream>) -> Option<Value> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length?.trim().parse().ok()?;
            if let Some(body) = bytes.get(end + 4..end + 4 + length) {
                return serde_json::from_slice(body).ok();
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn answer(register: Register, question: &Value) -> String {
    let value = sample(register.record)[register.field].clone();
    let answer = json!({
        "status": "found",
        "as_of": jiff::Timestamp::now().to_string(),
        "subject": question["subject"],
        "record": { register.field: value },
    });
    answer.to_string()
}

fn head(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n")
}

const GARBAGE: &str = "\u{1}\u{2}\u{3} this isn't HTTP\r\n\r\n";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

async fn reply(stream: &mut TlsStream<TcpStream>, lie: Lie, answer: &str) -> Broken {
    let whole = format!("{}{answer}", head(answer.len()));
    match lie {
        Lie::None | Lie::NoHandshake | Lie::GarbageHttp2 | Lie::FloodHttp2(_) => {
            send(stream, &whole).await
        }
        Lie::Slow(time) => {
            tokio::time::sleep(time).await;
            send(stream, &whole).await
        }
        Lie::Reset => {
            stream.get_ref().0.set_zero_linger().ok()?;
            None
        }
        Lie::HalfClosed => stay(stream).await,
        Lie::HalfAnswer => {
            send(stream, &whole[..whole.len() - answer.len() / 2]).await?;
            stay(stream).await
        }
        Lie::Garbage => send(stream, GARBAGE).await,
        Lie::GarbageBody => {
            let page = "<html>it works</html>";
            send(stream, &format!("{}{page}", head(page.len()))).await
        }
        Lie::Drip => flow(stream, " ", Duration::from_millis(20)).await,
        Lie::Flood => flow(stream, &" ".repeat(4096), Duration::ZERO).await,
        Lie::TooShort => send(stream, &format!("{}{answer}", head(answer.len() / 2))).await,
        Lie::TooLong => send(stream, &format!("{}{answer}", head(answer.len() * 2))).await,
        Lie::TooLongAndGone => {
            send(stream, &format!("{}{answer}", head(answer.len() * 2))).await?;
            stream.shutdown().await.ok()?;
            None
        }
        Lie::SecondAnswer => {
            let other = answer.replace(crate::BAGAS, crate::SEKAR);
            let other = format!("{}{other}", head(other.len()));
            send(stream, &format!("{whole}{other}")).await
        }
    }
}

async fn send(stream: &mut TlsStream<TcpStream>, text: &str) -> Broken {
    stream.write_all(text.as_bytes()).await.ok()?;
    stream.flush().await.ok()
}

/// Ends what is sent and goes on listening, for as long as the other end stays.
async fn stay(stream: &mut TlsStream<TcpStream>) -> Broken {
    stream.get_mut().0.shutdown().await.ok()?;
    listen(stream).await
}

async fn listen(stream: &mut TlsStream<TcpStream>) -> Broken {
    let mut ignored = [0; 1024];
    while stream.read(&mut ignored).await.ok()? > 0 {}
    None
}

async fn flow(stream: &mut TlsStream<TcpStream>, part: &str, pause: Duration) -> Broken {
    send(stream, CHUNKED).await?;
    let chunk = format!("{:x}\r\n{part}\r\n", part.len());
    loop {
        send(stream, &chunk).await?;
        tokio::time::sleep(pause).await;
    }
}
