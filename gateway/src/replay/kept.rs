//! Kept: an answer with what its repetition is recorded with; packed in, the same out.

use std::io::{self, Read};

use bytes::Bytes;
use flate2::read::DeflateDecoder;
use flate2::{Compress, Compression, FlushCompress, Status};

use super::basis::{Basis, LENGTH};
use crate::audit::SourceEntry;

/// Largest answer that is unpacked; none is as large.
const MAX: u64 = 64 << 20;

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

/// Compresses one after another: what it works with is larger than an answer and made once.
pub(super) struct Packer(Compress);

impl Packer {
    /// At the fastest level: the slowest takes twice as long, for a seventh less.
    pub(super) fn new() -> Self {
        Self(Compress::new(Compression::fast(), false))
    }

    /// Adds what was packed to `out`.
    pub(super) fn pack(&mut self, plain: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.0.reset();
        out.reserve(plain.len() + plain.len() / 8 + 1024);
        match self.0.compress_vec(plain, out, FlushCompress::Finish)? {
            Status::StreamEnd => Ok(()),
            Status::Ok | Status::BufError => Err(io::Error::other("an answer can't be packed")),
        }
    }
}

pub(super) fn decompress(packed: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::new();
    let mut from = DeflateDecoder::new(packed).take(MAX);
    from.read_to_end(&mut plain).ok()?;
    Some(plain)
}
