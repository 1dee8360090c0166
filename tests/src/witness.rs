//! A witness as C2SP's `tlog-witness` describes it: it cosigns a checkpoint that continues the tree that
//! it saw before, and nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use loket_sdk::transparency::{Checkpoint, LogKeys};
use tlog_tiles::{Hash, check_tree};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

const NAME: &str = "witness.example";
/// Of a timestamped Ed25519 cosignature.
const ALGORITHM: u8 = 4;

/// A witness that runs.
pub struct Witness {
    address: SocketAddr,
    seen: Arc<Seen>,
    task: JoinHandle<()>,
}

struct Seen {
    key: Ed25519KeyPair,
    log: LogKeys,
    tree: Mutex<(u64, [u8; 32])>,
}

impl std::fmt::Debug for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").finish_non_exhaustive()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Witness {
    /// Watches the log of these keys.
    ///
    /// # Panics
    /// When it can't start.
    pub async fn start(log: LogKeys) -> Self {
        let seen = Arc::new(Seen {
            key: Ed25519KeyPair::generate().expect("a key"),
            log,
            tree: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let task = tokio::spawn({
            let seen = seen.clone();
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let seen = seen.clone();
                    let answer = service_fn(move |request| {
                        let seen = seen.clone();
                        async move { Ok::<_, Infallible>(seen.add(request).await) }
                    });
                    let connection = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), answer);
                    // A caller that leaves is its own affair.
                    tokio::spawn(async move { connection.await.ok() });
                }
            }
        });
        Self {
            address,
            seen,
            task,
        }
    }

    /// Where it takes checkpoints.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/watch", self.address)
    }

    /// Its public key.
    #[must_use]
    pub fn key(&self) -> String {
        let key = self.seen.public();
        let id = signed_note::key_id(NAME, &key);
        format!("{NAME}+{id:08x}+{}", BASE64_STANDARD.encode(key))
    }

    /// How many entries the tree had that it saw last.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.seen.tree.lock().expect("unpoisoned").0
    }
}

impl Seen {
    fn public(&self) -> Vec<u8> {
        [&[ALGORITHM], self.key.public_key().as_ref()].concat()
    }

    async fn add(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let is_add = request.uri().path() == "/watch/add-checkpoint";
        let body = request.into_body().collect().await.expect("a body");
        let body = String::from_utf8(body.to_bytes().to_vec()).expect("a text");
        let (status, text) = match is_add {
            true => self.decide(&body),
            false => (404, String::new()),
        };
        let response = Response::builder().status(status);
        response.body(Full::from(text)).expect("a response")
    }

    fn decide(&self, body: &str) -> (u16, String) {
        let (proof, note) = body.split_once("\n\n").expect("a proof and a note");
        let mut lines = proof.lines();
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old: u64 = old.expect("what it saw").parse().expect("a size");
        let hashes = lines.map(|line| {
            let hash = BASE64_STANDARD.decode(line).expect("base64");
            Hash(hash.try_into().expect("a hash"))
        });
        let proof: Vec<Hash> = hashes.collect();
        let Ok(checkpoint) = Checkpoint::signed(note, &self.log) else {
            return (403, String::new());
        };
        let mut tree = self.tree.lock().expect("unpoisoned");
        let (seen, root) = *tree;
        if old != seen || checkpoint.size() < seen {
            return (409, format!("{seen}\n"));
        }
        let (size, new) = (checkpoint.size(), *checkpoint.root());
        if seen > 0 && check_tree(&proof, size, Hash(new), seen, Hash(root)).is_err() {
            return (422, String::new());
        }
        *tree = (size, new);
        let at = jiff::Timestamp::now().as_second();
        let (text, _) = note.rsplit_once("\n\n").expect("signatures");
        let signed = format!("cosignature/v1\ntime {at}\n{text}\n");
        let mut cosignature = signed_note::key_id(NAME, &self.public())
            .to_be_bytes()
            .to_vec();
        cosignature.extend(at.to_be_bytes());
        cosignature.extend(self.key.sign(signed.as_bytes()).as_ref());
        let cosignature = BASE64_STANDARD.encode(cosignature);
        (200, format!("\u{2014} {NAME} {cosignature}\n"))
    }
}
