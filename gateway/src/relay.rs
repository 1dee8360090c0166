//! Relay: a permitted call and its unread body in, the source's answer as it comes out.
//!
//! Bodies stream both ways, hashed and counted on the way; a body that breaks off on one side breaks
//! off on the other, so that nobody takes a part for the whole. An answer known to be small is taken
//! whole and recorded once; any other is recorded when it opens and again before its end leaves.

mod answering;
mod headers;
mod meter;
mod passing;
mod sending;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body as _;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use jiff::Timestamp;
use loket_sdk::message::Reason;
use uuid::Uuid;

use crate::audit::{CallEntry, CallOutcome, Kind};
use crate::directory::Service;
use crate::policy::{NamedBy, PermittedCall};
use crate::refusal::Refusal;
use crate::snapshot::Snapshot;
use crate::telemetry::{Decision, RateScope};
use crate::trail::Trail;
use crate::upstream::{BoxError, Failure, Forward, Forwarded};
use answering::Answering;
use meter::Meter;
use passing::Fault;
use sending::Sending;

/// A body on its way to the caller.
pub type Streamed = UnsyncBoxBody<Bytes, BoxError>;

/// An answer of at most so many bytes is recorded once, before its head leaves.
const SMALL: u64 = 64 << 10;

/// An answer that has begun.
#[derive(Debug)]
pub struct Opened {
    forwarded: Forwarded,
    sent: Option<Arc<Meter>>,
    stall: Duration,
}

/// Sends the call to the source and waits for the head of its answer.
///
/// # Errors
/// When the quota is used up, the call can't be recorded, the caller's body breaks off, or the source
/// doesn't answer.
pub async fn forward(
    permitted: &PermittedCall,
    snapshot: &Snapshot,
    head: &mut Parts,
    body: &mut Option<Incoming>,
    trail: &mut Trail,
    now: Timestamp,
) -> Result<Opened, Refusal> {
    let service = &snapshot.directory.services()[permitted.service()];
    let (named, request_id) = draw(permitted, snapshot, &head.method, trail, now)?;
    let grant = &snapshot.directory.service_grants()[named.grant];
    // A caller who stands still must be found out before the source seems to be slow to answer.
    let patience = service
        .stall_timeout
        .min(service.first_byte_timeout * 3 / 4);
    let (outbound, sent) = outbound(body.take(), patience);
    let headers = std::mem::take(&mut head.headers);
    let mut request = request(permitted, request_id, service, headers, outbound)?;
    *request.method_mut() = head.method.clone();
    let forward = Forward {
        request,
        connect_timeout: service.backend.connect_timeout,
        first_byte_timeout: service.first_byte_timeout,
        deadline: None,
        replayable: matches!(head.method, Method::GET | Method::HEAD),
        route: grant.paths[named.pattern].as_str(),
        parent: trail.span().clone(),
    };
    match snapshot.services[permitted.service()]
        .forward(forward)
        .await
    {
        Ok(forwarded) => Ok(Opened {
            forwarded,
            sent,
            stall: service.stall_timeout,
        }),
        Err(failure) => {
            if !failure.asked {
                snapshot.admission.give_back_call(named.grant, now);
                trail.call_unasked();
            }
            let refusal = refusal(&failure, sent.as_deref(), patience);
            trail.call_ended(
                None,
                sent.as_deref().map(Meter::sum),
                None,
                outcome(&failure),
            );
            Err(refusal)
        }
    }
}

/// A UUID of version 7, without a system call for its random part.
fn request_id(now: Timestamp) -> Uuid {
    let ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(ms, &rand::random()).into_uuid()
}

/// Draws on the first grant that has a call left today, so that one that is used up doesn't hide the
/// next, and says in the trail which call it is.
fn draw(
    permitted: &PermittedCall,
    snapshot: &Snapshot,
    method: &Method,
    trail: &mut Trail,
    now: Timestamp,
) -> Result<(NamedBy, Uuid), Refusal> {
    let service = &snapshot.directory.services()[permitted.service()];
    let drawn = permitted
        .grants()
        .find(|named| snapshot.admission.draw_call(named.grant, now));
    let named = drawn.unwrap_or(permitted.first());
    let grant = &snapshot.directory.service_grants()[named.grant];
    let request_id = request_id(now);
    trail.call(
        request_id,
        CallEntry {
            agency: service.agency.clone(),
            service: service.service.clone(),
            method: method.as_str().to_owned(),
            grant: grant.id.clone(),
            path: grant.paths[named.pattern].as_str().to_owned(),
            status: None,
            request: None,
            response: None,
            asked: drawn.is_some(),
            outcome: CallOutcome::Open,
        },
    );
    let decision = match drawn {
        Some(_) => Decision::Allowed,
        None => Decision::Denied,
    };
    let metrics = trail.telemetry().metrics();
    metrics.rate_limited(RateScope::Agency, decision);
    if drawn.is_none() {
        trail.call_ended(None, None, None, CallOutcome::Denied);
        let wait = snapshot.admission.until_tomorrow(now);
        return Err(Refusal::QuotaUsedUp(wait));
    }
    Ok((named, request_id))
}

/// The request as the source gets it: what was checked, and who calls.
fn request(
    permitted: &PermittedCall,
    request_id: Uuid,
    service: &Service,
    mut headers: HeaderMap,
    body: Streamed,
) -> Result<Request<Streamed>, Refusal> {
    headers::clean_request(&mut headers);
    let caller = permitted.admitted().identified();
    headers::introduce(&mut headers, caller, request_id, service.first_byte_timeout);
    let mut request = Request::new(body);
    *request.headers_mut() = headers;
    let path = permitted.target().path_and_query();
    *request.uri_mut() = path.map_err(|_| Refusal::NotFound)?.into();
    Ok(request)
}

/// The body as the source gets it, and what measures it; a request without one is measured already.
fn outbound(body: Option<Incoming>, stall: Duration) -> (Streamed, Option<Arc<Meter>>) {
    match body.filter(|body| !body.is_end_stream()) {
        Some(body) => {
            let meter = Arc::new(Meter::default());
            let sending = Sending::new(body, meter.clone(), stall);
            (sending.boxed_unsync(), Some(meter))
        }
        None => {
            let empty = Empty::new().map_err(|never| match never {});
            (empty.boxed_unsync(), None)
        }
    }
}

/// Whose fault it is that there is no answer.
fn refusal(failure: &Failure, sent: Option<&Meter>, stall: Duration) -> Refusal {
    match (failure.reason, sent.and_then(Meter::fault)) {
        (_, Some(Fault::Stalled)) => Refusal::RequestTimeout(stall),
        (_, Some(Fault::Broken)) | (Reason::CallerLeft, _) => {
            Refusal::BadTarget("The body broke off")
        }
        (Reason::NoAnswerYet, _) => Refusal::SourceTimeout,
        _ => Refusal::SourceUnavailable(failure.retry_after_s.map(Duration::from_secs)),
    }
}

fn outcome(failure: &Failure) -> CallOutcome {
    match failure.reason {
        Reason::CallerLeft => CallOutcome::CutShort,
        Reason::NoAnswerYet => CallOutcome::TimedOut,
        _ => CallOutcome::Unavailable,
    }
}

/// Records the answer and passes it on.
///
/// # Errors
/// When it can't be recorded, or a small one breaks off: nothing has left then.
pub async fn answer(
    opened: Opened,
    mut trail: Trail,
) -> Result<Response<Streamed>, (Refusal, Trail)> {
    let Opened {
        forwarded: Forwarded { response, guard },
        sent,
        stall,
    } = opened;
    let (mut head, body) = response.into_parts();
    let status = head.status.as_u16();
    headers::clean_response(&mut head.headers, trail.trace_id());
    let size = match body.is_end_stream() {
        true => Some(0),
        false => body.size_hint().exact(),
    };
    // A source that switches protocols was asked to by nobody.
    let switched = status == 101;
    let mut answering = Answering::new(body, guard, sent, status, size, stall);
    if switched {
        answering.break_off(&mut trail);
        return Err((Refusal::SourceUnavailable(None), trail));
    }
    if size.is_some_and(|size| size <= SMALL) {
        return match answering.take_whole(&mut trail).await {
            Ok(body) => match trail.close(Kind::Call).await {
                Ok(_) => {
                    trail.responded(status, None);
                    Ok(Response::from_parts(head, body))
                }
                Err(refusal) => Err((refusal, trail)),
            },
            Err(refusal) => Err((refusal, trail)),
        };
    }
    if let Err(refusal) = trail.open_call(status).await {
        answering.leave(&mut trail);
        return Err((refusal, trail));
    }
    let body = answering.stream(trail);
    Ok(Response::from_parts(head, body.boxed_unsync()))
}
