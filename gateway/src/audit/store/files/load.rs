//! Loading: a directory in; the tree, the tail and the place to go on writing out.
//!
//! What is sealed ends where the last note of `checkpoints` says, and the right edge of its tree is made
//! of tiles. From there on the segments are read, and each batch is held against its signed checkpoint:
//! the first of these vouches for the edge as well. Nothing is changed.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use memchr::memmem;
use tlog_tiles::tlog::{Hash, record_hash, tree_hash};

use super::disk;
use super::notes;
use super::paths::{self, WIDTH};
use super::tail::{Chunk, Row, Tail, full, root};
use super::tiles::{self, Tiles};
use super::view::View;
use super::wal::{self, Batches, Written};
use crate::audit::draft::dated;
use crate::audit::store::{Flaw, Hashes, Head, OpenError, ReadError, Signed};
use crate::audit::tree::Tree;
use crate::checkpoint::{Keys, NoteError, unverified};

/// A log as it was found.
pub(super) struct Loaded {
    pub(super) head: Head,
    pub(super) view: View,
    /// The segment to go on in.
    pub(super) last: Option<Last>,
}

/// The last segment.
pub(super) struct Last {
    pub(super) path: PathBuf,
    /// Bytes of whole batches.
    pub(super) whole: u64,
    /// Bytes after those.
    pub(super) torn: u64,
    /// The last batch's checkpoint; empty if it has none.
    pub(super) note: Vec<u8>,
}

/// Loads the log in `dir`. Without keys nobody's signature is looked at.
pub(super) fn load(dir: &Path, keys: Option<&Keys>) -> Result<Loaded, OpenError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenError::Io { path, source }
    };
    if paths::is_chain(dir).map_err(io(dir))? {
        return Err(OpenError::Chain {
            dir: dir.to_owned(),
        });
    }
    // Before all else: what is deleted meanwhile is on record in what may not be there yet.
    let first = dir.join(paths::FIRST);
    let first = tiles::first(dir).map_err(io(&first))?;
    // Before the segments: what is written meanwhile must not seem to be cut off.
    let newest = dir.join(paths::CHECKPOINT);
    let newest = disk::read_if_there(&newest).map_err(io(&newest))?;
    let sealed = dir.join(paths::CHECKPOINTS);
    let sealed = notes::last(&sealed).map_err(io(&sealed))?;
    let loading = Loading { dir, keys };
    let newest =
        newest.map(|note| loading.said(&String::from_utf8_lossy(&note), paths::CHECKPOINT));
    let newest = newest.transpose()?;
    let sealed = sealed.map(|(note, _)| loading.said(&note, paths::CHECKPOINTS));
    let sealed = sealed.transpose()?.unwrap_or_else(|| Signed {
        size: 0,
        root: Tree::default().root(),
        note: "".into(),
    });
    let mut tail = loading.edge(&sealed)?;
    let last = loading.replay(&mut tail)?;
    let Edge { head, tail } = tail;
    let view = View::of(dir, first, tail);
    for said in newest.iter().chain([&sealed]).filter(|said| said.size > 0) {
        loading.holds(said, &view, head.tree.size())?;
    }
    // Sealing leaves the last segment where it is.
    if last.is_none() && sealed.size > 0 {
        let wal = paths::wal(dir);
        return Err(loading.broken(head.tree.size() + 1, &wal, Flaw::NoSegment));
    }
    Ok(Loaded { head, view, last })
}

struct Loading<'a> {
    dir: &'a Path,
    keys: Option<&'a Keys>,
}

/// What is known so far.
struct Edge {
    head: Head,
    tail: Tail,
}

impl Loading<'_> {
    fn broken(&self, entry: u64, path: &Path, what: Flaw) -> OpenError {
        OpenError::Broken {
            entry,
            place: paths::within(self.dir, path),
            what,
        }
    }

    /// What a note says that nothing contradicts yet.
    fn said(&self, note: &str, place: &str) -> Result<Signed, OpenError> {
        let said = match self.keys {
            Some(keys) => keys.open(note.as_bytes()),
            None => unverified(note.as_bytes()).ok_or(NoteError::Malformed),
        };
        let said = said.map_err(|error| {
            let entry = unverified(note.as_bytes()).map_or(1, |said| said.size());
            self.broken(entry, Path::new(place), Flaw::Checkpoint(error))
        })?;
        Ok(Signed {
            size: said.size(),
            root: *said.hash(),
            note: note.into(),
        })
    }

    /// The right edge of the tree over the bundles.
    fn edge(&self, last: &Signed) -> Result<Edge, OpenError> {
        let sealed = last.size / WIDTH * WIDTH;
        let tiles = Tiles::of(self.dir);
        let mut rows = vec![Row {
            start: sealed,
            hashes: VecDeque::new(),
        }];
        // The hashes that the next level's last tile will have are those of this one's tiles.
        for level in 0.. {
            let count = full(level, sealed);
            if count == 0 {
                break;
            }
            let start = full(level + 1, sealed) * WIDTH;
            let hashes = (start..count).map(|n| Ok(root(tiles.tile(level, n)?.to_vec())));
            let hashes: Result<VecDeque<Hash>, ReadError> = hashes.collect();
            rows.push(Row {
                start,
                hashes: hashes?,
            });
        }
        let mut edge = Vec::new();
        for level in (0..64_u8).rev().filter(|level| sealed >> level & 1 == 1) {
            let row = &rows[usize::from(level / 8)];
            let first = ((sealed >> level) - 1) << (level % 8);
            let from = usize::try_from(first - row.start).unwrap_or(usize::MAX);
            let hashes = row.hashes.range(from..from + (1 << (level % 8)));
            edge.push(root(hashes.copied().collect()));
        }
        let tree = Tree::of(sealed, edge).unwrap_or_default();
        let at = match sealed / WIDTH {
            0 => None,
            bundles => match tiles.bundle(bundles - 1) {
                Ok(bundle) => bundle.get(255).and_then(dated),
                Err(ReadError::Pruned) => None,
                Err(error) => return Err(error.into()),
            },
        };
        Ok(Edge {
            head: Head { tree, at },
            tail: Tail::new(sealed, rows, last.clone()),
        })
    }

    /// Goes through the segments from where the edge is.
    fn replay(&self, edge: &mut Edge) -> Result<Option<Last>, OpenError> {
        let sealed = edge.head.tree.size();
        let wal = paths::wal(self.dir);
        let mut segments = paths::segments(self.dir).map_err(|source| OpenError::Io {
            path: wal.clone(),
            source,
        })?;
        let before = segments.partition_point(|(first, _)| *first <= sealed);
        segments.drain(..before.saturating_sub(1));
        let mut due = segments.first().map(|(first, _)| (*first).min(sealed));
        let mut last = None;
        let count = segments.len();
        for (n, (first, path)) in segments.into_iter().enumerate() {
            if due != Some(first) {
                return Err(self.broken(edge.head.tree.size() + 1, &path, Flaw::Missing));
            }
            let read = self.segment(first, &path, edge)?;
            if read.torn > 0 {
                self.look_behind(&read, edge)?;
                if n + 1 < count {
                    return Err(self.broken(edge.head.tree.size() + 1, &path, Flaw::Altered));
                }
            }
            due = Some(edge.head.tree.size());
            last = Some(read);
        }
        Ok(last)
    }

    fn segment(&self, first: u64, path: &Path, edge: &mut Edge) -> Result<Last, OpenError> {
        let io = |source| OpenError::Io {
            path: path.to_owned(),
            source,
        };
        let mut batches = Batches::of(path).map_err(io)?;
        let (mut place, mut note) = (first, Vec::new());
        while let Some((batch, end)) = batches.next().map_err(io)? {
            let next = place + batch.ends.len() as u64;
            note.clone_from(&batch.note);
            // Whatever stands there, it is in bundles.
            if next > edge.head.tree.size() && !self.follow(place, batch, path, edge)? {
                note.clear();
                break;
            }
            place = next;
            batches.take(end);
        }
        Ok(Last {
            path: path.to_owned(),
            whole: batches.whole,
            torn: batches.torn(),
            note,
        })
    }

    /// Adds a batch; false if it is none, so that it may be torn.
    fn follow(
        &self,
        first: u64,
        batch: Written,
        path: &Path,
        edge: &mut Edge,
    ) -> Result<bool, OpenError> {
        let Written { text, ends, note } = batch;
        let chunk = Chunk { first, text, ends };
        let mut head = edge.head.clone();
        let mut completed = Vec::new();
        for place in head.tree.size()..chunk.end() {
            let leaf = chunk.leaf(place).unwrap_or_default();
            head.at = dated(leaf).or(head.at);
            let hash = record_hash(leaf);
            head.tree
                .push(hash, |level, hash| completed.push((level, hash)));
        }
        let Some(said) = unverified(&note) else {
            return Ok(false);
        };
        let fits = (said.size(), *said.hash()) == (chunk.end(), head.tree.root());
        let signed = self
            .keys
            .map_or(Ok(()), |keys| keys.open(&note).map(|_| ()));
        let entry = edge.head.tree.size() + 1;
        match (fits, signed) {
            (true, Ok(())) => {}
            (true, Err(error)) => {
                return Err(self.broken(entry, path, Flaw::Checkpoint(error)));
            }
            (false, Ok(())) => {
                let to = said.size();
                return Err(self.broken(entry.min(to), path, Flaw::Rewritten { to }));
            }
            (false, Err(_)) => return Ok(false),
        }
        let checkpoint = Signed {
            size: said.size(),
            root: *said.hash(),
            note: String::from_utf8_lossy(&note).into(),
        };
        edge.tail.push(chunk, &completed, checkpoint);
        edge.head = head;
        Ok(true)
    }

    /// What is torn was never answered for, unless a signed checkpoint stands in it: then it was whole. A disk
    /// may write the end of a batch before its beginning, though, and lose power between.
    fn look_behind(&self, last: &Last, edge: &Edge) -> Result<(), OpenError> {
        let Some(keys) = self.keys else {
            return Ok(());
        };
        let rest =
            wal::remainder(&last.path, last.whole, last.torn).map_err(|source| OpenError::Io {
                path: last.path.clone(),
                source,
            })?;
        let name = format!("{}\n", keys.origin());
        let mut begins = 0;
        for at in memmem::find_iter(&rest, &name) {
            let said = notes::next(&rest[at..]).and_then(|(note, after)| {
                let end = rest.len() - after.len();
                note_of(note, keys).map(|to| (to, end))
            });
            let Some((to, end)) = said.filter(|(to, _)| *to > edge.head.tree.size()) else {
                continue;
            };
            if !wal::in_part(&rest[begins..end], last.whole + begins as u64) {
                let entry = edge.head.tree.size() + 1;
                return Err(self.broken(entry, &last.path, Flaw::Rewritten { to }));
            }
            begins = end;
        }
        Ok(())
    }

    /// A checkpoint that was signed must be one of this tree.
    fn holds(&self, said: &Signed, view: &View, size: u64) -> Result<(), OpenError> {
        let place = Path::new(paths::CHECKPOINT);
        if said.size > size {
            let what = Flaw::CutOff { size: said.size };
            return Err(self.broken(size + 1, place, what));
        }
        let hashes = Hashes::of(view);
        match tree_hash(said.size, &hashes) {
            Ok(found) if found == said.root => Ok(()),
            Ok(_) => Err(self.broken(1, place, Flaw::Rewritten { to: said.size })),
            Err(error) => Err(hashes.cause(&error).into()),
        }
    }
}

/// The size that a note says, if it is one of this log.
fn note_of(note: &[u8], keys: &Keys) -> Option<u64> {
    keys.open(note).ok().map(|said| said.size())
}
