//! Loket's SDK: look citizens up at many agencies at once, or answer for one.
//!
//! A counter in a service mall asks the gateway; the gateway asks each agency, checks that every
//! question is granted and every answer keeps its schema, records both, and returns one result per
//! agency. This crate is both ends of that: the counter's [`client`] and the agency's
//! [`provider`] kit, with the identifiers, records, claims and messages that they share.
//!
//! # Ask
//!
//! ```no_run
//! use loket_sdk::{Client, LegalBasisKind, Nik, Op, Purpose};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let client = Client::from_env()?; // LOKET_URL, LOKET_CERT, LOKET_KEY, LOKET_CA
//!     let answer = client.lookup(Nik::parse("3510161405889901")?)
//!         .purpose(Purpose::BusinessLicence).case("MPP-3510-000123").by("clk-7f3a", "B07")
//!         .legal_basis(LegalBasisKind::LegalObligation, "PP 28/2025")
//!         .record_fields("taxpayer/1", ["npwp", "registered_name"])
//!         .claim("person-identity/1", "full_name", Op::NameMatches, "BAGAS CONTOH PRATAMA")
//!         .send().await?;
//!     for card in &answer.results { println!("{} {} {}", card.record, card.outcome, card.reason); }
//!     Ok(())
//! }
//! ```
//!
//! # Answer
//!
//! Implement [`provider::Provider`], one function from an identifier to a record, and
//! [`provider::serve`] it: [`manual::first_agency`].
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | how to do something | [`manual`] |
//! | what a result means | [`manual::outcomes`] |
//! | what an error means | [`manual::errors`] |
//! | calling another agency's service | [`manual::routed_calls`] |
//! | proof of what was asked | [`manual::receipts`], [`transparency`] |
//! | certificates | [`manual::certificates`], [`tls`], [`identity`] |
//! | PHP, Java, curl | [`manual::from_other_languages`] |
//! | identifiers such as the NIK | [`ids`] |
//! | the records' types and schemas | [`records`], [`schema`] |
//! | tests of your own, with a throw-away authority | module `testing`, feature `testing` |
//!
//! Personal data never shows in `Debug`: what may carry it is [`sensitive::Sensitive`] or a type of
//! its own, and reading it is a call to `expose`.

pub mod claims;
pub mod client;
pub mod identity;
pub mod ids;
pub mod json;
pub mod jws;
pub mod manual;
pub mod message;
pub mod names;
pub mod problem;
pub mod provider;
pub mod records;
pub mod rules;
pub mod schema;
pub mod sensitive;
pub mod statement;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tls;
pub mod trace;
pub mod transparency;

pub use claims::Op;
pub use client::Client;
pub use ids::Nik;
pub use message::{LegalBasisKind, Purpose};
