//! Conclude: what a walk came to in, recorded and as a reply out. No record, no answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use loket_sdk::message::{AccessReport, Answer, Approved, Explanation, Overall};
use serde_json::Value;

use crate::answer::{Keeping, Lookup};
use crate::audit::Kind;
use crate::fanout::FanOut;
use crate::refusal::Refusal;
use crate::relay::{self, Opened};
use crate::reply::{self, Body};
use crate::stream;
use crate::trail::Trail;

/// What a walk comes to.
pub(super) enum Walked {
    /// A lookup, answered and recorded.
    Answer(Overall, Bytes),
    /// A lookup, answered part by part.
    Stream(Box<Lookup>, FanOut, Keeping),
    /// A lookup whose answer is recorded, again part by part.
    Repeat(Box<Lookup>, Box<Answer>),
    /// Why a lookup would be carried out or refused.
    Explanation(Box<Explanation>),
    /// A second person's approval, recorded.
    Approved(Approved),
    /// A report for a citizen, and as a page if so wanted; recorded.
    Report(Box<AccessReport>, Option<String>),
    /// A document about the service.
    Document(Value),
    /// A text or bytes of this media type.
    Bytes(&'static str, Vec<u8>),
    /// A document that changes only with the program.
    Tagged(Arc<[u8]>, Option<http::HeaderValue>),
    /// A routed call that a source has begun to answer.
    Call(Box<Opened>),
}

/// Records what a walk came to and replies.
pub(super) async fn conclude(
    outcome: Result<Walked, Refusal>,
    mut trail: Trail,
    patience: Duration,
) -> Response<Body> {
    let recorded = match outcome {
        Ok(Walked::Stream(lookup, fan_out, keeping)) => {
            let trace_id = trail.trace_id().to_owned();
            let body = stream::body(*lookup, fan_out, keeping, trail, patience);
            return reply::stream(body, &trace_id);
        }
        Ok(Walked::Repeat(lookup, answer)) => {
            let trace_id = trail.trace_id().to_owned();
            let body = stream::repeat(*lookup, *answer, trail, patience);
            return reply::stream(body, &trace_id);
        }
        Ok(Walked::Call(opened)) => match relay::answer(*opened, trail).await {
            Ok(response) => return response,
            Err((refusal, kept)) => {
                trail = kept;
                Err(refusal)
            }
        },
        Ok(Walked::Answer(overall, text)) => {
            trail.responded(200, Some(overall.as_str()));
            return reply::answer(text, trail.trace_id());
        }
        Ok(Walked::Explanation(explanation)) => trail
            .close(Kind::Explain)
            .await
            .map(|_| reply::explanation(&explanation)),
        Ok(Walked::Approved(approved)) => Ok(reply::approved(&approved)),
        Ok(Walked::Report(report, page)) => {
            trail.responded(200, None);
            return reply::report(&report, page);
        }
        Ok(Walked::Document(document)) => trail
            .close(Kind::Read)
            .await
            .map(|_| reply::document(&document, trail.trace_id())),
        Ok(Walked::Bytes(media_type, bytes)) => trail
            .close(Kind::Read)
            .await
            .map(|_| reply::bytes(media_type, bytes, trail.trace_id())),
        Ok(Walked::Tagged(bytes, known)) => trail
            .close(Kind::Read)
            .await
            .map(|_| reply::tagged(&bytes, known.as_ref(), trail.trace_id())),
        Err(refusal) => Err(refusal),
    };
    let response = match recorded {
        Ok(response) => response,
        Err(refusal) => refuse(refusal, &mut trail).await,
    };
    trail.responded(response.status().as_u16(), None);
    response
}

/// Puts a refusal on record, unless that is what failed, and says why.
async fn refuse(refusal: Refusal, trail: &mut Trail) -> Response<Body> {
    let recorded = trail.refuse(&refusal).await;
    let refusal = recorded.as_ref().err().unwrap_or(&refusal);
    if let (Some(cause), Ok(true) | Err(_)) = (refusal.cause(), &recorded) {
        tracing::warn!(
            trace_id = trail.trace_id(),
            loket.code = refusal.code().as_str(),
            loket.cause = cause,
            "a request was refused"
        );
    }
    reply::refusal(refusal, trail.trace_id())
}
