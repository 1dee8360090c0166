//! Packed: bytes in, fewer out, and back; LZ4's blocks.
//!
//! An answer has a few kilobytes: deflate spends most of its time on tables that are larger than that,
//! and leaves no core's cache as it was. What most answers say is known beforehand ([`WORDS`]), as if it
//! stood before each.

use lz4_flex::block::{
    compress_into_with_dict, decompress_into_with_dict, get_maximum_output_size,
};

/// What answers say, over and over. Another text opens nothing that was packed by this one.
pub(super) const WORDS: &[u8] = include_bytes!("words.txt");

/// Largest answer that is unpacked; none is as large.
const MAX: usize = 64 << 20;
/// Bytes of the length that stands before.
const LENGTH: usize = 4;

/// Adds what was packed to `out`.
pub(super) fn pack(plain: &[u8], out: &mut Vec<u8>) {
    // None is larger than `MAX`.
    let length = u32::try_from(plain.len()).unwrap_or(u32::MAX);
    out.extend(length.to_le_bytes());
    let from = out.len();
    out.resize(from + get_maximum_output_size(plain.len()), 0);
    // It fails for want of room only.
    let packed = compress_into_with_dict(plain, &mut out[from..], WORDS);
    out.truncate(from + packed.unwrap_or_default());
}

/// What was packed; nothing if it wasn't.
pub(super) fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let (length, packed) = packed.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let mut plain = vec![0; Some(length).filter(|length| *length <= MAX)?];
    let unpacked = decompress_into_with_dict(packed, &mut plain, WORDS).ok()?;
    (unpacked == length).then_some(plain)
}
