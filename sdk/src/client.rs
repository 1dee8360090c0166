//! The counter's client: one lookup in, every agency's answer out.
//!
//! [`Client::lookup`] asks many agencies about one citizen at once. An agency that refuses, has
//! no record or doesn't answer is a result with an [`Outcome`](crate::message::Outcome) and a
//! [`Reason`](crate::message::Reason), never an error: [`Error`] is only what stands between the
//! caller and the gateway's answer.
//!
//! ```no_run
//! use loket_sdk::claims::Op;
//! use loket_sdk::client::Client;
//! use loket_sdk::ids::Nik;
//! use loket_sdk::message::{LegalBasisKind, Purpose};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::from_env()?;
//! let answer = client.lookup(Nik::parse("3510161405889901")?)
//!     .purpose(Purpose::BusinessLicence).case("MPP-3510-000123").by("clk-7f3a", "B07")
//!     .legal_basis(LegalBasisKind::LegalObligation, "PP 28/2025")
//!     .record("business-licence/1")
//!     .record_fields("taxpayer/1", ["npwp", "registered_name"])
//!     .claim("person-identity/1", "full_name", Op::NameMatches, "BAGAS CONTOH PRATAMA")
//!     .send().await?;
//! for card in &answer.results { println!("{} {} {}", card.record, card.outcome, card.reason); }
//! # Ok(())
//! # }
//! ```

mod access;
mod builder;
mod call;
pub mod catalogue;
mod connect;
mod error;
pub mod event;
mod lookup;
mod replay;
mod send;
mod sse;
mod stream;
mod subject;
mod tls_fault;
mod typed;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy;
use serde_json::Value;

use self::call::Call;
use self::catalogue::Catalogue;
use self::connect::{Connector, LastFault};
use crate::message::{RecordRef, Subject};
use crate::transparency::Evidence;

pub use self::builder::ClientBuilder;
pub use self::error::{Error, Result};
pub use self::event::Event;
pub use self::lookup::LookupBuilder;
pub use self::stream::Results;
pub use self::tls_fault::TlsFault;

/// What the client waits beyond the lookup's deadline, for the way there and back.
pub const MARGIN: Duration = Duration::from_secs(1);

/// A connection pool to one gateway. Cloning is cheap and shares the pool.
///
/// Certificate and key are read once: build a new client after a renewal.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: legacy::Client<Connector, Full<Bytes>>,
    last_fault: LastFault,
    /// URL without its last slash.
    base: String,
    /// Host and port, for people.
    address: String,
    deadline: Duration,
    retries: u32,
    max_answer: usize,
    clerk: Option<String>,
    counter: Option<String>,
    replay: replay::Secret,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base", &self.0.base)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Starts to set a client up.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A client from the environment: `LOKET_URL`, and the PEM files `LOKET_CERT`, `LOKET_KEY`
    /// and `LOKET_CA`; optionally `LOKET_CLERK` and `LOKET_COUNTER` for lookups that name none, and
    /// `LOKET_REPLAY_SECRET`, the file of the [replay secret](ClientBuilder::replay_secret).
    ///
    /// # Errors
    /// [`Error::Usage`] that names the variable that is missing or the file that can't be read.
    pub fn from_env() -> Result<Self> {
        ClientBuilder::from_variables(|name| std::env::var(name).ok()).build()
    }

    /// Starts a lookup about the subject: an identifier from [`ids`](crate::ids), or a
    /// [`Subject`].
    pub fn lookup(&self, subject: impl Into<Subject>) -> LookupBuilder {
        LookupBuilder::new(self.clone(), subject.into())
    }

    /// What this caller may ask: records, sources, purposes, fields.
    ///
    /// # Errors
    /// As for a lookup; within the client's default deadline.
    pub async fn catalogue(&self) -> Result<Catalogue> {
        let call = Call::get("/v1/catalogue".to_owned(), self.0.deadline);
        self.0.json(&call).await
    }

    /// The JSON Schema (2020-12) of a record, as the gateway has it.
    ///
    /// # Errors
    /// [`Error::Problem`] with `not_found` when the gateway doesn't know the record; otherwise as
    /// for a lookup.
    ///
    /// ```no_run
    /// # async fn example(client: loket_sdk::client::Client) -> loket_sdk::client::Result<()> {
    /// let schema = client.schema(&"person-identity/1".parse().unwrap()).await?;
    /// println!("{}", schema["title"]);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn schema(&self, record: &RecordRef) -> Result<Value> {
        let path = format!("/v1/schemas/{}/{}", record.name(), record.major());
        self.0.json(&Call::get(path, self.0.deadline)).await
    }

    /// What proves the entry that a receipt names, to be checked with [`Evidence::verify`] and kept.
    ///
    /// # Errors
    /// [`Error::Problem`] with `not_found` when there is no such entry of this caller; otherwise as
    /// for a lookup.
    pub async fn receipt(&self, entry: u64) -> Result<Evidence> {
        let call = Call::get(format!("/v1/receipts/{entry}"), self.0.deadline);
        let evidence: Evidence = self.0.json(&call).await?;
        if evidence.entry != entry {
            let trace_id = call.trace.trace_id.to_string();
            return Err(Error::protocol("it is of another entry", &trace_id));
        }
        Ok(evidence)
    }
}

#[cfg(test)]
mod tests;
