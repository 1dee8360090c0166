//! From bytes to a checked [`Query`].

use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout, timeout_at};

use super::refusal::Refusal;
use super::{Query, Wanted};
use crate::claims;
use crate::ids::normalise;
use crate::json;
use crate::message::{
    DEADLINE_HEADER, DEFAULT_DEADLINE_MS, MAX_DEADLINE_MS, REQUEST_ID_HEADER, SourceRequest,
    SubjectKey,
};
use crate::problem::Code;
use crate::schema::{self, RecordSchema};
use crate::trace::TraceContext;

/// Most bytes of an unwanted body that are read to spare the connection.
const DISCARDED: usize = 256 * 1024;

/// When the answer is no longer of use, by the header; longer than the longest is the longest.
pub(super) fn deadline(headers: &HeaderMap, arrived: Instant) -> Result<Instant, Refusal> {
    let mut values = headers.get_all(DEADLINE_HEADER).iter();
    let millis = match (values.next(), values.next()) {
        (None, _) => Some(DEFAULT_DEADLINE_MS),
        (Some(value), None) => value
            .to_str()
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse::<u32>().ok()),
        (Some(_), Some(_)) => None,
    };
    let millis = millis.ok_or_else(|| {
        Refusal::new(
            Code::MalformedRequest,
            "Send `loket-deadline-ms` once, as whole milliseconds.",
        )
    })?;
    Ok(arrived + Duration::from_millis(millis.min(MAX_DEADLINE_MS).into()))
}

pub(super) fn media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
    if is_json && !headers.contains_key(CONTENT_ENCODING) {
        return Ok(());
    }
    Err(Refusal::new(
        Code::UnsupportedMediaType,
        "Send `content-type: application/json` and no content coding.",
    ))
}

/// Reads the whole body, no more than `limit` bytes, no later than `by`.
pub(super) async fn body<B: Body<Data = Bytes>>(
    mut body: Pin<&mut B>,
    limit: usize,
    by: Instant,
) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::new(
            Code::BodyTooLarge,
            format!("A question has at most {limit} bytes."),
        )
    };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    let reading = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                Refusal::new(
                    Code::MalformedRequest,
                    "The body ended before it was whole.",
                )
            })?;
            if let Some(data) = frame.data_ref() {
                if bytes.len() + data.len() > limit {
                    return Err(too_large());
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(())
    };
    timeout_at(by, reading).await.map_err(|_| {
        Refusal::new(
            Code::RequestTimeout,
            "Send the body at once, or name a later deadline.",
        )
    })??;
    Ok(bytes.freeze())
}

/// Reads and forgets what is left of a body: an HTTP/2 stream that is answered early and not
/// drained counts towards the resets for which a well-behaved client loses its connection.
pub(super) async fn discard<B: Body<Data = Bytes>>(mut body: Pin<&mut B>, within: Duration) {
    let reading = async {
        let mut left = DISCARDED;
        while !body.is_end_stream() {
            let Some(Ok(frame)) = body.frame().await else {
                return;
            };
            let length = frame.data_ref().map_or(0, Bytes::len);
            if length > left {
                return;
            }
            left -= length;
        }
    };
    // Whatever is left after that costs the client its connection, not us our time.
    let _ = timeout(within, reading).await;
}

/// The question, checked against the envelope and the record.
pub(super) fn read(
    bytes: &[u8],
    headers: &HeaderMap,
    schema: &RecordSchema,
    trace: &TraceContext,
    deadline: Instant,
) -> Result<Query, Refusal> {
    let document = json::parse(bytes).map_err(|error| {
        Refusal::new(Code::MalformedRequest, format!("Mend the body: {error}."))
    })?;
    schema::source_request()
        .check(&document)
        .map_err(Refusal::schema)?;
    // serde's text may quote the document.
    let request: SourceRequest = serde_json::from_value(document)
        .map_err(|_| Refusal::at("", "isn't a question of a gateway"))?;
    if let Some(value) = headers.get(REQUEST_ID_HEADER)
        && value.as_bytes() != request.request_id.to_string().as_bytes()
    {
        return Err(Refusal::new(
            Code::MalformedRequest,
            "The header `loket-request-id` and the body name different requests.",
        ));
    }
    subject(&request.subject, schema)?;
    let wanted = match (request.fields, request.claims) {
        (Some(fields), None) => Wanted::Fields(fields),
        (None, Some(claims)) => Wanted::Claims(claims),
        _ => return Err(Refusal::at("", "must have either `fields` or `claims`")),
    };
    known(&wanted, schema)?;
    Ok(Query {
        record: schema.record.clone(),
        subject: request.subject,
        wanted,
        purpose: request.purpose,
        legal_basis: request.legal_basis,
        requester: request.requester,
        request_id: request.request_id,
        case_id: request.case_id,
        trace: trace.clone(),
        deadline,
    })
}

fn subject(subject: &SubjectKey, schema: &RecordSchema) -> Result<(), Refusal> {
    if !schema.is_keyed_by(subject.scheme) {
        return Err(Refusal::at(
            "/subject/scheme",
            "isn't a scheme by which this record can be asked",
        ));
    }
    let normal = normalise(subject.scheme, subject.value.expose());
    if normal.is_ok_and(|normal| normal == *subject.value.expose()) {
        return Ok(());
    }
    Err(Refusal::at(
        "/subject/value",
        "isn't an identifier of its scheme in normal form",
    ))
}

fn known(wanted: &Wanted, schema: &RecordSchema) -> Result<(), Refusal> {
    let unknown = |pointer: String| Refusal::at(pointer, "isn't a field of this record");
    match wanted {
        Wanted::Fields(fields) => {
            for (index, name) in fields.iter().enumerate() {
                schema
                    .field(name)
                    .ok_or_else(|| unknown(format!("/fields/{index}")))?;
            }
        }
        Wanted::Claims(claims) => {
            for (index, claim) in claims.iter().enumerate() {
                let field = schema
                    .field(&claim.field)
                    .ok_or_else(|| unknown(format!("/claims/{index}/field")))?;
                claims::check(field.verify, claim).map_err(|error| {
                    let pointer = format!("/claims/{index}{}", error.pointer);
                    Refusal::at(pointer, error.message.to_string())
                })?;
            }
        }
    }
    Ok(())
}
