//! Proof: an entry's number in, what shows to anyone that it is in the log out. What the gateway itself goes
//! by is proven to it in the same way.
//!
//! The text is that of C2SP's `tlog-proof`: the entry's place, the hashes from its leaf up to the root,
//! and the signed checkpoint that names the root.

use std::fmt::Write;
use std::ops::ControlFlow;

use loket_sdk::transparency::Evidence;
use tlog_tiles::tlog::{Hash, RecordProof, check_record, prove_record, record_hash};

use super::store::{Each, Flaw, Hashes, ReadError, Reader, Signed, hashes};
use super::tree::Tree;

/// The first line of a proof.
const VERSION: &str = "c2sp.org/tlog-proof@v1";

/// The evidence of an entry under the checkpoint that witnesses cosigned, if that holds it, or else the
/// newest one. It blocks.
///
/// # Errors
/// [`ReadError`]; a proof that wouldn't convince is [`ReadError::Broken`].
pub fn evidence(
    reader: &dyn Reader,
    entry: u64,
    cosigned: Option<Signed>,
) -> Result<Evidence, ReadError> {
    let place = entry.checked_sub(1).ok_or(ReadError::Unknown)?;
    let checkpoint = match cosigned.filter(|cosigned| cosigned.size > place) {
        Some(cosigned) => cosigned,
        None => reader.checkpoint()?,
    };
    let (leaf, path) = leaf(reader, place, &checkpoint)?;
    let mut proof = format!("{VERSION}\nindex {place}\n");
    for hash in path {
        // Writing to a text can't fail.
        let _ = writeln!(proof, "{hash}");
    }
    proof.push('\n');
    proof.push_str(&checkpoint.note);
    let leaf = String::from_utf8(leaf).map_err(|_| broken(place, Flaw::Malformed))?;
    Ok(Evidence {
        entry,
        leaf: leaf.into(),
        proof,
    })
}

/// A leaf, and the hashes that lead from it to the root of this checkpoint.
///
/// # Errors
/// [`ReadError`]; [`Flaw::Hash`] when they don't.
pub fn leaf(
    reader: &dyn Reader,
    place: u64,
    checkpoint: &Signed,
) -> Result<(Vec<u8>, RecordProof), ReadError> {
    if place >= checkpoint.size {
        return Err(ReadError::Unknown);
    }
    let mut found = None;
    reader.leaves(place..place + 1, &mut |_, leaf| {
        found = Some(leaf.to_vec());
        ControlFlow::Break(())
    })?;
    let leaf = found.ok_or(ReadError::Unknown)?;
    let hashes = Hashes::of(reader);
    let path = match prove_record(checkpoint.size, place, &hashes) {
        Ok(path) => path,
        Err(error) => return Err(hashes.cause(&error)),
    };
    let hash = record_hash(&leaf);
    check_record(&path, checkpoint.size, checkpoint.root, place, hash)
        .map_err(|_| broken(place, Flaw::Hash))?;
    Ok((leaf, path))
}

/// Gives `each` the leaves from a place on up to where a tree ends whose root is known, until it breaks; the
/// tree before them. Unless it breaks, all of them and that tree are proven once this returns, and not
/// before: they lead to that root.
///
/// # Errors
/// [`ReadError`]; [`Flaw::Rewritten`] when they don't.
pub fn leaves(
    reader: &dyn Reader,
    from: u64,
    end: (u64, Hash),
    each: &mut Each<'_>,
) -> Result<Tree, ReadError> {
    let (size, root) = end;
    let before = hashes::tree(reader, from)?;
    let mut tree = before.clone();
    let mut broke_off = false;
    reader.leaves(from..size, &mut |place, leaf| {
        tree.push(record_hash(leaf), |_, _| {});
        let on = each(place, leaf);
        broke_off = on.is_break();
        on
    })?;
    match broke_off || tree.root() == root {
        true => Ok(before),
        false => Err(broken(from, Flaw::Rewritten { to: size })),
    }
}

fn broken(place: u64, what: Flaw) -> ReadError {
    ReadError::Broken {
        entry: place + 1,
        place: "the tree".to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::store::suite::{append, keys, signer};
    use crate::audit::store::{Memory, Store};

    #[test]
    fn it_has_the_place_the_path_and_the_checkpoint() {
        let mut store = Memory::new(signer());
        append(&mut store, 1..=3);
        append(&mut store, 4..=5);
        let reader = store.reader();
        let found = evidence(&*reader, 3, None).unwrap();
        assert!(found.leaf.expose().contains(r#""case_id":"c-3""#));
        let (path, note) = found.proof.split_once("\n\n").unwrap();
        let lines: Vec<&str> = path.lines().collect();
        assert_eq!(lines[..2], [VERSION, "index 2"]);
        // Five leaves: a neighbour, the pair before, and what comes after the first four.
        assert_eq!(lines.len(), 2 + 3);
        assert_eq!(keys().open(note.as_bytes()).unwrap().size(), 5);
        for none in [0, 6] {
            let refused = evidence(&*reader, none, None);
            assert!(matches!(refused, Err(ReadError::Unknown)));
        }
    }
}
