//! Witness: the newest checkpoint out to those who watch the log, their cosignatures in.
//!
//! A witness cosigns only what continues the tree that it saw before (C2SP `tlog-witness` and
//! `tlog-cosignature`), so a log that was rolled back, or that shows two histories, finds no witness any
//! more. Nothing waits for them: an answer's receipt is signed by the log itself, and its evidence has
//! their signatures once they have signed.

use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use loket_sdk::transparency::{self, LogKeys};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tlog_tiles::tlog::{Hash, prove_tree};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::audit::Audit;
use crate::audit::store::{Hashes, ReadError, Reader, Signed};
use crate::checkpoint::Witness;
use crate::telemetry::Telemetry;

/// How long a witness may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 << 10;

/// All who watch it.
#[derive(Debug)]
pub struct Witnesses {
    all: Vec<Watching>,
    keys: LogKeys,
    tls: Arc<ClientConfig>,
}

#[derive(Debug)]
struct Watching {
    witness: Witness,
    name: String,
    /// The size of the tree that it saw last.
    seen: u64,
    /// Whether it failed the last time: one line when that begins, one when it ends.
    failing: bool,
}

/// Why a witness didn't cosign.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// Whoever runs the log has to know at once.
    #[error(
        "it has seen {seen} entries and refuses {ours}: the log was rolled back, or there are two of it"
    )]
    Contradicted { seen: u64, ours: u64 },
    #[error("it refused the checkpoint with {0}")]
    Refused(StatusCode),
    #[error("what it sent isn't its cosignature")]
    NotCosigned,
    #[error("it can't be reached: {0}")]
    Unreachable(String),
    #[error("the log can't be read: {0}")]
    Unreadable(#[from] ReadError),
}

enum Sent {
    Cosigned(String),
    Saw(u64),
}

impl Witnesses {
    /// Those of a log whose checkpoints are believed under `keys`, which know the witnesses' too.
    #[must_use]
    pub fn new(witnesses: &[Witness], keys: LogKeys, tls: Arc<ClientConfig>) -> Self {
        let all = witnesses.iter().map(|witness| Watching {
            name: witness.key.split('+').next().unwrap_or_default().to_owned(),
            witness: witness.clone(),
            seen: 0,
            failing: false,
        });
        Self {
            all: all.collect(),
            keys,
            tls,
        }
    }

    /// Shows them the newest checkpoint every so often, for as long as it is polled.
    pub async fn run(mut self, audit: Audit, telemetry: Telemetry, interval: Duration) {
        if self.all.is_empty() {
            return;
        }
        let mut turn = tokio::time::interval(interval);
        turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut shown = 0;
        loop {
            turn.tick().await;
            let newest = audit.read(|reader| reader.checkpoint()).await;
            let Ok(newest) = newest else { continue };
            if newest.size == 0 || newest.size == shown {
                continue;
            }
            if let Some(cosigned) = self.show(&audit, &telemetry, &newest).await {
                audit.cosigned(cosigned);
                let all = self.all.iter().all(|watching| watching.seen == newest.size);
                // Who failed is asked again, also while nothing new is written.
                shown = if all { newest.size } else { 0 };
            }
        }
    }

    /// Shows them one checkpoint; with the cosignatures of those who gave theirs.
    async fn show(
        &mut self,
        audit: &Audit,
        telemetry: &Telemetry,
        newest: &Signed,
    ) -> Option<Signed> {
        let (keys, tls) = (&self.keys, &self.tls);
        let shown = self.all.iter_mut().map(async |watching| {
            let asked = watching.ask(audit, newest, keys, tls);
            let outcome = tokio::time::timeout(PATIENCE, asked).await;
            let outcome = outcome
                .unwrap_or_else(|_| Err(Failed::Unreachable("it doesn't answer".to_owned())));
            let failed = outcome.as_ref().err();
            telemetry
                .metrics()
                .witnessed(&watching.name, newest.size, failed.is_none());
            match failed {
                Some(Failed::Contradicted { .. }) => tracing::error!(
                    loket.witness = watching.name,
                    loket.cause = %failed.map(ToString::to_string).unwrap_or_default(),
                    "a witness contradicts the audit log"
                ),
                Some(cause) if !watching.failing => tracing::warn!(
                    loket.witness = watching.name,
                    loket.cause = %cause,
                    "a witness doesn't cosign the audit log's checkpoints"
                ),
                None if watching.failing => tracing::info!(
                    loket.witness = watching.name,
                    "a witness cosigns the audit log's checkpoints again"
                ),
                _ => {}
            }
            watching.failing = failed.is_some();
            outcome.ok()
        });
        let lines: Vec<_> = futures_util::future::join_all(shown).await;
        let lines: String = lines.into_iter().flatten().collect();
        (!lines.is_empty()).then(|| Signed {
            note: format!("{}{lines}", newest.note).into(),
            ..newest.clone()
        })
    }
}

impl Watching {
    /// Its cosignature's line.
    async fn ask(
        &mut self,
        audit: &Audit,
        newest: &Signed,
        keys: &LogKeys,
        tls: &Arc<ClientConfig>,
    ) -> Result<String, Failed> {
        let mut sent = self.send(audit, newest, tls).await?;
        if let Sent::Saw(seen) = sent {
            if seen > newest.size {
                // Another gateway that writes this log may have shown it more meanwhile.
                let ours = audit.read(|reader| reader.checkpoint()).await?.size;
                return Err(match seen > ours {
                    true => Failed::Contradicted { seen, ours },
                    false => Failed::Refused(StatusCode::CONFLICT),
                });
            }
            self.seen = seen;
            sent = self.send(audit, newest, tls).await?;
        }
        let Sent::Cosigned(lines) = sent else {
            return Err(Failed::Refused(StatusCode::CONFLICT));
        };
        // Whatever else it sent isn't passed on.
        let own = format!("\u{2014} {} ", self.name);
        let line = lines.lines().find(|line| line.starts_with(&own));
        let line = format!("{}\n", line.ok_or(Failed::NotCosigned)?);
        let note = format!("{}{line}", newest.note);
        let cosigned = transparency::Checkpoint::signed(&note, keys);
        let cosigned = cosigned.map_err(|_| Failed::NotCosigned)?;
        if cosigned.witnesses().iter().all(|one| one.name != self.name) {
            return Err(Failed::NotCosigned);
        }
        self.seen = newest.size;
        Ok(line)
    }

    async fn send(
        &self,
        audit: &Audit,
        newest: &Signed,
        tls: &Arc<ClientConfig>,
    ) -> Result<Sent, Failed> {
        let (old, size) = (self.seen, newest.size);
        let proof = audit
            .read(move |reader| continues(reader, old, size))
            .await?;
        let proof = proof.iter().map(|hash| BASE64_STANDARD.encode(hash.0));
        let proof: Vec<String> = proof.collect();
        let body = match proof.as_slice() {
            [] => format!("old {old}\n\n{}", newest.note),
            lines => format!("old {old}\n{}\n\n{}", lines.join("\n"), newest.note),
        };
        let (status, answer) = post(&self.witness.url, body, tls)
            .await
            .map_err(|error| Failed::Unreachable(error.to_string()))?;
        match status {
            StatusCode::OK => Ok(Sent::Cosigned(answer)),
            StatusCode::CONFLICT => match answer.trim().parse() {
                Ok(seen) => Ok(Sent::Saw(seen)),
                Err(_) => Err(Failed::Refused(status)),
            },
            // It has another tree of the size that we say it saw.
            StatusCode::UNPROCESSABLE_ENTITY => Err(Failed::Contradicted {
                seen: old,
                ours: size,
            }),
            other => Err(Failed::Refused(other)),
        }
    }
}

/// That the tree of `size` continues the one of `old`.
fn continues(reader: &dyn Reader, old: u64, size: u64) -> Result<Vec<Hash>, ReadError> {
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let hashes = Hashes::of(reader);
    prove_tree(size, old, &hashes).map_err(|error| hashes.cause(&error))
}

async fn post(
    url: &Uri,
    body: String,
    tls: &Arc<ClientConfig>,
) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>> {
    let host = url.host().unwrap_or_default();
    let is_tls = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, port)).await?;
    if is_tls {
        let name = ServerName::try_from(host.to_owned())?;
        let stream = TlsConnector::from(tls.clone())
            .connect(name, stream)
            .await?;
        exchange(stream, url, body).await
    } else {
        exchange(stream, url, body).await
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    url: &Uri,
    body: String,
) -> Result<(StatusCode, String), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = format!("{}/add-checkpoint", url.path().trim_end_matches('/'));
    let request = Request::post(path)
        .header(
            header::HOST,
            url.authority().map_or("", |host| host.as_str()),
        )
        .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(Full::new(Bytes::from(body)))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), MAX_ANSWER)
            .collect()
            .await?;
        let answer = String::from_utf8(answer.to_bytes().to_vec())?;
        Ok((status, answer))
    };
    tokio::select! {
        answer = exchange => answer,
        // It ends before the answer only when it breaks.
        ended = connection => Err(ended.err().map_or_else(|| "the connection ended".into(), Into::into)),
    }
}
