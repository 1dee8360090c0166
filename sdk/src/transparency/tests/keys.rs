//! Keys as text, and whose signature counts for what.

use super::*;
use crate::transparency::{Checkpoint, Error, KeyError};

/// Of the signed-note specification and Go's `sumdb/note`.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETERS_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

#[test]
fn the_specifications_note_is_signed_and_no_checkpoint() {
    let keys = LogKeys::new("PeterNeumann", [PETER]).unwrap();
    let note = signed_note::Note::from_bytes(PETERS_NOTE.as_bytes()).unwrap();
    assert_eq!(note.verify(&keys).unwrap().0.len(), 1);
    let error = Checkpoint::verify(PETERS_NOTE, &keys).unwrap_err();
    assert_eq!(error.code(), "not_a_checkpoint");
}

#[test]
fn the_manuals_key_is_one() {
    let page = include_str!("../../manual/receipts.md");
    assert!(page.contains(&Signer::log(1).key()));
}

#[track_caller]
fn check(keys: &[&str], expect: &str) {
    let error = LogKeys::new("PeterNeumann", keys).unwrap_err();
    assert!(error.to_string().contains(expect), "{error}");
}

#[test]
fn a_key_that_cant_be_used_is_told() {
    check(&[], "at least one");
    check(&[PETER, PETER], "twice");
    check(&["PeterNeumann"], "copy it whole");
    check(&[&PETER.replace("c74f", "c74e")], "copy it whole");
    check(&[&PETER.replace("Neumann", "Norvig")], "copy it whole");
    check(
        &[&Signer::witness("PeterNeumann", 3).key()],
        "copy it whole",
    );
    check(&[&Signer::log(1).key()], "bears its origin");
}

#[test]
fn a_witness_needs_a_witnesses_key_and_a_quorum_enough_of_them() {
    let one = Signer::witness("one.example", 3);
    let again = Signer::witness("one.example", 4);
    let keys = keys().witnessed([one.key(), again.key()], 2).unwrap_err();
    let expected = KeyError::Quorum {
        quorum: 2,
        witnesses: 1,
    };
    assert_eq!(keys, expected);
    for bad in [Signer::new("one.example", 1, 3).key(), one.key() + "A"] {
        assert!(super::keys().witnessed([bad], 1).is_err());
    }
    let twice = super::keys().witnessed([one.key(), one.key()], 1);
    assert!(matches!(twice, Err(KeyError::Twice { .. })));
}

#[test]
fn any_key_that_the_log_has_had_counts() {
    let (old, new) = (Signer::log(1), Signer::log(2));
    let keys = LogKeys::new(ORIGIN, [old.key(), new.key()]).unwrap();
    let head = head(&tree(3));
    for signer in [&old, &new] {
        let checkpoint = Checkpoint::verify(&note(&head, &[signer]), &keys).unwrap();
        assert_eq!((checkpoint.origin(), checkpoint.size()), (ORIGIN, 3));
    }
    let stranger = note(&head, &[&Signer::log(9)]);
    assert_eq!(Checkpoint::verify(&stranger, &keys), Err(Error::NotSigned));
}

#[test]
fn witnesses_are_counted_once_and_dont_stand_in_for_the_log() {
    let log = Signer::log(1);
    let one = Signer::witness("one.example", 3);
    let again = Signer::witness("one.example", 4);
    let two = Signer::witness("two.example", 5);
    let keys = keys()
        .witnessed([one.key(), again.key(), two.key()], 2)
        .unwrap();
    let head = head(&tree(3));
    let check = |signers: &[&Signer]| Checkpoint::verify(&note(&head, signers), &keys);

    let seen = check(&[&log, &two, &one]).unwrap();
    let names: Vec<_> = seen
        .witnesses()
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["two.example", "one.example"]);
    assert_eq!(seen.witnesses()[0].at.as_second() as u64, SEEN);

    let few = Error::TooFewWitnesses {
        needed: 2,
        found: 1,
    };
    assert_eq!(check(&[&log, &one, &again]), Err(few.clone()));
    assert_eq!(check(&[&log, &one, &one]), Err(few));
    assert_eq!(check(&[&one, &two]), Err(Error::NotSigned));
    // Neither does a witness's signature count without the time, nor the log's with one.
    let plain = Signer::new("one.example", 1, 3);
    let unsigned = check(&[&log, &plain, &two]);
    assert!(matches!(unsigned, Err(Error::TooFewWitnesses { .. })));
}
