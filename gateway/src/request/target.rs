//! Target: the path and query of a routed call in, agency, service and a canonical path out.

use http::uri::PathAndQuery;

use super::path;
use crate::refusal::Refusal;

/// What a routed call is for. Built only here, from a path that was read once.
#[derive(Clone, PartialEq, Eq)]
pub struct CallTarget {
    agency: String,
    service: String,
    path: String,
    query: Option<String>,
}

impl std::fmt::Debug for CallTarget {
    /// Neither path nor query: they may name a citizen.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallTarget")
            .field("agency", &self.agency)
            .field("service", &self.service)
            .finish_non_exhaustive()
    }
}

impl CallTarget {
    /// Reads what follows `/v1/services/`.
    pub(super) fn read(rest: &str, query: Option<&str>) -> Result<Self, Refusal> {
        let mut segments = rest.split('/');
        let mut name = || {
            let name = segments.next().filter(|name| is_name(name));
            name.map(str::to_owned).ok_or(Refusal::NotFound)
        };
        let (agency, service) = (name()?, name()?);
        if let Some(query) = query {
            path::check_query(query)?;
        }
        Ok(Self {
            agency,
            service,
            path: path::canonical(segments)?,
            query: query.map(str::to_owned),
        })
    }

    /// Whose service.
    #[must_use]
    pub fn agency(&self) -> &str {
        &self.agency
    }

    /// Which service.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The canonical path below the service, from its slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Path and query: what is forwarded.
    ///
    /// # Errors
    /// None that a target of ours can have.
    pub fn path_and_query(&self) -> Result<PathAndQuery, http::uri::InvalidUri> {
        let Some(query) = &self.query else {
            return PathAndQuery::try_from(self.path.as_str());
        };
        let mut text = String::with_capacity(self.path.len() + query.len() + 1);
        text.push_str(&self.path);
        text.push('?');
        text.push_str(query);
        PathAndQuery::try_from(text)
    }
}

/// As ids are written; anything else names nothing here.
fn is_name(text: &str) -> bool {
    (2..=40).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
