//! Every answer that isn't the provider's: problem documents, and the bytes of responses.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use crate::message::TRACE_ID_HEADER;
use crate::problem::{Code, MEDIA_TYPE, Problem, Violation};
use crate::trace::TraceContext;

/// Why a question isn't answered.
#[derive(Debug)]
pub(super) struct Refusal {
    code: Code,
    detail: String,
    errors: Vec<Violation>,
    allow: Option<&'static str>,
}

impl Refusal {
    /// `detail` says what happened and what to do; never a value of the request.
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            allow: None,
        }
    }

    pub(super) fn schema(errors: Vec<Violation>) -> Self {
        Self {
            errors,
            ..Self::new(
                Code::BreaksSchema,
                "Mend the places that `errors` names and ask again.",
            )
        }
    }

    /// One place that breaks the schema.
    pub(super) fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::schema(vec![Violation {
            pointer: pointer.into(),
            message: message.into(),
        }])
    }

    /// A bug here or in the provider; the log has the reason, the caller the trace id.
    pub(super) fn internal() -> Self {
        Self::new(
            Code::Internal,
            "Quote the trace id to the agency, which has the reason in its log.",
        )
    }

    pub(super) fn allow(methods: &'static str) -> Self {
        Self {
            allow: Some(methods),
            ..Self::new(
                Code::MethodNotAllowed,
                "Use a method that the `Allow` header names.",
            )
        }
    }

    pub(super) fn code(&self) -> Code {
        self.code
    }

    pub(super) fn into_response(self, trace: &TraceContext) -> Response<Full<Bytes>> {
        let problem = Problem::new(self.code, self.detail, trace.trace_id.to_string())
            .with_errors(self.errors);
        let mut response = json(&problem, trace);
        *response.status_mut() =
            StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(methods) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(methods));
        }
        if matches!(self.code, Code::Overloaded | Code::Draining) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// 200 with a JSON document.
pub(super) fn json(document: &impl Serialize, trace: &TraceContext) -> Response<Full<Bytes>> {
    // Our own types serialise: their maps have text keys and their numbers are finite.
    let bytes = serde_json::to_vec(document).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&trace.trace_id.to_string()) {
        headers.insert(TRACE_ID_HEADER, id);
    }
    response
}
