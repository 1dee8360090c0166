//! Schemas: compiled validators of records and envelopes, with errors that never show a value.
//!
//! A record is checked in two ways: whole ([`RecordSchema::check_whole`]), as its agency holds it,
//! and in part ([`RecordSchema::check_part`]), as it travels when only some fields are granted.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use crate::claims::Verify;
use crate::ids::Scheme;
use crate::message::{RecordRef, SubjectKey};
use crate::problem::Violation;

/// Most violations that are reported of one document.
pub const MAX_VIOLATIONS: usize = 20;

/// What a record's schema says of one field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Whether an agency must have it.
    pub required: bool,
    /// How a claim on it is compared.
    pub verify: Verify,
    /// Data class in Indonesia (UU 27/2022 art. 4): `public`, `general` or `specific`.
    pub class_id: Option<String>,
    /// Data class in Azerbaijan (law 998-IIIQ).
    pub class_az: Option<String>,
    /// Label by language.
    pub label: HashMap<String, String>,
}

/// A record type and major version, compiled.
#[derive(Debug)]
pub struct RecordSchema {
    /// Which.
    pub record: RecordRef,
    /// `major.minor`.
    pub version: String,
    /// The schema, self-contained: no reference leads out of it.
    pub document: Value,
    /// Label by language.
    pub label: HashMap<String, String>,
    /// The agency that owns the data.
    pub owner: String,
    /// How old an answer may be.
    pub freshness: jiff::SignedDuration,
    fields: Vec<Field>,
    by_name: HashMap<String, usize>,
    subject_keys: Vec<(Scheme, Vec<Pointer>)>,
    whole: Validator,
    part: Validator,
}

/// Where a record names its subject.
#[derive(Debug)]
struct Pointer {
    field: String,
    /// Into the field; `*` stands for every item.
    within: Vec<String>,
}

impl Pointer {
    fn parse(text: &str) -> Option<Self> {
        let mut segments = text.split('/').skip(1).map(str::to_owned);
        Some(Self {
            field: segments.next()?,
            within: segments.collect(),
        })
    }
}

/// Every record type, in the catalogue's order.
#[must_use]
pub fn records() -> &'static [RecordSchema] {
    &RECORDS
}

/// One record type.
#[must_use]
pub fn record(record: &RecordRef) -> Option<&'static RecordSchema> {
    RECORDS.iter().find(|schema| schema.record == *record)
}

static RECORDS: LazyLock<Vec<RecordSchema>> = LazyLock::new(|| {
    #[expect(
        clippy::expect_used,
        reason = "the catalogue is fixed at build; a test compiles all of it"
    )]
    loket_schemas::RECORDS
        .iter()
        .map(|entry| RecordSchema::compile(entry).expect("a schema of the catalogue compiles"))
        .collect()
});

/// The envelopes, compiled.
#[derive(Debug)]
pub struct Envelope(Validator);

impl Envelope {
    /// Checks a document.
    ///
    /// # Errors
    /// The places that break the schema, masked, at most [`MAX_VIOLATIONS`].
    pub fn check(&self, document: &Value) -> Result<(), Vec<Violation>> {
        check(&self.0, document)
    }
}

macro_rules! envelopes {
    ($($(#[$doc:meta])* $name:ident $text:literal;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name() -> &'static Envelope {
            static COMPILED: LazyLock<Envelope> = LazyLock::new(|| {
                // The catalogue is fixed at build, and a test compiles all of it.
                let document = loket_schemas::envelope($text).expect("the catalogue has it").text;
                Envelope(compile(&loket_schemas::bundled(document)).expect("an envelope of the catalogue compiles"))
            });
            &COMPILED
        })*
    };
}

envelopes! {
    /// `POST /v1/lookups`, the request.
    lookup "lookup";
    /// `POST /v1/lookups`, the answer.
    answer "answer";
    /// `POST /v1/break-glass/{entry}/approvals`, the request.
    approval "approval";
    /// `POST /v1/explain`, the answer.
    explanation "explanation";
    /// What the gateway asks an agency.
    source_request "source-request";
    /// What an agency answers.
    source_answer "source-answer";
    /// `GET /v1/catalogue`, the answer.
    catalogue "catalogue";
    /// A problem document.
    problem "problem";
    /// `POST /v1/access-reports`, the request.
    access_request "access-report-request";
    /// `POST /v1/access-reports`, the answer.
    access_report "access-report";
    /// A grant, as the agency signs it.
    grant "grant";
}

impl RecordSchema {
    fn compile(entry: &loket_schemas::Record) -> Option<Self> {
        let document = loket_schemas::bundled(entry.text);
        let whole = compile(&document)?;
        let part = compile(&in_part(document.clone()))?;
        let required: Vec<&str> = document
            .get("required")?
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let fields: Vec<Field> = document
            .get("properties")?
            .as_object()?
            .iter()
            .map(|(name, property)| {
                let class = |jurisdiction: &str| {
                    property
                        .pointer(&format!("/x-class/{jurisdiction}"))?
                        .as_str()
                        .map(str::to_owned)
                };
                Some(Field {
                    name: name.clone(),
                    required: required.contains(&name.as_str()),
                    verify: serde_json::from_value(property.get("x-verify")?.clone()).ok()?,
                    class_id: class("id"),
                    class_az: class("az"),
                    label: labels(property),
                })
            })
            .collect::<Option<_>>()?;
        let by_name = fields
            .iter()
            .enumerate()
            .map(|(i, f)| (f.name.clone(), i))
            .collect();
        Some(Self {
            record: RecordRef::new(entry.name, entry.major).ok()?,
            version: document.get("x-version")?.as_str()?.to_owned(),
            label: labels(&document),
            owner: document.pointer("/x-owner/agency")?.as_str()?.to_owned(),
            freshness: document.get("x-freshness")?.as_str()?.parse().ok()?,
            subject_keys: subject_keys(document.get("x-subject-keys")?)?,
            document,
            fields,
            by_name,
            whole,
            part,
        })
    }

    /// Every field, by name.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// One field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.by_name.get(name).map(|&index| &self.fields[index])
    }

    /// Whether the record can be asked for by this kind of identifier.
    #[must_use]
    pub fn is_keyed_by(&self, scheme: Scheme) -> bool {
        self.pointers(scheme).is_some()
    }

    /// Checks a record as its agency holds it.
    ///
    /// # Errors
    /// The places that break the schema, masked.
    pub fn check_whole(&self, record: &Value) -> Result<(), Vec<Violation>> {
        check(&self.whole, record)
    }

    /// Checks a record of which only the `asked` fields travel: each field that is there must be
    /// right, and each that was asked and that every agency must have must be there. Members that
    /// the schema doesn't know are let through; they are for the caller to drop.
    ///
    /// # Errors
    /// The places that break the schema, masked.
    pub fn check_part<'a>(
        &self,
        record: &Value,
        asked: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Vec<Violation>> {
        check(&self.part, record)?;
        let missing: Vec<Violation> = asked
            .into_iter()
            .filter(|name| record.get(name).is_none())
            .filter(|name| self.field(name).is_some_and(|field| field.required))
            .map(|name| Violation {
                pointer: format!("/{name}"),
                message: "is required and missing".to_owned(),
            })
            .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(missing)
        }
    }

    /// Whether the record is about the subject, by the fields that it has; `None` when none of
    /// them tells.
    #[must_use]
    pub fn is_about(&self, subject: &SubjectKey, record: &Map<String, Value>) -> Option<bool> {
        let mut told = None;
        for pointer in self.pointers(subject.scheme)? {
            let Some(value) = record.get(&pointer.field) else {
                continue;
            };
            match says(value, &pointer.within, subject.value.expose()) {
                Some(true) => return Some(true),
                Some(false) => told = Some(false),
                None => {}
            }
        }
        told
    }

    fn pointers(&self, scheme: Scheme) -> Option<&[Pointer]> {
        let mut keys = self.subject_keys.iter();
        let (_, pointers) = keys.find(|(key, _)| *key == scheme)?;
        Some(pointers)
    }
}

fn subject_keys(keys: &Value) -> Option<Vec<(Scheme, Vec<Pointer>)>> {
    let keys: HashMap<Scheme, Vec<String>> = serde_json::from_value(keys.clone()).ok()?;
    keys.iter()
        .map(|(scheme, texts)| {
            let pointers = texts.iter().map(|text| Pointer::parse(text));
            Some((*scheme, pointers.collect::<Option<_>>()?))
        })
        .collect()
}

/// Whether one of the strings at a pointer is this one; `None` when there is no string.
fn says(value: &Value, segments: &[String], wanted: &str) -> Option<bool> {
    match (segments.split_first(), value) {
        (None, Value::String(text)) => Some(text == wanted),
        (Some((star, rest)), Value::Array(items)) if star == "*" => items
            .iter()
            .filter_map(|item| says(item, rest, wanted))
            .max(),
        (Some((name, rest)), Value::Object(members)) => says(members.get(name)?, rest, wanted),
        _ => None,
    }
}

/// The schema for a record in part: nothing is required at the top, conditions that require don't
/// apply, and unknown members at the top are let through.
fn in_part(mut document: Value) -> Value {
    if let Some(members) = document.as_object_mut() {
        for keyword in [
            "required",
            "additionalProperties",
            "if",
            "then",
            "else",
            "allOf",
        ] {
            members.remove(keyword);
        }
    }
    document
}

fn labels(node: &Value) -> HashMap<String, String> {
    node.get("x-label")
        .and_then(|label| serde_json::from_value(label.clone()).ok())
        .unwrap_or_default()
}

fn compile(document: &Value) -> Option<Validator> {
    jsonschema::options()
        .offline()
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(true)
        .should_ignore_unknown_formats(false)
        .build(document)
        .ok()
}

fn check(validator: &Validator, document: &Value) -> Result<(), Vec<Violation>> {
    if validator.is_valid(document) {
        return Ok(());
    }
    Err(validator
        .iter_errors(document)
        .take(MAX_VIOLATIONS)
        .map(|error| masked(&error))
        .collect())
}

/// Neither the value nor the names of unexpected members: a peer could put personal data in both.
fn masked(error: &ValidationError<'_>) -> Violation {
    let message = match error.kind().keyword() {
        "additionalProperties" | "unevaluatedProperties" => {
            "has members that the schema doesn't know".to_owned()
        }
        "falseSchema" | "not" => "isn't allowed here".to_owned(),
        _ => error.masked_with("this").to_string(),
    };
    Violation {
        pointer: error.instance_path().to_string(),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensitive::Sensitive;

    fn person() -> (&'static RecordSchema, Value) {
        let schema = record(&"person-identity/1".parse().unwrap()).unwrap();
        let entry = loket_schemas::record("person-identity", 1).unwrap();
        let sample = entry
            .valid
            .iter()
            .find(|(name, _)| *name == "sample.json")
            .unwrap()
            .1;
        (schema, serde_json::from_str(sample).unwrap())
    }

    #[test]
    fn the_whole_catalogue_compiles() {
        assert_eq!(records().len(), 16);
        for schema in records() {
            assert!(!schema.fields().is_empty());
            assert!(!schema.subject_keys.is_empty(), "{}", schema.record);
        }
        for envelope in [
            lookup(),
            answer(),
            source_request(),
            source_answer(),
            problem(),
            access_request(),
            access_report(),
            grant(),
        ] {
            assert!(envelope.check(&Value::Null).is_err());
        }
    }

    #[test]
    fn a_part_is_checked_by_what_was_asked() {
        let (schema, whole) = person();
        schema.check_whole(&whole).unwrap();
        let part = serde_json::json!({"full_name": whole["full_name"], "surprise": 1});
        assert!(schema.check_whole(&part).is_err());
        schema.check_part(&part, ["full_name"]).unwrap();
        let missing = schema
            .check_part(&part, ["full_name", "birth_date"])
            .unwrap_err();
        assert_eq!(missing[0].pointer, "/birth_date");
        let wrong = serde_json::json!({"full_name": 7});
        assert_eq!(
            schema.check_part(&wrong, ["full_name"]).unwrap_err()[0].pointer,
            "/full_name"
        );
    }

    #[test]
    fn a_record_tells_whom_it_is_about() {
        let (schema, whole) = person();
        let record = whole.as_object().unwrap();
        let key = |value: &str| SubjectKey {
            scheme: Scheme::Nik,
            value: Sensitive::new(value.to_owned()),
        };
        assert_eq!(
            schema.is_about(&key("3510161405889901"), record),
            Some(true)
        );
        assert_eq!(
            schema.is_about(&key("3510166307919902"), record),
            Some(false)
        );
        assert_eq!(schema.is_about(&key("3510161405889901"), &Map::new()), None);
    }

    #[test]
    fn violations_show_no_value() {
        let (schema, mut whole) = person();
        whole["nik"] = "35101614058899X1".into();
        whole["3510161405889901"] = "3510161405889901".into();
        let text = format!("{:?}", schema.check_whole(&whole).unwrap_err());
        assert!(text.contains("/nik"));
        assert!(!text.contains("35101614"), "{text}");
    }
}
