//! The documents that agencies agree on.
//!
//! In: nothing. Out: the text of sixteen citizen records, fourteen envelopes, their shared
//! definitions, their code lists, and golden cases that every implementation has to pass, in
//! Rust or elsewhere. This crate does no validating and no I/O.
//!
//! A record is a closed JSON Schema 2020-12 document. Besides the shape it says, for people and
//! for the gateway:
//!
//! | keyword | where | meaning |
//! |---|---|---|
//! | `x-label` | record, property, code | words for the clerk: `id`, `en`, and `az` where Azerbaijani |
//! | `x-owner`, `x-system` | record | agency that answers for the record, and its system |
//! | `x-version` | record | `major.minor`; a minor step only adds |
//! | `x-freshness` | record | ISO 8601 duration after which an answer is old |
//! | `x-default-mode` | record | `verify` or `read`: what a consumer without special need gets |
//! | `x-subject-keys` | record | subject scheme to JSON pointers that say whom the record is about; `*` stands for every item |
//! | `x-class` | property | data class by jurisdiction: `id` (UU 27/2022) and, where it has one, `az` (law 998-IIIQ) |
//! | `x-verify` | property | how a claim is compared: `exact`, `name`, `date`, `region`, `range`, `relation`, `mrz`, or `none` (can't be asked) |
//! | `x-code-list` | property, definition | list in [`CODE_LISTS`] with exactly the codes of the `enum` |
//!
//! Patterns are linear: no look-around, no back-reference, and `[0-9]` for a digit, since `\d`
//! takes other scripts' digits in some languages. `date` is the only format, and is to be asserted.
//!
//! ```
//! let record = loket_schemas::record("person-identity", 1).expect("in the catalogue");
//! let schema = loket_schemas::bundled(record.text);
//! assert_eq!(schema["x-subject-keys"]["nik"][0], "/nik");
//! assert_eq!(schema["properties"]["nik"]["$ref"], "#/$defs/nik");
//! assert!(schema["$defs"]["nik"].is_object());
//! ```

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value};

/// Golden cases: file name and text.
pub type Cases = &'static [(&'static str, &'static str)];

/// A citizen record in one major version.
#[derive(Debug)]
pub struct Record {
    /// Name in kebab case, such as `person-identity`.
    pub name: &'static str,
    /// Major version; the text names the minor one.
    pub major: u32,
    /// The schema as it stands in the repository; it refers to [`COMMON`].
    pub text: &'static str,
    /// Records that pass. `sample.json` is of one family and fits the other records' samples.
    pub valid: Cases,
    /// Records that fail: `{"pointer": …, "instance": …}`, where the pointer is the place in the
    /// instance that an error names. A missing or unexpected member names its object.
    pub invalid: Cases,
}

/// A message between consumer, gateway and agency.
#[derive(Debug)]
pub struct Envelope {
    /// Name in kebab case, such as `lookup`.
    pub name: &'static str,
    /// The schema as it stands in the repository; it refers to [`COMMON`].
    pub text: &'static str,
    /// Messages that pass.
    pub valid: Cases,
    /// Messages that fail, as in [`Record::invalid`].
    pub invalid: Cases,
}

/// The definitions that records and envelopes share.
#[derive(Debug)]
pub struct Common {
    /// The `$id` they are referred to by.
    pub id: &'static str,
    /// The schema document, with `$defs` only.
    pub text: &'static str,
}

/// Every record, in the order of the catalogue.
pub static RECORDS: [Record; 16] = include!(concat!(env!("OUT_DIR"), "/records.rs"));

/// Every envelope.
pub static ENVELOPES: [Envelope; 14] = include!(concat!(env!("OUT_DIR"), "/envelopes.rs"));

/// The shared definitions.
pub static COMMON: Common = Common {
    id: "urn:loket:common:1.0",
    text: include_str!("../common/definitions.json"),
};

/// The code lists: name to `{standard, version, values: [{code, label, …}]}`.
pub static CODE_LISTS: &str = include_str!("../common/code-lists.json");

/// The purposes of lookups: for each, its words, who may have it, by which legal bases and laws,
/// and the records and fields that it needs.
///
/// `{version, purposes: [{purpose, label, consumers, legal_bases, laws, records}]}`; a record is
/// `{record, mode, fields}`, where `mode` is `verify` or `read`, and `fields` left out means all.
/// Grants aren't made by this list: it says what an agency may reasonably grant for a purpose.
pub const PURPOSES: &str = include_str!("../common/purposes.json");

/// The record of that name and major version.
#[must_use]
pub fn record(name: &str, major: u32) -> Option<&'static Record> {
    RECORDS
        .iter()
        .find(|record| record.name == name && record.major == major)
}

/// The envelope of that name.
#[must_use]
pub fn envelope(name: &str) -> Option<&'static Envelope> {
    ENVELOPES.iter().find(|envelope| envelope.name == name)
}

/// A schema of this crate that needs no other document: references to [`COMMON`] become local
/// ones, and just the definitions they reach are embedded.
///
/// # Panics
///
/// When `text` isn't JSON, which no text of this crate is.
#[must_use]
pub fn bundled(text: &str) -> Value {
    let mut schema = parse(text);
    let mut wanted = Vec::new();
    make_local(&mut schema, &mut wanted);

    let mut embedded = Map::new();
    let mut seen = BTreeSet::new();
    while let Some(name) = wanted.pop() {
        if !seen.insert(name.clone()) {
            continue;
        }
        // A reference to nothing stays dangling, for a validator to refuse.
        if let Some(definition) = DEFINITIONS.get(&name) {
            local_references(definition, &mut wanted);
            embedded.insert(name, definition.clone());
        }
    }

    if let Some(schema) = schema.as_object_mut().filter(|_| !embedded.is_empty()) {
        let own = schema
            .entry("$defs")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(own) = own.as_object_mut() {
            own.extend(embedded);
        }
    }
    schema
}

static DEFINITIONS: LazyLock<Map<String, Value>> =
    LazyLock::new(|| match parse(COMMON.text)["$defs"].take() {
        Value::Object(definitions) => definitions,
        _ => Map::new(),
    });

#[expect(
    clippy::expect_used,
    reason = "the crate's own texts; the golden tests parse each"
)]
fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("a schema of this crate is JSON")
}

const LOCAL: &str = "#/$defs/";

fn make_local(schema: &mut Value, wanted: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                if key == "$ref"
                    && let Some(name) = shared_name(value)
                {
                    *value = Value::String(format!("{LOCAL}{name}"));
                    wanted.push(name);
                } else {
                    make_local(value, wanted);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| make_local(item, wanted)),
        _ => {}
    }
}

fn shared_name(reference: &Value) -> Option<String> {
    let fragment = reference.as_str()?.strip_prefix(COMMON.id)?;
    fragment.strip_prefix(LOCAL).map(str::to_owned)
}

fn local_references(schema: &Value, found: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value.as_str().and_then(|it| it.strip_prefix(LOCAL)) {
                    Some(name) if key == "$ref" => found.push(name.to_owned()),
                    _ => local_references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| local_references(item, found)),
        _ => {}
    }
}
