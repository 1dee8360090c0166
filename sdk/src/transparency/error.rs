//! What speaks against a receipt, and whose move it is.

use crate::problem::Fault;

/// Why something isn't proven. The text says what to do; it never quotes an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The checkpoint isn't one.
    #[error(
        "the checkpoint can't be read ({0}): fetch the evidence again, from the gateway itself"
    )]
    NotACheckpoint(&'static str),
    /// The proof isn't one.
    #[error("the proof can't be read ({0}): fetch the evidence again, from the gateway itself")]
    NotAProof(&'static str),
    /// The checkpoint is of a log with another origin.
    #[error(
        "the checkpoint is of the log {found:?}, and the keys are for {expected:?}: use the keys of the gateway that answered"
    )]
    OtherLog {
        /// The origin of the keys.
        expected: String,
        /// The checkpoint's first line.
        found: String,
    },
    /// No key of the log signed it.
    #[error(
        "no known key of the log signed the checkpoint: ask the gateway's operator, by another way, whether the key was changed; otherwise it is forged"
    )]
    NotSigned,
    /// The signature of a known key doesn't fit.
    #[error(
        "a known key's signature doesn't fit the checkpoint: it was changed after it was signed"
    )]
    BadSignature,
    /// Fewer witnesses saw it than the keys require.
    #[error(
        "{found} of the witnesses cosigned the checkpoint and {needed} must: fetch the evidence again later; if it stays so, the log may show others another history"
    )]
    TooFewWitnesses {
        /// How many must.
        needed: usize,
        /// How many did.
        found: usize,
    },
    /// The checkpoint ends before the entry.
    #[error(
        "the checkpoint ends before the entry: fetch the evidence again, the log has grown since"
    )]
    TooSmall,
    /// Evidence, proof and receipt don't speak of the same entry.
    #[error("the evidence is of another entry than the receipt: fetch it by the receipt's number")]
    OtherEntry,
    /// The leaf isn't an entry.
    #[error("the leaf isn't an entry of an audit log ({0}): fetch the evidence again")]
    BadLeaf(&'static str),
    /// The leaf's hash isn't the receipt's.
    #[error(
        "the log has another entry in the receipt's place: what the receipt promised was changed; keep both and report it"
    )]
    OtherLeaf,
    /// The leaf's time isn't the receipt's.
    #[error("the entry has another time than the receipt: keep both and report it")]
    OtherTime,
    /// The path doesn't lead from the leaf to the root.
    #[error(
        "the entry isn't in the tree that the checkpoint names: fetch the evidence again; if it stays so, keep both and report it"
    )]
    NotIncluded,
    /// The later checkpoint has fewer entries.
    #[error("the log has shrunk: entries were cut off; keep both checkpoints and report it")]
    Shrunk,
    /// The later tree isn't the earlier one with more at its end.
    #[error(
        "nothing shows that the log only grew between the two checkpoints: fetch the proof again; if it stays so, keep both and report it"
    )]
    NotConsistent,
    /// Two signed checkpoints contradict each other.
    #[error(
        "the log signed two different trees of one size: it was rewritten or shows others another history; keep both checkpoints and report it"
    )]
    TwoHistories,
}

impl Error {
    /// A stable word for programs and log searches.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotACheckpoint(_) => "not_a_checkpoint",
            Self::NotAProof(_) => "not_a_proof",
            Self::OtherLog { .. } => "other_log",
            Self::NotSigned => "not_signed",
            Self::BadSignature => "bad_signature",
            Self::TooFewWitnesses { .. } => "too_few_witnesses",
            Self::TooSmall => "too_small",
            Self::OtherEntry => "other_entry",
            Self::BadLeaf(_) => "bad_leaf",
            Self::OtherLeaf => "other_leaf",
            Self::OtherTime => "other_time",
            Self::NotIncluded => "not_included",
            Self::Shrunk => "shrunk",
            Self::NotConsistent => "not_consistent",
            Self::TwoHistories => "two_histories",
        }
    }

    /// Whose move it is: the caller's when it compares the wrong things, else the gateway's.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::OtherLog { .. } | Self::OtherEntry => Fault::Caller,
            Self::NotACheckpoint(_)
            | Self::NotAProof(_)
            | Self::NotSigned
            | Self::BadSignature
            | Self::TooFewWitnesses { .. }
            | Self::TooSmall
            | Self::BadLeaf(_)
            | Self::OtherLeaf
            | Self::OtherTime
            | Self::NotIncluded
            | Self::Shrunk
            | Self::NotConsistent
            | Self::TwoHistories => Fault::Gateway,
        }
    }
}
