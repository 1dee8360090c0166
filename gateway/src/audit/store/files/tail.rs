//! Tail: the leaves that no bundle holds yet, and the hashes that no tile does.
//!
//! Who writes adds to it once leaves are durable, who seals takes them away once they are in files,
//! and readers find in it what files don't have.

use std::collections::VecDeque;
use std::sync::Arc;

use tlog_tiles::tlog::{Hash, node_hash};

use super::paths::WIDTH;
use crate::audit::store::Signed;

/// Leaves that were written together.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) first: u64,
    pub(super) text: Vec<u8>,
    /// Where each ends.
    pub(super) ends: Vec<usize>,
}

impl Chunk {
    /// The place after the last.
    pub(super) fn end(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    pub(super) fn leaf(&self, place: u64) -> Option<&[u8]> {
        let at = usize::try_from(place.checked_sub(self.first)?).ok()?;
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.text.get(start..end)
    }
}

/// The last hashes of a level of tiles: those that aren't in a full tile on disk.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) start: u64,
    pub(super) hashes: VecDeque<Hash>,
}

#[derive(Debug)]
pub(super) struct Tail {
    /// Leaves in bundles.
    sealed: u64,
    chunks: VecDeque<Arc<Chunk>>,
    bytes: usize,
    rows: Vec<Row>,
    /// The first at or after the end of each bundle to come.
    notes: VecDeque<Signed>,
    checkpoint: Signed,
}

/// What is ready for files.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) from: u64,
    /// A multiple of [`WIDTH`].
    pub(super) to: u64,
    pub(super) chunks: Vec<Arc<Chunk>>,
    /// Tiles by level and number.
    pub(super) tiles: Vec<(u8, u64, Vec<u8>)>,
    pub(super) notes: Vec<Signed>,
}

/// Where a leaf is.
pub(super) enum Leaf {
    Sealed,
    Unsealed(Arc<Chunk>),
    Unknown,
}

/// Where a hash is.
pub(super) enum Found {
    Here(Hash),
    /// That of these hashes of a tile.
    Tile {
        level: u8,
        n: u64,
        from: usize,
        count: usize,
    },
    Unknown,
}

impl Tail {
    /// The tail after bundles with `sealed` leaves, whose last hashes of each level are `rows`.
    pub(super) fn new(sealed: u64, rows: Vec<Row>, checkpoint: Signed) -> Self {
        Self {
            sealed,
            chunks: VecDeque::new(),
            bytes: 0,
            rows,
            notes: VecDeque::new(),
            checkpoint,
        }
    }

    /// As if there were nothing but bundles and full tiles.
    pub(super) fn none(sealed: u64, checkpoint: Signed) -> Self {
        let rows = (0..8).map(|level| Row {
            start: full(level, sealed) * WIDTH,
            hashes: VecDeque::new(),
        });
        Self::new(sealed, rows.collect(), checkpoint)
    }

    pub(super) fn sealed(&self) -> u64 {
        self.sealed
    }

    pub(super) fn checkpoint(&self) -> &Signed {
        &self.checkpoint
    }

    /// Bytes of leaves that wait for bundles.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bundles that could be written.
    pub(super) fn pending(&self) -> u64 {
        let last = self.notes.back();
        last.map_or(0, |note| note.size / WIDTH - self.sealed / WIDTH)
    }

    /// Adds leaves, the subtrees that they complete, and what was signed over them.
    pub(super) fn push(&mut self, chunk: Chunk, completed: &[(u8, Hash)], checkpoint: Signed) {
        self.bytes += chunk.text.len();
        self.chunks.push_back(Arc::new(chunk));
        for (level, hash) in completed {
            if level % 8 != 0 {
                continue;
            }
            let row = usize::from(level / 8);
            if self.rows.len() <= row {
                self.rows.resize_with(row + 1, Row::default);
            }
            self.rows[row].hashes.push_back(*hash);
        }
        if checkpoint.size / WIDTH > self.checkpoint.size / WIDTH {
            self.notes.push_back(checkpoint.clone());
        }
        self.checkpoint = checkpoint;
    }

    /// At least `bundles` that are ready, if there are so many, up to a checkpoint's last.
    pub(super) fn group(&self, bundles: u64) -> Option<Group> {
        let enough = self.sealed / WIDTH + bundles;
        let last = self
            .notes
            .iter()
            .position(|note| note.size / WIDTH >= enough);
        let last = last.or(self.notes.len().checked_sub(1))?;
        let notes: Vec<Signed> = self.notes.iter().take(last + 1).cloned().collect();
        let to = notes.last()?.size / WIDTH * WIDTH;
        let chunks = self.chunks.iter().take_while(|chunk| chunk.first < to);
        let mut tiles = Vec::new();
        for (level, row) in (0..).zip(&self.rows) {
            for n in row.start / WIDTH..full(level, to) {
                let from = usize::try_from(n * WIDTH - row.start).ok()?;
                let hashes = row.hashes.range(from..from + usize::try_from(WIDTH).ok()?);
                tiles.push((level, n, hashes.flat_map(|hash| hash.0).collect()));
            }
        }
        Some(Group {
            from: self.sealed,
            to,
            chunks: chunks.cloned().collect(),
            tiles,
            notes,
        })
    }

    /// Lets go of what is in files up to `to`.
    pub(super) fn seal(&mut self, to: u64) {
        self.sealed = to;
        while self.chunks.front().is_some_and(|chunk| chunk.end() <= to) {
            let gone = self.chunks.pop_front();
            self.bytes -= gone.map_or(0, |chunk| chunk.text.len());
        }
        for (level, row) in (0..).zip(&mut self.rows) {
            let start = full(level, to) * WIDTH;
            let gone = usize::try_from(start.saturating_sub(row.start)).unwrap_or(usize::MAX);
            row.hashes.drain(..gone.min(row.hashes.len()));
            row.start = row.start.max(start);
        }
        while self
            .notes
            .front()
            .is_some_and(|note| note.size / WIDTH * WIDTH <= to)
        {
            self.notes.pop_front();
        }
    }

    pub(super) fn leaf(&self, place: u64) -> Leaf {
        if place >= self.checkpoint.size {
            return Leaf::Unknown;
        }
        if place < self.sealed {
            return Leaf::Sealed;
        }
        let at = self.chunks.partition_point(|chunk| chunk.end() <= place);
        match self.chunks.get(at) {
            Some(chunk) => Leaf::Unsealed(Arc::clone(chunk)),
            None => Leaf::Unknown,
        }
    }

    /// The hash of a complete subtree.
    pub(super) fn hash(&self, level: u8, n: u64) -> Found {
        let end = n
            .checked_add(1)
            .and_then(|end| end.checked_shl(level.into()));
        if level >= 64 || end.is_none_or(|end| end > self.checkpoint.size || end >> level != n + 1)
        {
            return Found::Unknown;
        }
        let (row, within) = (level / 8, level % 8);
        let (first, count) = (n << within, 1_usize << within);
        let Some(Row { start, hashes }) = self.rows.get(usize::from(row)) else {
            return Found::Unknown;
        };
        let Some(from) = first.checked_sub(*start) else {
            let from = usize::try_from(first % WIDTH).unwrap_or_default();
            let n = first / WIDTH;
            return Found::Tile {
                level: row,
                n,
                from,
                count,
            };
        };
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        if from.saturating_add(count) > hashes.len() {
            return Found::Unknown;
        }
        let hashes = hashes.range(from..from + count).copied();
        Found::Here(root(hashes.collect()))
    }
}

/// How many tiles of a level are full in a tree of `size` leaves.
pub(crate) fn full(level: u8, size: u64) -> u64 {
    size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0)
}

/// The hash over hashes of complete subtrees of one size, as many as a power of two.
pub(crate) fn root(mut hashes: Vec<Hash>) -> Hash {
    while hashes.len() > 1 {
        let pairs = hashes.as_chunks::<2>().0.iter();
        hashes = pairs
            .map(|[left, right]| node_hash(*left, *right))
            .collect();
    }
    hashes
        .first()
        .copied()
        .unwrap_or(tlog_tiles::tlog::EMPTY_HASH)
}
