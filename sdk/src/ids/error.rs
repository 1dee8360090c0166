//! What is wrong with an identifier, said without repeating it.

use thiserror::Error;

/// Why a text isn't an identifier of the kind asked for.
///
/// `Display` names the identifier, the fault and the remedy, and never the value, so it may go
/// into a problem document or a log: `nik: must have 16 digits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
#[error("{name}: {kind}")]
pub struct IdError {
    /// The identifier, in the words of the wire: `nik`, `az_voen`, `case_id`.
    pub name: &'static str,
    /// The fault.
    pub kind: IdErrorKind,
}

/// The faults that make an identifier unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdErrorKind {
    /// Too short or too long.
    #[error("must have {expected}; check for a missing or doubled character")]
    Length {
        /// The lengths that are right, with their unit: `16 digits`.
        expected: &'static str,
    },
    /// A character that this identifier never holds.
    #[error("holds a character that it never has; {hint}")]
    Charset {
        /// The remedy: `use digits only`.
        hint: &'static str,
    },
    /// The number part starts with 0.
    #[error("has a number that starts with 0; leave the zeros out")]
    LeadingZero,
    /// A check digit doesn't follow from what it protects.
    #[error("the check digit of the {part} is wrong; read it from the document again")]
    CheckDigit {
        /// What the digit protects: `birth date`.
        part: &'static str,
    },
    /// The digit for the kind of holder isn't one in use.
    #[error("the last digit must be {expected}")]
    TypeDigit {
        /// The digits in use, with their meaning.
        expected: &'static str,
    },
    /// The parts aren't in the right order or shape.
    #[error("must look like {expected}")]
    Pattern {
        /// The shape, as a made-up example or a rule.
        expected: &'static str,
    },
}

impl IdErrorKind {
    /// The stable code of the fault, for programs: `LENGTH`, `CHECK_DIGIT`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Length { .. } => "LENGTH",
            Self::Charset { .. } => "CHARSET",
            Self::LeadingZero => "LEADING_ZERO",
            Self::CheckDigit { .. } => "CHECK_DIGIT",
            Self::TypeDigit { .. } => "TYPE_DIGIT",
            Self::Pattern { .. } => "PATTERN",
        }
    }

    pub(super) const fn of(self, name: &'static str) -> IdError {
        IdError { name, kind: self }
    }
}
