//! Known: the tree that a gateway knows and what others wrote since in, the head that it may go on from
//! out. Refuses what doesn't lead to a checkpoint that a known key signed.

use jiff::Timestamp;
use tlog_tiles::tlog::Hash;

use super::Postgres;
use super::session::HeadRow;
use crate::audit::store::{Flaw, Head, ReadError};
use crate::audit::tree::Tree;
use crate::checkpoint::Keys;

/// How far leaves of others lead.
pub(super) enum Extended {
    /// All that is in the log.
    Whole(Head),
    /// There is more.
    Part(Tree),
}

impl HeadRow {
    /// Whether a known key signed its tree, which is `tree`.
    pub(super) fn is_signed(&self, tree: &Tree, keys: &Keys) -> Result<(), ReadError> {
        let broken = |what| ReadError::Broken {
            entry: self.size,
            place: "loket_audit.head".to_owned(),
            what,
        };
        if self.size == 0 {
            return Ok(());
        }
        if self.edge != tree.edge() {
            return Err(broken(Flaw::Hash));
        }
        let said = keys.open(self.note.as_bytes());
        let said = said.map_err(|error| broken(Flaw::Checkpoint(error)))?;
        if said.size() > self.size {
            return Err(broken(Flaw::CutOff { size: said.size() }));
        }
        match said.size() == self.size && *said.hash() == tree.root() {
            true => Ok(()),
            false => Err(broken(Flaw::Hash)),
        }
    }
}

impl Postgres {
    /// The head that a row tells, if a known key signed its tree, which is `tree`.
    pub(super) fn believed(&self, row: &HeadRow, tree: Tree) -> Result<Head, ReadError> {
        if row.size == 0 {
            return Ok(Head::default());
        }
        row.is_signed(&tree, &self.keys)?;
        let at = row.at.and_then(|at| Timestamp::from_microsecond(at).ok());
        Ok(Head { tree, at })
    }

    /// What `row` tells, if these leaves lead there from `tree`.
    pub(super) fn extended(
        &self,
        row: &HeadRow,
        mut tree: Tree,
        new: &[Hash],
    ) -> Result<Extended, ReadError> {
        let broken = |what| ReadError::Broken {
            entry: row.size + 1,
            place: "loket_audit.head".to_owned(),
            what,
        };
        let known = self.head.tree.size();
        if row.size < known {
            return Err(broken(Flaw::CutOff { size: known }));
        }
        if row.size == known {
            let same = row.edge == self.head.tree.edge();
            return same
                .then(|| Extended::Whole(self.head.clone()))
                .ok_or_else(|| broken(Flaw::Hash));
        }
        let missing = usize::try_from(row.size - tree.size()).unwrap_or(usize::MAX);
        for hash in new.iter().take(missing) {
            tree.push(*hash, |_, _| {});
        }
        if tree.size() == row.size {
            return self.believed(row, tree).map(Extended::Whole);
        }
        match new.is_empty() {
            false => Ok(Extended::Part(tree)),
            true => Err(ReadError::Broken {
                entry: tree.size() + 1,
                place: "loket_audit.leaf".to_owned(),
                what: Flaw::Missing,
            }),
        }
    }
}
