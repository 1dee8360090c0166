//! Tree: leaf hashes in, the RFC 6962 hash of all of them out.
//!
//! Only the right edge is kept, one hash for each complete subtree: enough to go on and to know the
//! root, however many leaves there are.

use tlog_tiles::tlog::{EMPTY_HASH, Hash, node_hash};

/// The right edge of a Merkle tree.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tree {
    size: u64,
    /// Hashes of the complete subtrees, from the largest to the smallest: one for each bit that is
    /// set in `size`.
    edge: Vec<Hash>,
}

impl Tree {
    /// The tree of `size` leaves with this edge, if both fit.
    #[must_use]
    pub fn of(size: u64, edge: Vec<Hash>) -> Option<Self> {
        (edge.len() as u64 == u64::from(size.count_ones())).then_some(Self { size, edge })
    }

    /// How many leaves it has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Hashes of its complete subtrees, from the largest to the smallest.
    #[must_use]
    pub fn edge(&self) -> &[Hash] {
        &self.edge
    }

    /// Adds a leaf. `complete` is told each subtree that it completes, by level and hash: the leaf
    /// itself, of level 0, first.
    pub fn push(&mut self, leaf: Hash, mut complete: impl FnMut(u8, Hash)) {
        let mut hash = leaf;
        complete(0, hash);
        for level in 1..=self.size.trailing_ones() {
            let Some(left) = self.edge.pop() else { break };
            hash = node_hash(left, hash);
            // There are at most 64.
            complete(u8::try_from(level).unwrap_or(u8::MAX), hash);
        }
        self.edge.push(hash);
        self.size += 1;
    }

    /// Its hash.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut edge = self.edge.iter().rev().copied();
        let Some(last) = edge.next() else {
            return EMPTY_HASH;
        };
        edge.fold(last, |right, left| node_hash(left, right))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use tlog_tiles::tlog::{
        self, HashReader, record_hash, stored_hashes_for_record_hash, tree_hash,
    };

    use super::*;

    struct All(RefCell<Vec<Hash>>);

    impl HashReader for All {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
            let all = self.0.borrow();
            Ok(indexes
                .iter()
                .map(|at| all[usize::try_from(*at).unwrap()])
                .collect())
        }
    }

    #[test]
    fn it_is_the_tree_of_two_others() {
        let mut ours = Tree::default();
        let mut theirs = MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
        let all = All(RefCell::default());
        assert_eq!(ours.root().0[..], theirs.root().as_bytes()[..]);
        for n in 0..1100_u64 {
            let leaf = n.to_be_bytes().to_vec();
            let hash = record_hash(&leaf);
            let stored = stored_hashes_for_record_hash(n, hash, &all).unwrap();
            all.0.borrow_mut().extend(&stored);
            let mut completed = Vec::new();
            ours.push(hash, |level, hash| {
                assert_eq!(usize::from(level), completed.len());
                completed.push(hash);
            });
            theirs.push(leaf);
            assert_eq!(completed, stored);
            assert_eq!(ours.root(), tree_hash(n + 1, &all).unwrap());
            assert_eq!(ours.root().0[..], theirs.root().as_bytes()[..]);
            assert_eq!(
                Tree::of(ours.size(), ours.edge().to_vec()),
                Some(ours.clone())
            );
        }
        assert_eq!(Tree::of(3, vec![EMPTY_HASH]), None);
    }
}
