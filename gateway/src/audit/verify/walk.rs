//! The walk along a log, whichever store it is in.

use std::io;
use std::ops::ControlFlow;

use jiff::Timestamp;
use tlog_tiles::tlog::{Hash, record_hash, stored_hash_index};

use super::{Asked, Verified, Violation, said};
use crate::audit::draft::dated;
use crate::audit::retention::pruned_before;
use crate::audit::store::{Flaw, ReadError, Reader, Signed, hashes};
use crate::audit::tree::Tree;
use crate::checkpoint::{NoteError, unverified};

const PROGRESS_EVERY: u64 = 10_000;

/// So many hashes are asked for at once; a bundle has as many leaves.
const HASHES: u64 = 256;

/// Verifies what `reader` has against itself and against `notes`, the signed checkpoints that were kept
/// with it, in order.
///
/// # Errors
/// The first [`Violation`].
pub fn walk(
    reader: &dyn Reader,
    notes: impl Iterator<Item = io::Result<Vec<u8>>>,
    asked: Asked<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<Verified, Violation> {
    // Before the newest checkpoint, which then holds the entry that says it.
    let first = reader.first()?;
    let newest = reader.checkpoint()?;
    let kept = asked
        .kept
        .map(|note| said(note.as_bytes(), asked.keys))
        .transpose()?;
    if let Some(kept) = &kept
        && kept.size > newest.size
    {
        return Err(Violation {
            entry: newest.size + 1,
            place: "the log".to_owned(),
            what: Flaw::CutOff { size: kept.size },
        });
    }
    let tree = match &kept {
        Some(kept) if asked.from => believed(reader, kept)?,
        _ => Tree::default(),
    };
    let mut walk = Walk {
        reader,
        from: tree.size(),
        tree,
        at: None,
        asked,
        notes,
        due: None,
        kept,
        held: 0,
        checked: 0,
        skipped: 0,
        told: 0,
    };
    walk.next_note(newest.size)?;
    walk.deleted(first, newest.size)?;
    while !walk.present(newest.size, progress)? {
        // A bundle went meanwhile.
        let next = walk.tree.size() / HASHES + 1;
        walk.deleted(next * HASHES, newest.size)?;
    }
    walk.end(first, &newest)?;
    progress(newest.size);
    Ok(Verified {
        entries: newest.size,
        first: first + 1,
        checkpoint: newest,
        checkpoints: walk.held,
    })
}

/// The tree of a kept checkpoint, by the log's hashes.
fn believed(reader: &dyn Reader, kept: &Signed) -> Result<Tree, Violation> {
    let tree = hashes::tree(reader, kept.size)?;
    match tree.root() == kept.root {
        true => Ok(tree),
        false => Err(rewritten(1, kept.size)),
    }
}

fn rewritten(entry: u64, to: u64) -> Violation {
    Violation {
        entry,
        place: "checkpoints".to_owned(),
        what: Flaw::Rewritten { to },
    }
}

struct Walk<'a, N> {
    reader: &'a dyn Reader,
    asked: Asked<'a>,
    tree: Tree,
    at: Option<Timestamp>,
    notes: N,
    /// The next of them.
    due: Option<Signed>,
    kept: Option<Signed>,
    /// Where the walk began.
    from: u64,
    /// How many checkpoints fitted.
    held: u64,
    /// How far the last of them reaches.
    checked: u64,
    /// Up to which place leaves weren't there.
    skipped: u64,
    /// Up to which place entries say that what was before it was deleted.
    told: u64,
}

impl<N: Iterator<Item = io::Result<Vec<u8>>>> Walk<'_, N> {
    /// Goes through the hashes of leaves that aren't there any more.
    fn deleted(&mut self, first: u64, size: u64) -> Result<(), Violation> {
        let first = first.min(size);
        while self.tree.size() < first {
            let place = self.tree.size();
            let places = place..first.min(place + HASHES);
            let indexes: Vec<u64> = places.map(|place| stored_hash_index(0, place)).collect();
            for hash in self.reader.hashes(&indexes)? {
                self.push(hash, size)?;
            }
            self.skipped = self.tree.size();
        }
        Ok(())
    }

    /// Goes through the leaves that are there; false where one was deleted.
    fn present(&mut self, size: u64, progress: &mut dyn FnMut(u64)) -> Result<bool, Violation> {
        let reader = self.reader;
        let mut flawed = None;
        let read = reader.leaves(self.tree.size()..size, &mut |place, leaf| {
            if place.is_multiple_of(PROGRESS_EVERY) {
                progress(place);
            }
            match self.leaf(place, leaf, size) {
                Ok(()) => ControlFlow::Continue(()),
                Err(violation) => {
                    flawed = Some(violation);
                    ControlFlow::Break(())
                }
            }
        });
        match (flawed, read) {
            (Some(violation), _) => Err(violation),
            (None, Err(ReadError::Io(error))) => Err(Violation {
                entry: self.tree.size() + 1,
                place: "the log".to_owned(),
                what: Flaw::Unreadable(error),
            }),
            (None, Err(ReadError::Pruned)) => Ok(false),
            (None, read) => Ok(read.map(|()| true)?),
        }
    }

    fn leaf(&mut self, place: u64, leaf: &[u8], size: u64) -> Result<(), Violation> {
        let flawed = |what| Violation {
            entry: place + 1,
            place: "the log".to_owned(),
            what,
        };
        let at = str::from_utf8(leaf)
            .ok()
            .and_then(|leaf| dated(leaf.as_bytes()));
        let at = at.ok_or_else(|| flawed(Flaw::Malformed))?;
        if self.at.is_some_and(|last| at < last) {
            return Err(flawed(Flaw::BackDated));
        }
        self.at = Some(at);
        if let Some(first) = pruned_before(leaf) {
            self.told = self.told.max(first);
        }
        self.push(record_hash(leaf), size)
    }

    fn push(&mut self, leaf: Hash, size: u64) -> Result<(), Violation> {
        let place = self.tree.size();
        // Those that tiles hold. The lowest was compared with its leaf.
        let mut above = [None; 8];
        self.tree.push(leaf, |level, hash| {
            if level > 0 && level.is_multiple_of(8) {
                above[usize::from(level / 8)] = Some((level, hash));
            }
        });
        for (level, hash) in above.into_iter().flatten() {
            self.above(level, place >> level, hash)?;
        }
        self.check(size)
    }

    /// Compares a hash of the tree with the one that the leaves lead to.
    fn above(&self, level: u8, n: u64, hash: Hash) -> Result<(), Violation> {
        match self.reader.hashes(&[stored_hash_index(level, n)]) {
            Ok(found) if found == [hash] => Ok(()),
            // Where only what is sealed can be read, the edge can't.
            Err(ReadError::Unknown) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => Err(Violation {
                entry: (n << level) + 1,
                place: format!("tile/{}", level / 8),
                what: Flaw::Hash,
            }),
        }
    }

    /// Holds checkpoints of a tree of this size against it.
    fn check(&mut self, size: u64) -> Result<(), Violation> {
        let here = self.tree.size();
        if let Some(kept) = &self.kept
            && kept.size == here
        {
            self.holds(kept)?;
        }
        while let Some(due) = self.due.take_if(|due| due.size == here) {
            self.holds(&due)?;
            self.checked = here;
            self.held += 1;
            self.next_note(size)?;
        }
        Ok(())
    }

    fn holds(&self, said: &Signed) -> Result<(), Violation> {
        match self.tree.root() == said.root {
            true => Ok(()),
            false => Err(rewritten(self.checked + 1, said.size)),
        }
    }

    /// Looks for the next checkpoint that can be held against the tree.
    fn next_note(&mut self, size: u64) -> Result<(), Violation> {
        for note in self.notes.by_ref() {
            let note = note.map_err(|error| Violation {
                entry: self.tree.size() + 1,
                place: "checkpoints".to_owned(),
                what: Flaw::Unreadable(error),
            })?;
            let told = unverified(&note).map(|said| said.size());
            // Believed, or written meanwhile.
            if told.is_some_and(|told| told <= self.from || told > size) {
                continue;
            }
            let said = said(&note, self.asked.keys)?;
            if said.size <= self.checked {
                return Err(Violation {
                    entry: said.size,
                    place: "checkpoints".to_owned(),
                    what: Flaw::Checkpoint(NoteError::Malformed),
                });
            }
            self.due = Some(said);
            break;
        }
        Ok(())
    }

    /// Holds the newest checkpoint against all there is.
    fn end(&self, first: u64, newest: &Signed) -> Result<(), Violation> {
        let note = newest.note.as_bytes();
        // Of a log that can't be loaded it says more than can be read.
        if unverified(note).is_none_or(|said| said.size() != newest.size) {
            return Ok(());
        }
        self.holds(&said(note, self.asked.keys)?)?;
        // What is said of entries before the walk stands after them.
        let gone = match self.from <= first {
            true => first.max(self.skipped),
            false => self.skipped,
        };
        match gone <= self.told {
            true => Ok(()),
            false => Err(Violation {
                entry: gone,
                place: "the log".to_owned(),
                what: Flaw::Unrecorded,
            }),
        }
    }
}
