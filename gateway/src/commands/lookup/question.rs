//! What is asked, as it is written on the command line.
//!
//! `person-identity/1`, `taxpayer/1=npwp,registered_name`, `driving-licence/1!`;
//! `person-identity/1:full_name:name_matches=VALUE`; `legal_obligation:PP 28/2025`. A refusal names
//! what is expected and never repeats a claim's value.

use std::str::FromStr;

use loket_sdk::claims::Op;
use loket_sdk::message::{LegalBasisKind, RecordRef};
use loket_sdk::schema::{self, RecordSchema};
use serde_json::Value;

/// `RECORD[=FIELD,…][!]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct RecordText {
    pub(in crate::commands) record: RecordRef,
    pub(in crate::commands) fields: Option<Vec<String>>,
    pub(in crate::commands) required: bool,
}

impl FromStr for RecordText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, fields) = match text.split_once('=') {
            Some((name, fields)) => (name, Some(fields)),
            None => (text, None),
        };
        let marked = |part: &str| part.ends_with('!');
        let required = marked(name) || fields.is_some_and(marked);
        let (record, schema) = known(name.trim_end_matches('!'))?;
        let fields = fields
            .map(|fields| named(fields.trim_end_matches('!'), schema))
            .transpose()?;
        Ok(Self {
            record,
            fields,
            required,
        })
    }
}

/// The fields of a list, each of which the record has.
fn named(list: &str, schema: &RecordSchema) -> Result<Vec<String>, String> {
    list.split(',')
        .map(str::trim)
        .map(|name| {
            field(name, schema)?;
            Ok(name.to_owned())
        })
        .collect()
}

fn field<'s>(name: &str, schema: &'s RecordSchema) -> Result<&'s schema::Field, String> {
    schema.field(name).ok_or_else(|| {
        let all: Vec<&str> = schema.fields().iter().map(|f| f.name.as_str()).collect();
        format!(
            "{} has no such field; it has {}",
            schema.record,
            all.join(", ")
        )
    })
}

fn known(text: &str) -> Result<(RecordRef, &'static RecordSchema), String> {
    let record: RecordRef = text
        .parse()
        .map_err(|error: loket_sdk::message::InvalidRecordRef| error.to_string())?;
    match schema::record(&record) {
        Some(schema) => Ok((record, schema)),
        None => {
            let all: Vec<String> = schema::records()
                .iter()
                .map(|s| s.record.to_string())
                .collect();
            Err(format!("no such record; there are {}", all.join(", ")))
        }
    }
}

/// One claim.
#[derive(Debug)]
pub(in crate::commands) struct Asked {
    pub(in crate::commands) record: RecordRef,
    pub(in crate::commands) field: String,
    pub(in crate::commands) op: Op,
    /// `null` where the operation takes none.
    pub(in crate::commands) value: Value,
}

/// Reads `RECORD:FIELD:OP[=VALUE]`.
pub(in crate::commands) fn claim(text: &str) -> Result<Asked, String> {
    let fault = |what: &str| format!("--claim: {what}");
    let (head, value) = match text.split_once('=') {
        Some((head, value)) => (head, Some(value)),
        None => (text, None),
    };
    let parts: Vec<&str> = head.split(':').collect();
    let [record, name, op] = parts.as_slice() else {
        return Err(fault(
            "write RECORD:FIELD:OP=VALUE, such as person-identity/1:birth_date:date_equals=1988-05-14",
        ));
    };
    let (record, schema) = known(record).map_err(|what| fault(&what))?;
    field(name, schema).map_err(|what| fault(&what))?;
    let op = Op::ALL
        .into_iter()
        .find(|known| known.as_str() == *op)
        .ok_or_else(|| {
            fault(&format!(
                "no such operation; there are {}",
                Op::ALL.map(Op::as_str).join(", ")
            ))
        })?;
    let value = typed(op, value, &schema.document["properties"][*name])
        .map_err(|what| fault(&format!("{} {what}", op.as_str())))?;
    Ok(Asked {
        record,
        field: (*name).to_owned(),
        op,
        value,
    })
}

/// A number where the operation compares numbers or the field is one; a list for `one_of`.
fn typed(op: Op, value: Option<&str>, property: &Value) -> Result<Value, &'static str> {
    let value = match (op, value) {
        (Op::Exists, None) => return Ok(Value::Null),
        (Op::Exists, Some(_)) => return Err("takes no value"),
        (_, None | Some("")) => return Err("needs a value after ="),
        (_, Some(value)) => value,
    };
    let kind = property["type"].as_str();
    let one = |text: &str| match kind {
        Some("integer" | "number" | "boolean") => scalar(text),
        _ => Ok(text.into()),
    };
    match op {
        Op::AtLeast | Op::AtMost => match scalar(value)? {
            number @ Value::Number(_) => Ok(number),
            _ => Err("needs a number"),
        },
        Op::OneOf => value.split(',').map(|text| one(text.trim())).collect(),
        _ => one(value),
    }
}

fn scalar(text: &str) -> Result<Value, &'static str> {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value),
        _ => Err("needs a number, true or false here"),
    }
}

/// `KIND:REFERENCE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct Basis {
    pub(in crate::commands) kind: LegalBasisKind,
    pub(in crate::commands) reference: String,
}

impl FromStr for Basis {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, reference) = text.split_once(':').unwrap_or((text, ""));
        let all = || LegalBasisKind::ALL.iter().map(|kind| kind.as_str());
        let kind = kind.parse().map_err(|_| {
            let all: Vec<&str> = all().collect();
            format!(
                "write KIND:REFERENCE, such as legal_obligation:\"PP 28/2025\"; kinds are {}",
                all.join(", ")
            )
        })?;
        let reference = reference.trim();
        if !(3..=120).contains(&reference.chars().count()) {
            return Err("name the law or document after the colon, in 3 to 120 letters".to_owned());
        }
        Ok(Self {
            kind,
            reference: reference.to_owned(),
        })
    }
}
