//! Whole logs, in any store.

use jiff::Timestamp;

use super::*;
use crate::audit::draft::Draft;
use crate::audit::store::suite::{Lying, append, keys, signer, whole};
use crate::audit::store::{Memory, Store};
use crate::audit::{ActEntry, Asker, Pruned};

#[test]
fn a_log_in_memory_is_whole() {
    let mut store = Memory::new(signer());
    append(&mut store, 1..=300);
    append(&mut store, 301..=700);
    let keys = keys();
    let asked = Asked {
        keys: Some(&keys),
        ..Asked::default()
    };
    let mut told = Vec::new();
    let verified = walk(&*store.reader(), std::iter::empty(), asked, &mut |n| {
        told.push(n);
    });
    let verified = verified.unwrap();
    assert_eq!((verified.entries, verified.first), (700, 1));
    assert_eq!(told, [0, 700]);
}

/// What vanishes during the walk has to have been told of as well, and what tells has to reach that far.
#[test]
fn leaves_that_vanish_during_the_walk_are_held_against_what_was_told() {
    let check = |told: Option<u64>, first, gone| {
        let mut store = Memory::new(signer());
        append(&mut store, 1..=1000);
        if let Some(told) = told {
            let pruned = Pruned {
                first: told + 1,
                entries: told,
                before: Timestamp::UNIX_EPOCH,
            };
            let entry = ActEntry::pruned(Asker::Term, pruned);
            store.append(&[Draft::of(&entry).unwrap()]).unwrap();
        }
        let reader = Lying {
            first,
            gone,
            ..Lying::of(store.reader())
        };
        match whole(&reader) {
            Ok(verified) => Ok(verified.first),
            Err(Violation {
                entry,
                what: Flaw::Unrecorded,
                ..
            }) => Err(entry),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!(check(None, 0, 512), Err(512));
    assert_eq!(check(Some(256), 0, 512), Err(512));
    assert_eq!(check(Some(256), 256, 512), Err(512));
    assert_eq!(check(Some(512), 256, 512), Ok(257));
    assert_eq!(check(Some(512), 768, 768), Err(768));
    // A part of a bundle has gone: what is skipped with it counts.
    assert_eq!(check(Some(300), 0, 300), Err(512));
}
