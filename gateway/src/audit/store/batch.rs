//! Batch: drafts or leaves in; the same dated, hashed and under one signed checkpoint out.

use std::sync::Arc;

use jiff::Timestamp;
use tlog_tiles::tlog::{self, Hash, record_hash};

use super::{Committed, Head, Placed, Signed};
use crate::audit::draft::{Draft, dated};
use crate::audit::tree::Tree;
use crate::checkpoint::Signer;

/// Drafts on their way: dated, hashed, and the head that they lead to signed.
#[derive(Debug)]
pub struct Batch {
    /// Place of the first.
    pub first: u64,
    /// Their leaves, one after the other.
    pub text: Vec<u8>,
    /// Where each leaf ends in `text`.
    pub ends: Vec<usize>,
    /// Date and hash of each.
    pub placed: Vec<Placed>,
    /// The subtrees that they complete, by level, in order: what tiles are made of.
    pub completed: Vec<(u8, Hash)>,
    /// Where the log is with them.
    pub head: Head,
    /// Signed over that.
    pub checkpoint: Signed,
}

impl Batch {
    /// Puts `drafts` after `head`, dated `now`, which is asked for each.
    #[must_use]
    pub fn of(
        drafts: &[Draft],
        head: &Head,
        signer: &Signer,
        mut now: impl FnMut() -> Timestamp,
    ) -> Self {
        let room = drafts.iter().map(|draft| draft.len() + 64).sum();
        let mut batch = Self::after(head, room, drafts.len());
        for draft in drafts {
            let at = draft.write(now(), batch.head.at, &mut batch.text);
            batch.push(at);
        }
        batch.signed(signer)
    }

    /// Puts leaves of another store after `head`, as they are; none if one of them isn't a leaf.
    #[must_use]
    pub fn again(leaves: &[Vec<u8>], head: &Head, signer: &Signer) -> Option<Self> {
        let room = leaves.iter().map(Vec::len).sum();
        let mut batch = Self::after(head, room, leaves.len());
        for leaf in leaves {
            batch.text.extend_from_slice(leaf);
            batch.push(dated(leaf)?);
        }
        Some(batch.signed(signer))
    }

    fn after(head: &Head, room: usize, count: usize) -> Self {
        Self {
            first: head.tree.size(),
            text: Vec::with_capacity(room),
            ends: Vec::with_capacity(count),
            placed: Vec::with_capacity(count),
            completed: Vec::with_capacity(count * 2),
            head: head.clone(),
            checkpoint: Signed {
                size: 0,
                root: tlog::EMPTY_HASH,
                note: Arc::default(),
            },
        }
    }

    /// Takes what was written to `text` since the last leaf as the next.
    fn push(&mut self, at: Timestamp) {
        let start = self.ends.last().copied().unwrap_or_default();
        let hash = record_hash(&self.text[start..]);
        let completed = &mut self.completed;
        self.head
            .tree
            .push(hash, |level, hash| completed.push((level, hash)));
        self.head.at = Some(at);
        self.ends.push(self.text.len());
        self.placed.push(Placed { at, hash });
    }

    fn signed(self, signer: &Signer) -> Self {
        let checkpoint = Signed::of(&self.head.tree, signer);
        Self { checkpoint, ..self }
    }

    /// The leaves with their places.
    pub fn leaves(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let leaves = starts.zip(&self.ends);
        (self.first..).zip(leaves.map(|(start, end)| &self.text[start..*end]))
    }

    /// What came of it, once it is durable.
    #[must_use]
    pub fn committed(self) -> (Committed, Head) {
        let committed = Committed {
            first: self.first,
            placed: self.placed,
            checkpoint: self.checkpoint,
        };
        (committed, self.head)
    }
}

impl Signed {
    /// The checkpoint of a tree.
    #[must_use]
    pub fn of(tree: &Tree, signer: &Signer) -> Self {
        let (size, root) = (tree.size(), tree.root());
        let note = match size {
            0 => Arc::default(),
            _ => signer.sign(size, root).into(),
        };
        Self { size, root, note }
    }
}
