//! Whole logs, in any store.

use super::*;
use crate::audit::store::suite::{append, keys, signer};
use crate::audit::store::{Memory, Store};

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
