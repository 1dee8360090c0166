//! Prune: places whose term is over in, their leaves gone out.
//!
//! Only whole bundles of 256 leaves go, and the hashes of all stay: the tree verifies as before, and what
//! was proved of an entry can still be proved. That they go is on record before (see
//! [`retention`](crate::audit::retention)).

use std::fmt::{self, Debug, Display, Formatter};
use std::io;
use std::ops::Range;

use super::ReadError;

/// Leaves that are deleted at once.
pub(super) const SLICE: u64 = 1024;

/// What deletes leaves, beside the one who writes. It blocks.
pub trait Pruner: Send + Sync + Debug {
    /// The right to delete, or who has it.
    ///
    /// # Errors
    /// [`ReadError`].
    fn claim(&self) -> Result<Claimed, ReadError>;
}

/// What became of a claim.
pub enum Claimed {
    /// The right is the caller's.
    Ours(Box<dyn Claim>),
    /// Somebody holds it who may not delete, which keeps nobody from deleting.
    Beside(Box<dyn Claim>, Holder),
    /// Somebody who may delete has it: another gateway, or one whose connection is left.
    Held(Holder),
}

impl Claimed {
    /// The right to delete, unless another has it.
    #[must_use]
    pub fn ours(self) -> Option<Box<dyn Claim>> {
        match self {
            Self::Ours(claim) | Self::Beside(claim, _) => Some(claim),
            Self::Held(_) => None,
        }
    }
}

/// Who holds the right to delete, in the database's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The server's process; 0 if there is none any more.
    pub process: i32,
    /// Who is logged in there.
    pub role: String,
}

impl Display for Holder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.process {
            0 => f.write_str("somebody who isn't connected now"),
            process => write!(
                f,
                "the role {:?} in the database server's process {process}",
                self.role
            ),
        }
    }
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
