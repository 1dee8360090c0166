//! Ask: a lookup's question in; the bytes of its answer, or why there are none, out.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use loket_sdk::message::{REQUEST_ID_HEADER, Reason, RecordRef};
use loket_sdk::problem::{Code, Problem};
use tokio::time::Instant;
use uuid::Uuid;

use super::call::Call as Attempt;
use super::envelope::Envelope;
use super::failure::{Failure, refusal, retry_after};
use super::guard::Guard;
use super::stack::{Stack, Terms};
use crate::telemetry::{Called, ErrorType, SpanHandle};

const REQUEST_ID: HeaderName = HeaderName::from_static(REQUEST_ID_HEADER);

/// One question.
#[derive(Debug, Clone)]
pub struct Call {
    /// Which record.
    pub record: RecordRef,
    /// The lookup's id.
    pub request_id: Uuid,
    /// What to ask, as JSON.
    pub body: Bytes,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Largest answer that is read, in bytes.
    pub max_answer: usize,
    /// Names the question, so that identical ones under way may share an answer.
    pub key: Option<[u8; 32]>,
    /// The span that the call belongs to.
    pub parent: SpanHandle,
}

/// The bytes of an answer, whose call ends when it is known what they are worth.
#[derive(Clone)]
pub struct Answered {
    /// What came.
    pub bytes: Bytes,
    /// The first who knows what the answer is worth ends the call.
    attempt: Arc<Mutex<Option<Attempt>>>,
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answered").finish_non_exhaustive()
    }
}

impl Answered {
    /// Ends the call with what became of the answer.
    pub fn conclude(self, reason: Reason, error_type: Option<ErrorType>) {
        let mut attempt = self.attempt.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(attempt) = attempt.take() {
            attempt.finish(reason.outcome().as_str(), reason.as_str(), error_type);
        }
    }
}

/// What a source's back end says of its lookups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub(super) timeout: Duration,
    pub(super) connect: Duration,
    pub(super) hedge: Option<Duration>,
    pub(super) single_flight: bool,
}

/// Asks, or waits for the answer to the same question.
pub(super) async fn ask(
    stack: &Arc<Stack>,
    settings: Settings,
    call: &Call,
) -> Result<Answered, Failure> {
    let Some(key) = call.key.filter(|_| settings.single_flight) else {
        return alone(stack, settings, call).await;
    };
    loop {
        let (flight, joined) = stack.flights.join(key, || {
            let (stack, call) = (stack.clone(), call.clone());
            async move { alone(&stack, settings, &call).await }
        });
        if joined {
            stack.telemetry.metrics().agency_shared(&stack.peer);
        }
        let landed = match tokio::time::timeout_at(call.deadline, flight).await {
            Ok(landed) => landed,
            Err(_) => return Err(Failure::hasty()),
        };
        // The other was in a hurry, and this one isn't.
        let left_early = joined && landed.as_ref().is_err_and(|failure| failure.hasty);
        if !(left_early && Instant::now() < call.deadline) {
            return landed;
        }
    }
}

async fn alone(stack: &Arc<Stack>, settings: Settings, call: &Call) -> Result<Answered, Failure> {
    let record = call.record.to_string();
    let terms = Terms {
        called: Called::Record(&record),
        parent: &call.parent,
        deadline: Some(call.deadline),
        // An attempt's own time is over whatever it was spent on.
        connect: settings.connect.min(settings.timeout),
        first_byte: settings.timeout,
        hedge: settings.hedge,
    };
    let unfit = Failure::unasked(Reason::Unreachable, ErrorType::Protocol);
    let path = format!("/v1/records/{}/{}", call.record.name(), call.record.major());
    let path = PathAndQuery::from_maybe_shared(Bytes::from(path)).map_err(|_| unfit)?;
    let envelope = Envelope::whole(Method::POST, path, headers(call)?, call.body.clone());
    let (response, guard) = stack.open(envelope, &terms).await?;
    let own = guard.started() + settings.timeout;
    read(response, guard, call, own).await
}

fn headers(call: &Call) -> Result<HeaderMap, Failure> {
    let json = HeaderValue::from_static("application/json");
    let mut id = Uuid::encode_buffer();
    let id = HeaderValue::from_str(call.request_id.hyphenated().encode_lower(&mut id))
        .map_err(|_| Failure::unasked(Reason::Unreachable, ErrorType::Protocol))?;
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert(header::CONTENT_TYPE, json.clone());
    headers.insert(header::ACCEPT, json);
    headers.insert(REQUEST_ID, id);
    Ok(headers)
}

/// Reads the answer whole, in the time that is left.
async fn read(
    response: Response<Incoming>,
    guard: Guard,
    call: &Call,
    own: Instant,
) -> Result<Answered, Failure> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, call.max_answer).collect();
    let bytes = match tokio::time::timeout_at(call.deadline.min(own), body).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) => {
            let failure = match error.is::<LengthLimitError>() {
                true => Failure::new(Reason::TooLarge, ErrorType::Protocol),
                false => Failure::new(Reason::SourceError, ErrorType::ConnectionReset),
            };
            guard.fail(&failure);
            return Err(failure);
        }
        Err(_) => {
            let failure = Failure {
                hasty: call.deadline < own,
                ..Failure::new(Reason::NoAnswerYet, ErrorType::Timeout)
            };
            guard.fail(&failure);
            return Err(failure);
        }
    };
    if head.status == StatusCode::OK {
        return Ok(Answered {
            bytes,
            attempt: Arc::new(Mutex::new(Some(guard.answered()))),
        });
    }
    let code = serde_json::from_slice::<Problem>(&bytes)
        .ok()
        .map(|problem| problem.code);
    let reason = refusal(head.status, code);
    if head.status.is_client_error() && reason != Reason::NoAnswerYet {
        guard.tell_refused(call, head.status, code.map_or("", Code::as_str));
    }
    let failure = Failure {
        retry_after_s: retry_after(&head.headers),
        // It was told how much time there was.
        hasty: reason == Reason::NoAnswerYet && call.deadline < own,
        ..Failure::new(reason, ErrorType::Status(head.status.as_u16()))
    };
    guard.refused(&failure);
    Err(failure)
}

impl Guard {
    /// The agency finds fault with us: only its engineers and ours together can mend that.
    fn tell_refused(&self, call: &Call, status: StatusCode, code: &str) {
        tracing::warn!(
            trace_id = %call.parent.trace_id_hex(),
            service.peer.name = self.stack().name.agency.as_str(),
            loket.record = %call.record,
            http.response.status_code = status.as_u16(),
            loket.code = code,
            "an agency refused a question of the gateway's"
        );
    }
}
