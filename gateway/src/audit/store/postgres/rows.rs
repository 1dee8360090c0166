//! Rows: a batch in, the columns that it fills out.

use super::session::signed;
use crate::audit::store::{Batch, subject_of};
use crate::config::unhex;

/// Levels between two whose subtrees are kept: those between follow from 256 hashes at most.
pub(super) const STEP: u8 = 8;

/// The columns of all rows of a batch.
pub(super) struct Rows<'a> {
    pub(super) places: Vec<i64>,
    pub(super) dates: Vec<i64>,
    pub(super) hashes: Vec<&'a [u8]>,
    pub(super) subjects: Vec<Option<Vec<u8>>>,
    pub(super) bodies: Vec<&'a [u8]>,
    pub(super) levels: Vec<i16>,
    pub(super) level_places: Vec<i64>,
    pub(super) level_hashes: Vec<&'a [u8]>,
    pub(super) edge: Vec<u8>,
    pub(super) at: Option<i64>,
}

impl<'a> Rows<'a> {
    pub(super) fn of(batch: &'a Batch) -> Self {
        let mut rows = Self {
            places: batch.leaves().map(|(place, _)| signed(place)).collect(),
            dates: batch
                .placed
                .iter()
                .map(|placed| placed.at.as_microsecond())
                .collect(),
            hashes: batch
                .placed
                .iter()
                .map(|placed| placed.hash.0.as_slice())
                .collect(),
            subjects: batch.leaves().map(|(_, leaf)| subject(leaf)).collect(),
            bodies: batch.leaves().map(|(_, leaf)| leaf).collect(),
            levels: Vec::new(),
            level_places: Vec::new(),
            level_hashes: Vec::new(),
            edge: batch
                .head
                .tree
                .edge()
                .iter()
                .flat_map(|hash| hash.0)
                .collect(),
            at: batch.head.at.map(|at| at.as_microsecond()),
        };
        let mut size = batch.first;
        for (level, hash) in &batch.completed {
            if *level == 0 {
                size += 1;
            } else if level % STEP == 0 {
                rows.levels.push(i16::from(*level));
                rows.level_places.push(signed((size >> level) - 1));
                rows.level_hashes.push(&hash.0);
            }
        }
        rows
    }
}

/// The subject that an entry names, as it is found by.
pub(super) fn subject(leaf: &[u8]) -> Option<Vec<u8>> {
    unhex(subject_of(leaf)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_its_subject() {
        let digits = "5a".repeat(32);
        let leaf = format!(r#"{{"at":"x","kind":"lookup","subject_ref":"{digits}","sources":[]}}"#);
        assert_eq!(subject(leaf.as_bytes()), Some(vec![0x5a; 32]));
        let said = format!(r#"{{"at":"x","clerk":"\",\"subject_ref\":\"{digits}\""}}"#);
        assert_eq!(subject(said.as_bytes()), None);
        assert_eq!(subject(br#"{"at":"x","subject_ref":"5a"}"#), None);
    }
}
