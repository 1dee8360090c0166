//! The town on port 0: an authority, agencies, a gateway and a counter in one process, joined by
//! real mutual TLS over real sockets. Everything here panics where a test should fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a harness fails the test where it stands"
)]

pub mod admin;
pub mod grants;
pub mod logs;
pub mod lookup;
pub mod real;
pub mod spans;
pub mod town;
pub mod witness;

pub use lookup::{Ask, BAGAS, LARAS, SEKAR, WAGIMAN};
pub use town::{Town, TownBuilder};
