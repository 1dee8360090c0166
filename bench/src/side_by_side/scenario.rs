//! Scenarios: what is asked of every peer, and how it is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use clap::ValueEnum;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde::Serialize;

use super::peer::Peer;
use crate::connections::Connections;
use crate::drive::{Ask, Refused};
use crate::plan::Protocol;
use crate::stub::{ANSWER, BODY};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// GET of 1 KiB over HTTP/1.1
    GetH1,
    /// GET of 1 KiB over HTTP/2
    GetH2,
    /// POST of 4 KiB over HTTP/1.1, answered with 1 KiB
    PostH1,
    /// POST of 4 KiB over HTTP/2, answered with 1 KiB
    PostH2,
    /// GET of 1 KiB, each over a new mutual TLS connection
    Connect,
    /// A lookup over six agencies, HTTP/1.1: nginx's Lua can't fan out for HTTP/2
    Lookup,
    /// 5,000 mutual TLS connections over which nothing was asked yet
    Idle,
    /// 5,000 mutual TLS connections that have been answered once and are kept
    Kept,
    /// From the start of the process to its first answer
    Start,
}

impl Scenario {
    /// All, in the table's order.
    pub(crate) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// What it is called on the command line and in the documents.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::GetH1 => "get-h1",
            Self::GetH2 => "get-h2",
            Self::PostH1 => "post-h1",
            Self::PostH2 => "post-h2",
            Self::Connect => "connect",
            Self::Lookup => "lookup",
            Self::Idle => "idle",
            Self::Kept => "kept",
            Self::Start => "start",
        }
    }

    /// Whether a peer can do it.
    pub(crate) fn suits(self, peer: Peer) -> bool {
        peer != Peer::HaProxy || self != Self::Lookup
    }

    /// Requests a second in the open loop: what the slowest peer does with ease on two cores.
    pub(crate) fn rate(self) -> u32 {
        match self {
            Self::Connect => 100,
            Self::Lookup => 560,
            _ => 2_000,
        }
    }

    /// Between load and peer.
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::GetH2 | Self::PostH2 => Protocol::H2,
            _ => Protocol::H1,
        }
    }

    /// What is sent.
    pub(crate) fn method(self) -> Method {
        match self {
            Self::PostH1 | Self::PostH2 | Self::Lookup => Method::POST,
            _ => Method::GET,
        }
    }
}

/// What is called.
const PATH: &str = "/v1/services/dukcapil/population/people/1";

/// A call to an agency's service.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: Method,
    body: Bytes,
}

impl Call {
    /// The same for all peers.
    pub(crate) fn new(method: Method) -> Self {
        let body = match method {
            Method::POST => format!(r#"{{"name":"{}"}}"#, "n".repeat(BODY - 11)).into(),
            _ => Bytes::new(),
        };
        Self { method, body }
    }

    /// As it is sent, with a trace of its own.
    ///
    /// # Errors
    /// Never: it is made of valid parts.
    pub(crate) fn request(&self) -> anyhow::Result<Request<Full<Bytes>>> {
        static TRACES: AtomicU64 = AtomicU64::new(1);
        let trace = TRACES.fetch_add(1, Ordering::Relaxed);
        let mut request = Request::builder()
            .method(&self.method)
            .uri(format!("https://localhost{PATH}"))
            .header(header::ACCEPT, "application/json")
            .header("traceparent", format!("00-{trace:032x}-{trace:016x}-01"));
        if !self.body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        Ok(request.body(Full::new(self.body.clone()))?)
    }

    /// Reads an answer to its end.
    ///
    /// # Errors
    /// When it isn't the one that the agency gave.
    pub(crate) async fn read(&self, response: Response<Incoming>) -> anyhow::Result<()> {
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            return Err(Refused(format!("status_{}", status.as_u16())).into());
        }
        if body.len() != ANSWER {
            return Err(Refused("wrong_length".to_owned()).into());
        }
        Ok(())
    }
}

/// Calls over connections.
pub(crate) struct Calls {
    pub(crate) connections: Connections,
    pub(crate) call: Call,
}

impl Ask for Calls {
    async fn ask(&self, number: usize) -> anyhow::Result<()> {
        let request = self.call.request()?;
        let read = async |response| self.call.read(response).await;
        self.connections.send(number, request, read).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_as_long_as_the_agency_expects() {
        let call = Call::new(Method::POST);
        assert_eq!(call.body.len(), BODY);
        assert!(serde_json::from_slice::<serde_json::Value>(&call.body).is_ok());
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        for scenario in Scenario::all() {
            let value = scenario.to_possible_value().unwrap();
            assert_eq!(value.get_name(), scenario.name());
            assert_eq!(serde_json::to_value(scenario).unwrap(), scenario.name());
        }
    }
}
