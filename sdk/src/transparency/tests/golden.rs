//! The case of `schemas/envelope/receipt`: made here, kept there for other languages.

use serde_json::{Map, Value};

use super::*;

#[test]
fn the_golden_receipt_is_verified() {
    let cases = loket_schemas::envelope("receipt").unwrap().valid;
    let (_, text) = cases
        .iter()
        .find(|(name, _)| *name == "sample.json")
        .unwrap();
    let golden: Evidence = serde_json::from_str(text).unwrap();
    let text = golden.leaf.expose();
    let members: Map<String, Value> = serde_json::from_str(text).unwrap();

    let mut tree = tree(1);
    tree.push(text.clone().into_bytes());
    tree.push(leaf(3).into_bytes());
    let (log, witness) = (Signer::log(1), Signer::witness("witness.example", 3));
    let mut made = evidence(&tree, 2, &[&log, &witness]);
    made.leaf = Sensitive::new(text.clone());
    assert_eq!(golden, made);

    let hash = tlog_tiles::record_hash(text.as_bytes());
    let receipt = Receipt {
        entry: 2,
        at: members["at"].as_str().unwrap().parse().unwrap(),
        hash: hash.0.iter().map(|byte| format!("{byte:02x}")).collect(),
        checkpoint: None,
    };
    let keys = keys().witnessed([witness.key()], 1).unwrap();
    let verified = golden.verify(&keys, &receipt).unwrap();
    assert_eq!(*verified.members().expose(), members);
    assert!(verified.request_id().is_some());
}
