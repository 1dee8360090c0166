//! Problems: the closed list of errors that a Loket endpoint answers, as RFC 9457
//! `application/problem+json`.
//!
//! One [`Code`] is one URN, one title, one HTTP status, one [`Fault`] and one answer to "may I try
//! again". Everything that isn't 2xx has this shape.

use serde::{Deserialize, Serialize};

/// Media type of a problem document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Whose move it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The caller must change the request, its certificate or its grants.
    Caller,
    /// The gateway, or the agency that serves this endpoint, must be mended.
    Gateway,
    /// The agency behind the gateway must be mended.
    Source,
}

/// One place in the request that breaks the schema. Never carries the value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// JSON pointer (RFC 6901) into the request; empty for the whole document.
    pub pointer: String,
    /// What the schema asks for.
    pub message: String,
}

impl Violation {
    /// A place and what is asked for there.
    #[must_use]
    pub fn new(pointer: impl Into<String>, message: impl ToString) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.to_string(),
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $text:literal $status:literal $fault:ident $retryable:literal $title:literal;)*) => {
        /// The closed list of problem types.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code as it stands in `code` and at the end of the URN.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// HTTP status (RFC 9110).
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// Whose move it is.
            #[must_use]
            pub fn fault(self) -> Fault {
                match self { $(Self::$name => Fault::$fault,)* }
            }

            /// Whether the same request may succeed later.
            #[must_use]
            pub fn retryable(self) -> bool {
                match self { $(Self::$name => $retryable,)* }
            }

            /// The short title, the same for every occurrence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// Not HTTP or JSON as agreed.
    MalformedRequest "malformed_request" 400 Caller false "The request isn't HTTP or JSON as agreed";
    /// The certificate is valid but no enrolled system has it.
    NotEnrolled "not_enrolled" 403 Caller false "This certificate isn't enrolled here";
    /// A header or member names another organisation than the certificate.
    IdentityContradicted "identity_contradicted" 403 Caller false "The request names another organisation than its certificate";
    /// No grant covers anything of the request.
    NothingGranted "nothing_granted" 403 Caller false "No grant covers anything of this request";
    /// Only someone else of the same member may do this.
    SecondPersonNeeded "second_person_needed" 403 Caller false "This needs a second person";
    /// No such resource.
    NotFound "not_found" 404 Caller false "There is no such resource";
    /// The resource has no such method.
    MethodNotAllowed "method_not_allowed" 405 Caller false "The resource doesn't have this method";
    /// None of the media types in `Accept` is served.
    NotAcceptable "not_acceptable" 406 Caller false "No media type that you accept is served here";
    /// The body didn't arrive in time.
    RequestTimeout "request_timeout" 408 Caller true "The request took too long to arrive";
    /// The same `request_id` came with another body.
    RequestIdReused "request_id_reused" 409 Caller false "This request_id was used with another body";
    /// The lookup of this `request_id` is under way.
    RequestInProgress "request_in_progress" 409 Caller true "This request_id is being answered";
    /// The body is larger than the limit.
    BodyTooLarge "body_too_large" 413 Caller false "The body is too large";
    /// The body's media type or coding isn't served.
    UnsupportedMediaType "unsupported_media_type" 415 Caller false "The body's media type isn't served";
    /// The document breaks the schema.
    BreaksSchema "breaks_schema" 422 Caller false "The request breaks the schema";
    /// The member asks faster than agreed.
    RateLimited "rate_limited" 429 Caller true "Too many requests";
    /// The header section is too large.
    HeadersTooLarge "headers_too_large" 431 Caller false "The header section is too large";
    /// A bug of ours.
    Internal "internal" 500 Gateway false "Something went wrong here";
    /// More came than can be served.
    Overloaded "overloaded" 503 Gateway true "Too busy to serve this now";
    /// The process is about to stop.
    Draining "draining" 503 Gateway true "This instance is stopping";
    /// The exchange can't be recorded, so it can't take place.
    AuditUnavailable "audit_unavailable" 503 Gateway true "The exchange can't be recorded";
    /// The agency behind a routed call can't be reached.
    SourceUnavailable "source_unavailable" 503 Source true "The agency can't be reached";
    /// The agency behind a routed call didn't answer in time.
    SourceTimeout "source_timeout" 504 Source true "The agency didn't answer in time";
}

const URN_PREFIX: &str = "urn:loket:problem:";

impl Code {
    /// The problem type's URN, for example `urn:loket:problem:rate_limited`.
    #[must_use]
    pub fn urn(self) -> String {
        format!("{URN_PREFIX}{}", self.as_str())
    }

    /// The code of a URN from the closed list.
    #[must_use]
    pub fn from_urn(urn: &str) -> Option<Self> {
        let text = urn.strip_prefix(URN_PREFIX)?;
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

/// A problem document (RFC 9457) with Loket's extension members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// URN from the closed list.
    #[serde(rename = "type")]
    pub type_: String,
    /// Short title, the same for every occurrence of the type.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened here and what to do. Never a value of the request.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The type's short name.
    pub code: Code,
    /// Whose move it is.
    pub fault: Fault,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// 32 hexadecimal digits: quote it when you ask for help.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trace_id: String,
    /// Places that break the schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
}

impl Problem {
    /// A problem of this type; `detail` says what happened and what to do.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>, trace_id: impl Into<String>) -> Self {
        Self {
            type_: code.urn(),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            fault: code.fault(),
            retryable: code.retryable(),
            trace_id: trace_id.into(),
            errors: Vec::new(),
        }
    }

    /// Adds the places that break the schema.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<Violation>) -> Self {
        self.errors = errors;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_one_urn() {
        for code in Code::ALL {
            assert_eq!(Code::from_urn(&code.urn()), Some(*code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        assert_eq!(Code::from_urn("urn:loket:problem:other"), None);
    }

    #[test]
    fn a_problem_round_trips() {
        let problem = Problem::new(Code::BreaksSchema, "Mend the request.", "0".repeat(32))
            .with_errors(vec![Violation {
                pointer: "/case_id".into(),
                message: "is required".into(),
            }]);
        let text = serde_json::to_string(&problem).unwrap();
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
    }
}
