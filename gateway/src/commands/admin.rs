//! The operators' listener, as commands reach it: a method and a path in, what it answered out.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use clap::{Args as ClapArgs, ValueEnum};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// Exit code: it doesn't answer in time.
const TIMED_OUT: u8 = 7;
/// More than any answer has.
const MOST: usize = 64 << 20;

/// Where the operators' listener is, and how long it may take.
#[derive(Debug, ClapArgs)]
pub(super) struct Admin {
    /// Address of the operators' listener, `[admin] address` of the configuration
    #[arg(long, env = "LOKET_ADMIN", default_value = "127.0.0.1:9901")]
    pub(super) admin: SocketAddr,
    /// Seconds that it may take
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub(super) timeout: u64,
    /// For people or for programs
    #[arg(long, short, value_enum, default_value_t = Shape::Text)]
    pub(super) output: Shape,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Shape {
    Text,
    Json,
}

/// Says that it took too long; the exit code.
pub(super) fn late(admin: &Admin, out: &mut dyn Write) -> anyhow::Result<u8> {
    let seconds = admin.timeout;
    writeln!(
        out,
        "the gateway at {} didn't answer in {seconds} s",
        admin.admin
    )?;
    Ok(TIMED_OUT)
}

/// What the listener answered.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: String,
}

impl Reply {
    /// A problem's detail, or the text as it came.
    pub(super) fn says(&self) -> String {
        let problem = serde_json::from_str::<Value>(&self.body).ok();
        let detail = problem.and_then(|problem| Some(problem["detail"].as_str()?.to_owned()));
        detail.unwrap_or_else(|| format!("{} {}", self.status, self.body.trim_end()))
    }
}

/// The answer; nothing when it doesn't come in time.
pub(super) fn ask(admin: &Admin, method: &Method, path: &str) -> anyhow::Result<Option<Reply>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime can't start")?;
    let within = Duration::from_secs(admin.timeout);
    let asked = async { tokio::time::timeout(within, exchange(admin.admin, method, path)).await };
    runtime.block_on(asked).ok().transpose()
}

async fn exchange(address: SocketAddr, method: &Method, path: &str) -> anyhow::Result<Reply> {
    let nobody = || format!("nobody answers at {address}; is it `[admin] address` of the gateway?");
    let stream = TcpStream::connect(address).await.with_context(nobody)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    let exchanged = async {
        let response = sender.send_request(request).await.with_context(nobody)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer can't be read: {error}"))?;
        let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
        Ok(Reply { status, body })
    };
    tokio::pin!(connection);
    tokio::pin!(exchanged);
    let mut is_open = true;
    loop {
        tokio::select! {
            // What goes wrong with the connection shows in the exchange.
            _ = &mut connection, if is_open => is_open = false,
            reply = &mut exchanged => return reply,
        }
    }
}
