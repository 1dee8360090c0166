//! Route: each record asked for in, the sources that answer for it out.

use std::sync::Arc;

use loket_sdk::message::{Lookup, RecordQuery, SubjectKey};
use loket_sdk::schema::{self, RecordSchema};

use crate::admission::Admitted;
use crate::directory::{Directory, SourceIndex};
use crate::validate::Valid;

/// One record asked of one source.
#[derive(Debug, Clone)]
pub struct Leg {
    /// Position in the lookup's `records`.
    pub query: usize,
    /// The record's schema.
    pub schema: &'static RecordSchema,
    /// Who answers for it; none when nobody does.
    pub source: Option<SourceIndex>,
}

/// A lookup whose every record has its sources. Built only here.
#[derive(Debug)]
pub struct Routed {
    admitted: Admitted,
    lookup: Arc<Lookup>,
    subject: SubjectKey,
    legs: Vec<Leg>,
}

impl Routed {
    /// Who asks.
    #[must_use]
    pub fn admitted(&self) -> &Admitted {
        &self.admitted
    }

    /// What is asked.
    #[must_use]
    pub fn lookup(&self) -> &Arc<Lookup> {
        &self.lookup
    }

    /// About whom, in normal form.
    #[must_use]
    pub fn subject(&self) -> &SubjectKey {
        &self.subject
    }

    /// One leg per record and source, in the order asked.
    #[must_use]
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// The query of a leg.
    #[must_use]
    pub fn query(&self, leg: &Leg) -> &RecordQuery {
        &self.lookup.records[leg.query]
    }
}

/// Finds the sources of each record. A record that nobody serves keeps a leg without a source:
/// nobody can have granted it.
#[must_use]
pub fn route(admitted: Admitted, valid: Valid, directory: &Directory) -> Routed {
    let (lookup, subject) = valid.into_parts();
    let legs = legs(&lookup.records, directory);
    Routed {
        admitted,
        lookup,
        subject,
        legs,
    }
}

/// One leg per record and source, in the order asked.
#[must_use]
pub fn legs(records: &[RecordQuery], directory: &Directory) -> Vec<Leg> {
    let mut legs = Vec::with_capacity(records.len());
    for (query, asked) in records.iter().enumerate() {
        let Some(schema) = schema::record(&asked.record) else {
            continue;
        };
        match directory.sources_of(&asked.record) {
            [] => legs.push(Leg {
                query,
                schema,
                source: None,
            }),
            sources => legs.extend(sources.iter().map(|&source| Leg {
                query,
                schema,
                source: Some(source),
            })),
        }
    }
    legs
}

#[cfg(test)]
mod tests;
