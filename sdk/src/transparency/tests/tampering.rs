//! What is changed in a proof is found, and named.

use super::*;
use crate::transparency::{
    Checkpoint, Error, MAX_CHECKPOINT, MAX_HASHES, MAX_LEAF, Proof, consistent, hashes,
};

const ENTRY: u64 = 5;

/// Good evidence and its receipt, after `change`.
fn verdict(change: impl FnOnce(&mut Evidence, &mut Receipt)) -> Result<(), Error> {
    let mut evidence = evidence(&tree(11), ENTRY, &[&Signer::log(1)]);
    let mut receipt = receipt(ENTRY);
    change(&mut evidence, &mut receipt);
    evidence.verify(&keys(), &receipt).map(|_| ())
}

#[track_caller]
fn check(code: &str, change: impl FnOnce(&mut Evidence, &mut Receipt)) {
    let error = verdict(change).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(!error.to_string().contains("korlantas"), "{error}");
}

#[test]
fn whole_evidence_tells_whose_entry_it_is() {
    let evidence = evidence(&tree(11), ENTRY, &[&Signer::log(1)]);
    let verified = evidence.verify(&keys(), &receipt(ENTRY)).unwrap();
    assert_eq!(verified.entry(), ENTRY);
    assert_eq!(verified.member(), Some("korlantas"));
    let request = verified.request_id().unwrap().to_string();
    assert_eq!(request, "0192f0c4-7d1a-7e55-9b61-000000000005");
    assert_eq!(verified.checkpoint().size(), 11);
    assert!(!format!("{verified:?}{evidence:?}").contains("korlantas"));
}

#[test]
fn the_leaf() {
    check("other_leaf", |evidence, _| {
        evidence.leaf = Sensitive::new(leaf(ENTRY).replace("lookup", "result"));
    });
    check("other_leaf", |evidence, _| {
        evidence.leaf = Sensitive::new(leaf(ENTRY) + " ");
    });
    check("bad_leaf", |evidence, _| {
        evidence.leaf = Sensitive::new("{".repeat(MAX_LEAF + 1));
    });
}

#[test]
fn a_leaf_changed_with_its_hash_isnt_in_the_tree() {
    check("not_included", |evidence, receipt| {
        *receipt = super::receipt(ENTRY + 1);
        receipt.entry = ENTRY;
        evidence.leaf = Sensitive::new(leaf(ENTRY + 1));
    });
}

#[test]
fn the_receipt() {
    check("other_leaf", |_, receipt| receipt.hash = "0".repeat(64));
    check("other_entry", |_, receipt| receipt.entry += 1);
    check("other_entry", |evidence, _| evidence.entry += 1);
    check("other_time", |_, receipt| {
        receipt.at += jiff::SignedDuration::from_millis(1);
    });
}

#[test]
fn the_path() {
    let replaced = |from: &str, to: &str| {
        let (from, to) = (from.to_owned(), to.to_owned());
        move |evidence: &mut Evidence, _: &mut Receipt| {
            assert!(evidence.proof.contains(&from), "{from:?}");
            evidence.proof = evidence.proof.replacen(&from, &to, 1);
        }
    };
    let good = evidence(&tree(11), ENTRY, &[&Signer::log(1)]).proof;
    let first = good.lines().nth(2).unwrap();
    let other = STANDARD.encode([7; 32]);
    check("not_included", replaced(first, &other));
    check("not_included", replaced(&format!("{first}\n"), ""));
    check(
        "not_included",
        replaced(first, &format!("{first}\n{other}")),
    );
    check("other_entry", replaced("index 4\n", "index 3\n"));
    check(
        "other_entry",
        replaced("index 4\n", &format!("index {}\n", u64::MAX)),
    );
    check("not_a_proof", replaced("index 4\n", "index 04\n"));
    check("not_a_proof", replaced("index 4\n", ""));
    check("not_a_proof", replaced("@v1", "@v2"));
    check("not_a_proof", replaced(first, &first[1..]));
    let many = format!("{other}\n").repeat(MAX_HASHES);
    check("not_a_proof", replaced(first, &format!("{many}{first}")));
    check("not_a_proof", replaced("index 4\n", "extra !\nindex 4\n"));
    // What nobody signs may stand there and says nothing.
    verdict(replaced("index 4\n", "extra AAAA\nindex 4\n")).unwrap();
}

#[test]
fn the_checkpoint() {
    let with = |text: String, signer: Signer| {
        move |evidence: &mut Evidence, _: &mut Receipt| {
            let (proof, _) = evidence.proof.split_once("\n\n").unwrap();
            evidence.proof = format!("{proof}\n\n{}", note(&text, &[&signer]));
        }
    };
    let good = head(&tree(11));
    check("not_signed", with(good.clone(), Signer::log(2)));
    check("not_signed", with(good.clone(), Signer::witness(ORIGIN, 1)));
    check(
        "other_log",
        with(good.replace("gateway", "other"), Signer::log(1)),
    );
    check(
        "not_a_checkpoint",
        with(good.replace("\n11\n", "\n011\n"), Signer::log(1)),
    );
    check(
        "not_a_checkpoint",
        with("a".repeat(MAX_CHECKPOINT) + "\n", Signer::log(1)),
    );
    check("not_included", with(head(&tree(10)), Signer::log(1)));
    check("too_small", with(head(&tree(ENTRY - 1)), Signer::log(1)));
    check("too_small", with(head(&tree(0)), Signer::log(1)));
    check("bad_signature", |evidence, _| {
        evidence.proof = evidence.proof.replace("\n11\n", "\n12\n");
    });
    check("not_a_checkpoint", |evidence, _| {
        evidence.proof.pop();
    });
}

#[test]
fn the_receipts_own_checkpoint() {
    let other = {
        let mut tree = Tree::new();
        (0..11).for_each(|_| tree.push(b"{}".to_vec()));
        note(&head(&tree), &[&Signer::log(1)])
    };
    check("two_histories", |_, receipt| {
        receipt.checkpoint = Some(other)
    });
    let early = note(&head(&tree(ENTRY - 1)), &[&Signer::log(1)]);
    check("too_small", |_, receipt| receipt.checkpoint = Some(early));
    let forged = note(&head(&tree(ENTRY)), &[&Signer::log(2)]);
    check("not_signed", |_, receipt| receipt.checkpoint = Some(forged));
    let good = note(&head(&tree(ENTRY)), &[&Signer::log(1)]);
    verdict(|_, receipt| receipt.checkpoint = Some(good)).unwrap();
}

fn checkpoint(tree: &Tree) -> Checkpoint {
    Checkpoint::verify(&note(&head(tree), &[&Signer::log(1)]), &keys()).unwrap()
}

#[test]
fn a_log_may_only_grow() {
    let (old, new) = (tree(5), tree(11));
    let proof = hashes(&lines(new.prove_consistency(6).as_bytes())).unwrap();
    let (five, eleven) = (checkpoint(&old), checkpoint(&new));
    consistent(&five, &eleven, &proof).unwrap();
    consistent(&five, &five, &[]).unwrap();
    consistent(&checkpoint(&tree(0)), &five, &[]).unwrap();
    assert_eq!(consistent(&eleven, &five, &proof), Err(Error::Shrunk));
    assert_eq!(
        consistent(&five, &eleven, &proof[1..]),
        Err(Error::NotConsistent)
    );
    assert_eq!(
        consistent(&five, &eleven, &[[0; 32]; 65]),
        Err(Error::NotConsistent)
    );

    let mut rewritten = Tree::new();
    (1..=11).for_each(|number| rewritten.push(leaf(number + 1).into_bytes()));
    let rewritten = checkpoint(&rewritten);
    assert_eq!(
        consistent(&five, &rewritten, &proof),
        Err(Error::NotConsistent)
    );
    assert_eq!(
        consistent(&eleven, &rewritten, &[]),
        Err(Error::TwoHistories)
    );
}

#[test]
fn a_long_text_isnt_read() {
    let error = Proof::parse(&"c2sp.org/tlog-proof@v1\n".repeat(1000)).unwrap_err();
    assert_eq!(error, Error::NotAProof("it is too long"));
    assert_eq!(hashes("").unwrap().len(), 0);
}
