//! Receipts verified offline: that an exchange is in the gateway's audit log, and stays there.
//!
//! The log is an RFC 6962 Merkle tree. Its head is a [`Checkpoint`], a note signed by the log and
//! perhaps by witnesses (C2SP tlog-checkpoint, signed-note, tlog-cosignature). In: a
//! [`Receipt`](crate::message::Receipt), [`Evidence`] from
//! [`Client::receipt`](crate::client::Client::receipt) or from a file, and the [`LogKeys`] that were
//! handed over when the member was enrolled. Out: [`Verified`], the entry as the log has it; and
//! with [`consistent`] that a later log still holds all of an earlier one. Nothing here asks anybody.
//!
//! Refuses, each by name ([`Error`]): what no key of the log signed, another log's checkpoint, too
//! few witnesses, an entry that isn't in the tree, one that isn't the receipt's, and two checkpoints
//! that can't be of one log.
//!
//! ```
//! use loket_sdk::transparency::LogKeys;
//!
//! let keys = LogKeys::new(
//!     "PeterNeumann",
//!     ["PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"],
//! )?;
//! assert_eq!(keys.origin(), "PeterNeumann");
//! # Ok::<(), loket_sdk::transparency::KeyError>(())
//! ```

mod checkpoint;
mod error;
mod evidence;
mod keys;
mod proof;

pub use checkpoint::{Checkpoint, Witnessed, consistent};
pub use error::Error;
pub use evidence::{Evidence, Verified};
pub use keys::{KeyError, LogKeys, is_witness_key};
pub use proof::{Proof, hashes};

/// Longest leaf, in bytes: what C2SP's tiles can hold.
pub const MAX_LEAF: usize = 65_535;
/// Longest checkpoint with its signatures, in bytes.
pub const MAX_CHECKPOINT: usize = 16 * 1024;
/// Most hashes of one proof: a tree of 64-bit size needs no more.
pub const MAX_HASHES: usize = 64;

#[cfg(test)]
mod tests;
