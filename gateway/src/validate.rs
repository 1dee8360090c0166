//! Validate: a lookup's bytes in, a lookup that can be asked out.
//!
//! What isn't as agreed is refused with the places that are wrong, never with a value.

use std::collections::HashSet;
use std::iter;
use std::sync::Arc;

use loket_sdk::claims;
use loket_sdk::ids::{self, Scheme};
use loket_sdk::json;
use loket_sdk::message::{Approval, Lookup, Subject, SubjectKey};
use loket_sdk::problem::Violation;
use loket_sdk::schema;
use loket_sdk::sensitive::Sensitive;

use serde_json::Value;

use crate::refusal::Refusal;

/// A lookup that is as agreed. Built only here.
#[derive(Debug)]
pub struct Valid {
    lookup: Arc<Lookup>,
    subject: SubjectKey,
    alias: Option<SubjectKey>,
}

impl Valid {
    /// The lookup.
    #[must_use]
    pub fn lookup(&self) -> &Lookup {
        &self.lookup
    }

    /// Whom it is about, in normal form.
    #[must_use]
    pub fn subject(&self) -> &SubjectKey {
        &self.subject
    }

    /// The subject, and the same citizen under another scheme: since PMK 112/2022 a person's NPWP
    /// is the NIK.
    pub fn names(&self) -> impl Iterator<Item = &SubjectKey> {
        iter::once(&self.subject).chain(&self.alias)
    }

    /// Gives both away.
    #[must_use]
    pub fn into_parts(self) -> (Arc<Lookup>, SubjectKey) {
        (self.lookup, self.subject)
    }
}

/// Reads a lookup.
///
/// # Errors
/// [`Refusal::Malformed`] when it isn't JSON, [`Refusal::BreaksSchema`] when it isn't a lookup,
/// names no known record or field, or asks what can't be asked.
pub fn lookup(body: &[u8]) -> Result<Valid, Refusal> {
    let document = parse(body)?;
    schema::lookup()
        .check(&document)
        .map_err(Refusal::BreaksSchema)?;
    // The schema says everything that the type does; should they ever differ, nothing passes.
    let lookup: Lookup = serde_json::from_value(document)
        .map_err(|_| Refusal::BreaksSchema(vec![Violation::new("", "isn't a lookup")]))?;
    let subject = key(&lookup.subject)?;
    let wrong = unaskable(&lookup);
    if wrong.is_empty() {
        Ok(Valid {
            lookup: Arc::new(lookup),
            alias: alias(&subject),
            subject,
        })
    } else {
        Err(Refusal::BreaksSchema(wrong))
    }
}

/// Reads an approval.
///
/// # Errors
/// [`Refusal::Malformed`] when it isn't JSON, [`Refusal::BreaksSchema`] when it isn't an approval.
pub fn approval(body: &[u8]) -> Result<Approval, Refusal> {
    let document = parse(body)?;
    schema::approval()
        .check(&document)
        .map_err(Refusal::BreaksSchema)?;
    serde_json::from_value(document)
        .map_err(|_| Refusal::BreaksSchema(vec![Violation::new("", "isn't an approval")]))
}

fn parse(body: &[u8]) -> Result<Value, Refusal> {
    json::parse(body).map_err(|error| {
        let remedy = "Send one JSON document as the schema describes";
        Refusal::Malformed(format!("The body isn't as agreed: {error}. {remedy}"))
    })
}

/// The subject in normal form, and the same citizen under another scheme; see [`Valid::names`].
///
/// # Errors
/// [`Refusal::BreaksSchema`] when the value isn't one of the scheme.
pub fn names(subject: &Subject) -> Result<Vec<SubjectKey>, Refusal> {
    let subject = key(subject)?;
    let alias = alias(&subject);
    Ok(iter::once(subject).chain(alias).collect())
}

fn key(subject: &Subject) -> Result<SubjectKey, Refusal> {
    let value = ids::normalise(subject.scheme, subject.value.expose());
    Ok(SubjectKey {
        scheme: subject.scheme,
        value: value.map(Sensitive::new).map_err(|error| {
            Refusal::BreaksSchema(vec![Violation::new("/subject/value", error)])
        })?,
    })
}

/// The same citizen under another scheme, where there is one; see [`Valid::names`].
#[must_use]
pub fn alias(subject: &SubjectKey) -> Option<SubjectKey> {
    let scheme = match subject.scheme {
        Scheme::Npwp => Scheme::Nik,
        Scheme::Nik => Scheme::Npwp,
        _ => return None,
    };
    Some(SubjectKey {
        scheme,
        value: subject.value.clone(),
    })
}

/// What the record's schemas say of the lookup.
fn unaskable(lookup: &Lookup) -> Vec<Violation> {
    let mut wrong = Vec::new();
    let (mut claimed, mut asked) = (HashSet::new(), HashSet::new());
    for (r, query) in lookup.records.iter().enumerate() {
        let at = format!("/records/{r}");
        let Some(record) = schema::record(&query.record) else {
            wrong.push(Violation::new(
                format!("{at}/record"),
                "there is no such record",
            ));
            continue;
        };
        if !asked.insert((&query.record, query.claims.is_some())) {
            let message = "is asked twice: name all its fields, or all its claims, at once";
            wrong.push(Violation::new(format!("{at}/record"), message));
        }
        if !record.is_keyed_by(lookup.subject.scheme) {
            let message = "can't be looked up by this scheme of subject";
            wrong.push(Violation::new(format!("{at}/record"), message));
        }
        for (f, field) in query.fields.iter().flatten().enumerate() {
            if record.field(field).is_none() {
                wrong.push(Violation::new(
                    format!("{at}/fields/{f}"),
                    "the record has no such field",
                ));
            }
        }
        for (c, claim) in query.claims.iter().flatten().enumerate() {
            let at = format!("{at}/claims/{c}");
            if !claimed.insert((&query.record, &claim.field)) {
                let message =
                    "a lookup may claim a field once: several claims would tell its value";
                wrong.push(Violation::new(at.clone(), message));
            }
            match record.field(&claim.field) {
                None => {
                    wrong.push(Violation::new(
                        format!("{at}/field"),
                        "the record has no such field",
                    ));
                }
                Some(field) => {
                    if let Err(error) = claims::check(field.verify, claim) {
                        wrong.push(Violation::new(
                            format!("{at}{}", error.pointer),
                            error.message,
                        ));
                    }
                }
            }
        }
    }
    wrong.truncate(schema::MAX_VIOLATIONS);
    wrong
}

#[cfg(test)]
mod tests;
