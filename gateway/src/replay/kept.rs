//! Kept: an answer with what its repetition is recorded with; packed in, the same out.

use bytes::Bytes;

use super::basis::{Basis, LENGTH};
use crate::audit::SourceEntry;

/// An answer as it left.
#[derive(Debug, Clone)]
pub struct Kept {
    /// Number of its entry in the audit log.
    pub entry: u64,
    /// What that entry says of each source.
    pub sources: Vec<SourceEntry>,
    /// The document, to the byte.
    pub answer: Bytes,
}

impl Kept {
    /// Not compressed yet: that is for another thread to do.
    pub(super) fn pack(&self, basis: Basis) -> Vec<u8> {
        // Plain data serialises.
        let sources = serde_json::to_vec(&self.sources).unwrap_or_default();
        let length = u32::try_from(sources.len()).unwrap_or_default();
        let mut plain = Vec::with_capacity(28 + sources.len() + self.answer.len());
        plain.extend(self.entry.to_le_bytes());
        plain.extend(basis.0);
        plain.extend(length.to_le_bytes());
        plain.extend(sources);
        plain.extend(&self.answer);
        plain
    }

    /// Nothing when it rests on another basis.
    pub(super) fn unpack(plain: &[u8], basis: Basis) -> Option<Self> {
        let (entry, rest) = plain.split_first_chunk()?;
        let (found, rest) = rest.split_first_chunk::<LENGTH>()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let (sources, answer) = rest.split_at_checked(length)?;
        if *found != basis.0 {
            return None;
        }
        Some(Self {
            entry: u64::from_le_bytes(*entry),
            sources: serde_json::from_slice(sources).ok()?,
            answer: Bytes::copy_from_slice(answer),
        })
    }
}
