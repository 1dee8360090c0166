//! One call to the gateway: what is sent, how often, within which time.
//!
//! Sent again: what never reached the gateway, what was cut before any answer, and 409, 429 or 503
//! that say `retryable`, after their `Retry-After`. The request stays the same to the byte, and
//! with it the `request_id` and the replay key: what was answered already is answered the same, and
//! no agency is asked twice. Never sent again: what
//! timed out, and an answer that has begun.

use std::error::Error as StdError;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::Inner;
use super::error::{Error, Result};
use super::tls_fault::TlsFault;
use crate::json;
use crate::message::{REPLAY_KEY_HEADER, TRACE_ID_HEADER};
use crate::problem::{self, Problem};
use crate::trace::{TraceContext, TraceId};

/// Longest `Retry-After` that the client waits out itself.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// Largest problem document.
const MAX_PROBLEM: usize = 256 * 1024;
/// Pause before the first repetition.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

pub(super) const JSON: &str = "application/json";

pub(super) struct Call {
    pub method: Method,
    /// Path from the root, after the base URL's own.
    pub path: String,
    pub accept: &'static str,
    pub body: Bytes,
    pub request_id: Option<Uuid>,
    /// Under which the gateway keeps the answer.
    pub replay_key: Option<HeaderValue>,
    pub trace: TraceContext,
    /// Bound of the whole call, repetitions among it.
    pub within: Duration,
}

/// The head of a 2xx answer, and until when its body may come.
pub(super) struct Begun {
    pub response: Response<Incoming>,
    pub trace_id: String,
    pub until: Instant,
}

/// A failed attempt, and after which pause it may be repeated.
struct Failure {
    error: Error,
    again: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, again: None }
    }
}

impl Call {
    pub(super) fn get(path: String, deadline: Duration) -> Self {
        Self {
            method: Method::GET,
            path,
            accept: JSON,
            body: Bytes::new(),
            request_id: None,
            replay_key: None,
            trace: TraceContext::root(false),
            within: deadline + super::MARGIN,
        }
    }

    pub(super) fn timeout(&self) -> Error {
        Error::Timeout {
            after: self.within,
            request_id: self.request_id,
            trace_id: self.trace.trace_id.to_string(),
        }
    }

    fn request(&self, base: &str) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(format!("{base}{}", self.path))
            .header(ACCEPT, self.accept)
            .body(Full::new(self.body.clone()))
            .map_err(|_| Error::usage("the path isn't one of a URL"))?;
        let headers = request.headers_mut();
        if !self.body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        }
        if let Some(key) = &self.replay_key {
            headers.insert(REPLAY_KEY_HEADER, key.clone());
        }
        self.trace.to_headers(headers);
        Ok(request)
    }
}

impl Inner {
    /// Sends until an answer begins, a failure may not be repeated, or the time is over.
    pub(super) async fn begin(&self, call: &Call) -> Result<Begun> {
        let until = Instant::now() + call.within;
        for repetition in 0.. {
            let attempt = Box::pin(self.attempt(call, until));
            let failure = match tokio::time::timeout_at(until.into(), attempt).await {
                Err(_) => return Err(call.timeout()),
                Ok(Ok(begun)) => return Ok(begun),
                Ok(Err(failure)) => failure,
            };
            let left = until.saturating_duration_since(Instant::now());
            let pause = failure
                .again
                .map(|least| least.max(pause_before(repetition)))
                .filter(|pause| repetition < self.retries && *pause < left);
            let Some(pause) = pause else {
                return Err(failure.error);
            };
            tracing::debug!(
                trace.id = failure.error.trace_id(),
                error.code = failure.error.code(),
                pause_ms = pause.as_millis() as u64,
                "The gateway is asked again."
            );
            tokio::time::sleep(pause).await;
        }
        Err(call.timeout())
    }

    /// Sends and reads a JSON answer.
    pub(super) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T> {
        let begun = self.begin(call).await?;
        let trace_id = begun.trace_id.clone();
        if !is_type(begun.response.headers(), JSON) {
            return Err(Error::protocol("it isn't application/json", &trace_id));
        }
        let body = begun.response.into_body();
        let read = Box::pin(read_body(body, self.max_answer, call.request_id, &trace_id));
        let bytes = tokio::time::timeout_at(begun.until.into(), read)
            .await
            .map_err(|_| call.timeout())??;
        from_json(&bytes, &trace_id)
    }

    async fn attempt(&self, call: &Call, until: Instant) -> Result<Begun, Failure> {
        let start = Instant::now();
        let response = self
            .http
            .request(call.request(&self.base)?)
            .await
            .map_err(|error| self.no_answer(error, start, call))?;
        let trace_id = trace_id(response.headers(), call);
        if response.status().is_success() {
            return Ok(Begun {
                response,
                trace_id,
                until,
            });
        }
        Err(refused(response, trace_id, call).await)
    }

    /// Nothing of an answer came.
    fn no_answer(&self, error: legacy::Error, start: Instant, call: &Call) -> Failure {
        let trace_id = call.trace.trace_id.to_string();
        let fault = TlsFault::in_chain(&error).or_else(|| self.last_fault.since(start));
        if let Some(fault) = fault {
            return Error::Tls {
                fault,
                trace_id,
                source: error.into(),
            }
            .into();
        }
        let hyper = cause::<hyper::Error>(&error);
        if hyper.is_some_and(|error| error.is_parse() || error.is_user()) {
            return Error::protocol("it isn't HTTP", &trace_id).into();
        }
        Failure {
            error: Error::Connect {
                address: self.address.clone(),
                reason: cause::<super::connect::NoConnection>(&error)
                    .map_or("the connection closed before any answer", |none| {
                        none.reason
                    }),
                trace_id,
                source: error.into(),
            },
            again: Some(Duration::ZERO),
        }
    }
}

/// An answer that isn't 2xx.
async fn refused(response: Response<Incoming>, trace_id: String, call: &Call) -> Failure {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    if !is_type(response.headers(), problem::MEDIA_TYPE) {
        let what = format!("it has status {} and no problem document", status.as_u16());
        return Error::protocol(what, &trace_id).into();
    }
    let body = response.into_body();
    let problem = match read_body(body, MAX_PROBLEM, call.request_id, &trace_id).await {
        Ok(bytes) => from_json::<Problem>(&bytes, &trace_id),
        Err(error) => Err(error),
    };
    let mut problem = match problem {
        Ok(problem) => problem,
        Err(error) => return error.into(),
    };
    if problem.trace_id.is_empty() {
        problem.trace_id = trace_id;
    }
    let may_repeat = problem.retryable
        && matches!(
            status,
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
    let again = match retry_after {
        Ok(wait) => Some(wait.unwrap_or_default()).filter(|wait| may_repeat && *wait <= MAX_WAIT),
        Err(Unreadable) => None,
    };
    Failure {
        error: Error::Problem {
            problem: Box::new(problem),
            retry_after: retry_after.unwrap_or_default(),
        },
        again,
    }
}

/// `Retry-After` that isn't a number of seconds: how long isn't known, so nothing is repeated.
#[derive(Clone, Copy)]
struct Unreadable;

fn retry_after(headers: &HeaderMap) -> Result<Option<Duration>, Unreadable> {
    let Some(value) = headers.get(RETRY_AFTER) else {
        return Ok(None);
    };
    let seconds = value.to_str().ok().and_then(|text| text.parse().ok());
    seconds
        .map(|seconds| Some(Duration::from_secs(seconds)))
        .ok_or(Unreadable)
}

/// Doubles each time; the random part keeps counters that failed together apart.
fn pause_before(repetition: u32) -> Duration {
    let random = u64::from(Uuid::new_v4().as_bytes()[0]) % 50;
    FIRST_PAUSE * 2_u32.saturating_pow(repetition.min(8)) + Duration::from_millis(random)
}

/// The gateway may have started a trace of its own; its header then says which.
fn trace_id(headers: &HeaderMap, call: &Call) -> String {
    headers
        .get(TRACE_ID_HEADER)
        .and_then(|value| value.to_str().ok()?.parse::<TraceId>().ok())
        .unwrap_or(call.trace.trace_id)
        .to_string()
}

pub(super) fn is_type(headers: &HeaderMap, expected: &str) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|value| value.trim().eq_ignore_ascii_case(expected))
}

async fn read_body(
    body: Incoming,
    limit: usize,
    request_id: Option<Uuid>,
    trace_id: &str,
) -> Result<Bytes> {
    match Limited::new(body, limit).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let what = format!("it is larger than {limit} bytes");
            Err(Error::protocol(what, trace_id))
        }
        Err(error) => Err(Error::Incomplete {
            request_id,
            trace_id: trace_id.to_owned(),
            source: Some(error),
        }),
    }
}

/// serde's own words can quote the document, so they are left out.
pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8], trace_id: &str) -> Result<T> {
    let document =
        json::parse(bytes).map_err(|error| Error::protocol(error.to_string(), trace_id))?;
    serde_json::from_value(document).map_err(|_| {
        let kind = std::any::type_name::<T>();
        let kind = kind.rsplit("::").next().unwrap_or(kind);
        Error::protocol(
            format!("the document doesn't have the shape of {kind}"),
            trace_id,
        )
    })
}

fn cause<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
