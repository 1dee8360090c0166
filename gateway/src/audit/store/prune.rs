//! Prune: places whose term is over in, their leaves gone out.
//!
//! Only whole bundles of 256 leaves go, and the hashes of all stay: the tree verifies as before, and what
//! was proved of an entry can still be proved. That they go is on record before (see
//! [`retention`](crate::audit::retention)).

use std::fmt::Debug;
use std::io;
use std::ops::Range;

use super::ReadError;

/// Leaves that are deleted at once.
pub(super) const SLICE: u64 = 1024;

/// What deletes leaves, beside the one who writes. It blocks.
pub trait Pruner: Send + Sync + Debug {
    /// The right to delete; nothing while another gateway has it.
    ///
    /// # Errors
    /// [`ReadError`].
    fn claim(&self) -> Result<Option<Box<dyn Claim>>, ReadError>;
}

/// The right to delete, for as long as this lives.
pub trait Claim: Send {
    /// The places that go, whole bundles, if those before `before` may.
    ///
    /// # Errors
    /// [`ReadError`].
    fn past(&mut self, before: u64) -> Result<Range<u64>, ReadError>;

    /// Deletes some of the leaves before `first`, where what [`past`](Self::past) gave ends; whether there
    /// are more. From the first call on none of them is given out.
    ///
    /// # Errors
    /// When the disk or the database refuses. Called again, it goes on.
    fn prune(&mut self, first: u64) -> io::Result<bool>;
}
