//! Filter: the query of a list in; which traces pass out.
//!
//! Refused: a key that isn't known, and a value that isn't of its kind.

use std::time::Duration;

use loket_sdk::trace::TraceId;
use serde::Deserialize;
use uuid::Uuid;

use super::Why;
use super::shelf::Numbered;

/// Traces of a list when nobody says how many, and the most of one.
const USUAL: usize = 50;
const MOST: usize = 500;

/// What a list of traces is narrowed by; all that is given must fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    why: Option<Why>,
    agency: Option<String>,
    outcome: Option<String>,
    error_type: Option<String>,
    member: Option<String>,
    purpose: Option<String>,
    code: Option<String>,
    reference: Option<Reference>,
    min: Duration,
    /// Only those before this number, and those after it.
    before: Option<u64>,
    after: Option<u64>,
    pub(super) limit: usize,
}

/// What a clerk reads out.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reference {
    Trace(TraceId),
    Request(Uuid),
    Entry(u64),
}

/// The filter as it stands in a URL.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    why: Option<Why>,
    agency: Option<String>,
    outcome: Option<String>,
    #[serde(rename = "error.type")]
    error_type: Option<String>,
    member: Option<String>,
    purpose: Option<String>,
    code: Option<String>,
    reference: Option<String>,
    min_ms: Option<u64>,
    before: Option<u64>,
    after: Option<u64>,
    limit: Option<usize>,
}

/// The query can't be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// A key or a value.
    #[error("the filter can't be read: {0}")]
    Query(String),
    /// Neither of the three.
    #[error(
        "a reference is a trace id (32 hexadecimal digits), a request id (a UUID) or the number of an audit entry"
    )]
    Reference,
}

impl Filter {
    /// Reads a URL's query.
    ///
    /// # Errors
    /// [`FilterError`].
    pub fn of(query: &str) -> Result<Self, FilterError> {
        let uri = format!("/?{query}").parse::<http::Uri>();
        let uri = uri.map_err(|error| FilterError::Query(error.to_string()))?;
        let read = axum::extract::Query::<Query>::try_from_uri(&uri);
        let axum::extract::Query(query) =
            read.map_err(|error| FilterError::Query(error.body_text()))?;
        // A form sends what is left empty, too.
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        Ok(Self {
            why: query.why,
            agency: some(query.agency),
            outcome: some(query.outcome),
            error_type: some(query.error_type),
            member: some(query.member),
            purpose: some(query.purpose),
            code: some(query.code),
            reference: some(query.reference)
                .map(|text| Reference::of(&text))
                .transpose()?,
            min: Duration::from_millis(query.min_ms.unwrap_or_default()),
            before: query.before,
            after: query.after,
            limit: query.limit.unwrap_or(USUAL).min(MOST),
        })
    }

    pub(super) fn passes(&self, kept: &Numbered) -> bool {
        let trace = &kept.trace;
        let is = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let Some((_, served)) = trace.served() else {
            return false;
        };
        // Of one call: one that failed and another of that agency are no failure of that agency.
        let of_calls = self.agency.is_some() || self.outcome.is_some() || self.error_type.is_some();
        let called = trace.calls().any(|(_, call)| {
            is(&self.agency, Some(call.peer.agency()))
                && is(&self.outcome, Some(call.outcome))
                && is(&self.error_type, call.end.error_type)
        });
        let own = self.agency.is_none() && self.outcome.is_none();
        let own = own && is(&self.error_type, served.end.error_type);
        (!of_calls || called || own)
            && self.why.is_none_or(|why| trace.why == why)
            && is(&self.member, served.member.as_deref())
            && is(&self.purpose, served.purpose)
            && is(&self.code, served.code)
            && trace.took() >= self.min
            && self.before.is_none_or(|before| kept.number < before)
            && self.after.is_none_or(|after| kept.number > after)
            && self.reference.is_none_or(|reference| match reference {
                Reference::Trace(id) => trace.id == id,
                Reference::Request(id) => served.request_id == Some(id),
                Reference::Entry(entry) => served.entry == Some(entry),
            })
    }
}

impl Reference {
    fn of(text: &str) -> Result<Self, FilterError> {
        let text = text.trim();
        let trace = || text.parse().ok().map(Self::Trace);
        let entry = || text.parse().ok().map(Self::Entry);
        // A UUID without hyphens looks like a trace id, which is what people have.
        let request = || text.parse().ok().map(Self::Request);
        trace()
            .or_else(entry)
            .or_else(request)
            .ok_or(FilterError::Reference)
    }
}
