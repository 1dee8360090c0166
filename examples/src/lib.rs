//! A town to try things in: eight example agencies and the regional tax office, a gateway between
//! them and the counters, and journeys of one family through all of it.
//!
//! - [`agencies`]: agencies written the way an agency would write its own, on the server kit.
//! - [`mood`]: what may be wrong with one of them.
//! - [`world`]: starts them and the gateway in this process, with certificates of a throw-away
//!   authority and real mutual TLS between all of them.
//! - [`journeys`]: what a counter asks, and what it should get.
//! - [`counter`]: asks it, the way a counter's software would.
//! - [`table`]: shows what came.
//!
//! ```no_run
//! # #[tokio::main]
//! # async fn main() -> anyhow::Result<()> {
//! use loket_examples::{counter, journeys, world::World};
//!
//! let town = World::sample().start().await?;
//! for journey in journeys::all() {
//!     let answer = counter::ask(&town.client(journey.consumer)?, journey).await?;
//!     assert!(journey.check(&answer).is_empty());
//! }
//! town.stop().await;
//! # Ok(())
//! # }
//! ```

pub mod agencies;
pub mod mood;

pub mod grants;
pub mod world;

pub mod counter;
pub mod journeys;
pub mod table;

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
