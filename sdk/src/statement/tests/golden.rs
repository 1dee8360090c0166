//! The signed case of `schemas/envelope/source-answer`, for verifiers in other languages.

use super::*;
use crate::jws::PublicKey;

/// Of the seed of 32 bytes `01`.
const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAiojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\n\
    -----END PUBLIC KEY-----\n";

#[test]
fn the_golden_answer_is_verified() {
    let cases = loket_schemas::envelope("source-answer").unwrap().valid;
    let (_, text) = cases
        .iter()
        .find(|(name, _)| *name == "signed.json")
        .unwrap();
    let answer: SourceAnswer = serde_json::from_str(text).unwrap();
    let signature = answer.signature.clone().unwrap();
    let key = PublicKey::from_pem(KEY.as_bytes()).unwrap();
    let parts = Parts::new();
    let find = |kid: &str| (kid == "djp/answers-2026").then_some(&key);
    let statement = Statement::verify(&signature, &source(), &parts.question(), find).unwrap();
    let asked = ["npwp".to_owned(), "registered_name".to_owned()];
    let salts = signature.salts.expose();
    statement
        .says(&said(&answer), Asked::Fields(&asked), salts)
        .unwrap();
    statement.is_fresh(now()).unwrap();
}
