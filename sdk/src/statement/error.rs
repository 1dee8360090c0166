//! What speaks against a statement.

use crate::jws::JwsError;

/// Why an answer isn't proven to be the agency's, or can't be signed. Names fields, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no signature: the answer's origin is known to the gateway alone, by TLS.
    #[error("the answer bears no signature of its source: the gateway's word stands for it")]
    NotSigned,
    /// The signature itself, or the key.
    #[error("the signature doesn't count: {0}")]
    Signature(#[from] JwsError),
    /// Signed on a day on which the key may not sign.
    #[error("the key may not sign on the day of the statement")]
    KeyOutOfTime,
    /// Signed, and not a statement.
    #[error("what is signed isn't a statement of version 1")]
    Malformed,
    /// Of another source than the answer names.
    #[error("the statement is of another source")]
    OtherSource,
    /// An answer to another question: subject, record, organisation or purpose.
    #[error("the statement answers another question")]
    OtherQuestion,
    /// Other fields or claims were asked.
    #[error("the statement answers a question for other fields")]
    OtherFields,
    /// Made too long ago, or in the future.
    #[error("the statement isn't of now: an old answer sent again, or clocks that differ")]
    NotFresh,
    /// Signed before what it tells of.
    #[error("the statement's data is of later than its signature")]
    AheadOfItself,
    /// Found or not, or of another time.
    #[error("the statement's status or as_of isn't the answer's")]
    OtherStatus,
    /// A value that isn't the signed one.
    #[error("{0}: the value isn't what the source signed")]
    Altered(String),
    /// Signed, and not in the answer.
    #[error("{0}: the source signed a value and the answer lacks it")]
    LeftOut(String),
    /// In the answer, and not signed.
    #[error("{0}: the answer has a value that the source didn't sign")]
    PutIn(String),
    /// Signed, and not asked for.
    #[error("{0}: the source signed a value that nobody asked for")]
    Unasked(String),
    /// Nothing shows which digest is the value's.
    #[error("{0}: the signature has no salt for it, so that nothing is proven of it")]
    NoSalt(String),
    /// A number that has no canonical form.
    #[error("a number is too large or too small to be signed: send it as a text")]
    Number,
    /// One field in two claims.
    #[error("{0}: is claimed twice in one question")]
    Twice(String),
    /// The machine has no randomness.
    #[error("the machine has no randomness for salts")]
    Random,
    /// Not a name for a key.
    #[error("the key's id must be 1 to 40 letters, digits, dots, dashes and underscores")]
    KeyId,
}
