//! Salted digests: of the question, of a field, of an answered claim.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Error, Question, canonical};
use crate::claims::{Claim, ClaimResult};

/// In hexadecimal.
pub(super) fn question(question: &Question<'_>, salt: &str) -> Result<String, Error> {
    let parts = json!([
        salt,
        question.organisation,
        question.purpose,
        question.record,
        question.subject.scheme,
        question.subject.value.expose(),
    ]);
    let mut text = String::new();
    canonical::write(&parts, &mut text)?;
    let hash = digest(&SHA256, text.as_bytes());
    Ok(hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

pub(super) fn field(
    name: &str,
    value: &Value,
    salts: &BTreeMap<String, String>,
) -> Result<String, Error> {
    let salt = salts
        .get(name)
        .ok_or_else(|| Error::NoSalt(name.to_owned()))?;
    salted(salt, name, value)
}

pub(super) fn claim(
    claim: &Claim,
    result: ClaimResult,
    salts: &BTreeMap<String, String>,
) -> Result<String, Error> {
    field(
        &claim.field,
        &json!({"claim": claim, "result": result}),
        salts,
    )
}

pub(super) fn salted(salt: &str, name: &str, value: &Value) -> Result<String, Error> {
    let mut text = String::from("[");
    canonical::string(salt, &mut text);
    text.push(',');
    canonical::string(name, &mut text);
    text.push(',');
    canonical::write(value, &mut text)?;
    text.push(']');
    Ok(URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes())))
}
