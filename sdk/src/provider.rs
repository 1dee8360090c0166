//! The server kit of an agency: implement [`Provider`], and the kit serves it.
//!
//! In: `POST {base}/v1/records/{record}/{major}` of a gateway, over mutual TLS. Out: a
//! [`SourceAnswer`](crate::message::SourceAnswer), or a problem document. The kit refuses who isn't
//! a trusted gateway, checks the question against its schema, joins the trace, keeps the deadline,
//! checks the record that the provider found against the record's schema, and sends of it only what
//! was asked: fields, or the answers to claims. `GET {base}/health` tells a gateway that the process
//! lives.
//!
//! A provider answers with the *whole* record as its agency holds it. A record that breaks the
//! schema, or is about somebody else, never leaves: the kit logs where it is wrong, without values,
//! and answers problem `internal`.
//!
//! ```no_run
//! use jiff::Timestamp;
//! use loket_sdk::message::RecordRef;
//! use loket_sdk::provider::{self, Config, Provider, ProviderError, Query, Reply};
//! use serde_json::json;
//!
//! struct Registry;
//!
//! impl Provider for Registry {
//!     fn records(&self) -> Vec<RecordRef> {
//!         RecordRef::new("taxpayer", 1).into_iter().collect()
//!     }
//!
//!     async fn find(&self, query: &Query) -> Result<Reply, ProviderError> {
//!         // Ask the agency's database here; `?` takes any error.
//!         if query.subject.value.expose() != "3510161405889901" {
//!             return Ok(Reply::NotFound);
//!         }
//!         let record = json!({
//!             "npwp": "3510161405889901", "nik": "3510161405889901", "nik_npwp_match": true,
//!             "taxpayer_type": "individual", "registered_name": "BAGAS CONTOH PRATAMA",
//!             "status": "active", "registered_on": "2012-03-01"
//!         });
//!         Reply::found(record, Timestamp::now())
//!     }
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // LOKET_LISTEN, LOKET_CERT, LOKET_KEY, LOKET_CA, LOKET_GATEWAYS.
//!     provider::serve(Registry, Config::from_env()?).await?;
//!     Ok(())
//! }
//! ```
//!
//! [`Server::builder`] says the same in code, and [`Service`] is a tower service that an axum
//! router can mount.

mod accept;
mod answer;
mod config;
mod question;
mod refusal;
mod reply;
mod server;
mod service;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

pub use config::{Config, ConfigError};
pub use reply::{ProviderError, Reply};
pub use server::{Bound, Server, ServerBuilder, SetupError, serve};
pub use service::{Limits, Service};

use crate::claims::Claim;
use crate::ids::CaseId;
use crate::message::{LegalBasis, Purpose, RecordRef, Requester, SubjectKey};
use crate::trace::TraceContext;

pub(crate) use accept::Connections;

/// An agency's source of records.
pub trait Provider: Send + Sync + 'static {
    /// The records that it answers for, read once when the service is made. Each has to be in the
    /// catalogue of [`schema::records`](crate::schema::records).
    fn records(&self) -> Vec<RecordRef>;

    /// Answers one question.
    ///
    /// The future is dropped when the deadline passes or the caller leaves, so it must not block
    /// its thread: use `tokio::task::spawn_blocking` for a blocking driver.
    ///
    /// # Errors
    /// Whatever keeps it from answering. The caller learns only that something went wrong.
    fn find(&self, query: &Query) -> impl Future<Output = Result<Reply, ProviderError>> + Send;
}

impl<P: Provider> Provider for std::sync::Arc<P> {
    fn records(&self) -> Vec<RecordRef> {
        P::records(self)
    }

    fn find(&self, query: &Query) -> impl Future<Output = Result<Reply, ProviderError>> + Send {
        P::find(self, query)
    }
}

/// One question, checked: the record is one of the provider's, the fields are the record's, and the
/// subject's value is in normal form.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Query {
    /// Which record.
    pub record: RecordRef,
    /// About whom.
    pub subject: SubjectKey,
    /// What of it.
    pub wanted: Wanted,
    /// Why.
    pub purpose: Purpose,
    /// By which right.
    pub legal_basis: LegalBasis,
    /// On whose behalf the gateway asks.
    pub requester: Requester,
    /// The lookup's id.
    pub request_id: Uuid,
    /// The case at the counter.
    pub case_id: CaseId,
    /// Where the question stands in its trace; a child of it belongs on what the provider calls.
    pub trace: TraceContext,
    /// When the answer is no longer of use.
    pub deadline: Instant,
}

impl Query {
    /// How long the answer is still of use.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// What of a record is asked. Exhaustive on purpose: there is no third way to ask.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// These fields, to be read.
    Fields(Vec<String>),
    /// These claims, to be verified.
    Claims(Vec<Claim>),
}
