//! The same tree as another hand makes it, of every size.

use super::*;
use crate::transparency::{Checkpoint, consistent, hashes};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_entry_of_every_tree_is_proven_and_only_there(
        size in 1_u64..70,
        entry in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
    ) {
        let entry = entry.index(size as usize) as u64 + 1;
        let other = other.index(size as usize) as u64 + 1;
        let mut evidence = evidence(&tree(size), entry, &[&Signer::log(1)]);
        prop_assert!(evidence.verify(&keys(), &receipt(entry)).is_ok());
        evidence.leaf = Sensitive::new(leaf(other));
        let elsewhere = evidence.verify(&keys(), &receipt(other));
        prop_assert_eq!(elsewhere.is_ok(), entry == other);
    }

    #[test]
    fn every_tree_continues_every_smaller_one(old in 1_u64..40, more in 0_u64..40, wrong in any::<u8>()) {
        let new = tree(old + more);
        let mut proof = hashes(&lines(new.prove_consistency(more as usize).as_bytes())).unwrap();
        let checkpoint = |tree: &Tree| {
            Checkpoint::verify(&note(&head(tree), &[&Signer::log(1)]), &keys()).unwrap()
        };
        let (old, new) = (checkpoint(&tree(old)), checkpoint(&new));
        prop_assert!(consistent(&old, &new, &proof).is_ok());
        if let Some(hash) = proof.first_mut() {
            hash[0] ^= wrong | 1;
            prop_assert!(consistent(&old, &new, &proof).is_err());
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "(c2sp.org/tlog-proof@v1\n)?(index [0-9]{1,20}\n)?[A-Za-z0-9+/=\n ]{0,200}") {
        let evidence = Evidence { entry: 1, leaf: Sensitive::new(leaf(1)), proof: text };
        prop_assert!(evidence.verify(&keys(), &receipt(1)).is_err());
    }
}
