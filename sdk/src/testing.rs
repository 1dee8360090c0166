//! Testing: a certificate authority to throw away, an agency that can be broken on demand, and a
//! counter that can send anything.
//!
//! Everything runs on loopback with real mutual TLS, on ports that the system chooses. Nothing of
//! this belongs in production: it panics where production code would return an error, and its keys
//! protect nobody.
//!
//! ```
//! use loket_sdk::testing::{Ca, FakeAgency, FakeCounter, Fault};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let ca = Ca::new("loket.example");
//! let agency = FakeAgency::builder("dukcapil")
//!     .gateways([ca.spiffe("gateway", "mpp-1")])
//!     .samples()
//!     .start(&ca)
//!     .await;
//! let gateway = FakeCounter::new(&ca.system("gateway", "mpp-1").mutual_tls(), agency.address());
//! let answer = gateway.get("/health").await.unwrap();
//! assert_eq!(answer.status, 200);
//!
//! agency.set_fault(Fault::Down);
//! assert!(gateway.get("/health").await.is_err());
//! agency.stop().await;
//! # }
//! ```

pub mod agency;
pub mod ca;
pub mod counter;
pub mod fault;
mod samples;
mod tamper;
#[cfg(test)]
mod tests;

pub use agency::{FakeAgency, FakeAgencyBuilder};
pub use ca::{Ca, Eku, KeyUsage, Leaf, LeafFiles, LeafSpec};
pub use counter::{Connection, CounterAnswer, CounterError, Event, EventStream, FakeCounter};
pub use fault::{Fault, Faults};
pub use samples::{sample, samples};

/// A new private key of Ed25519, PKCS #8 in PEM: one that signs a log's checkpoints, a grant, or an
/// agency's answers.
///
/// # Panics
/// When the system has no random numbers.
#[must_use]
pub fn signing_key() -> String {
    match rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519) {
        Ok(key) => key.serialize_pem(),
        Err(error) => panic!("no key could be made: {error}"),
    }
}
