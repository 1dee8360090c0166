//! Request: an HTTP head and an unread body in, what is asked for and the bytes out.

pub mod head;
mod path;
mod target;
mod tile;

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use loket_sdk::message::RecordRef;

use crate::config::Limits;
use crate::directory::CALL_METHODS;
use crate::refusal::Refusal;

pub use target::CallTarget;
pub use tile::TileName;

/// What is asked for, by method and path.
#[derive(Debug)]
pub enum Operation {
    /// `POST /v1/lookups`.
    Lookup,
    /// `POST /v1/explain`.
    Explain,
    /// `POST /v1/break-glass/{entry}/approvals`.
    Approve(u64),
    /// `POST /v1/access-reports`.
    AccessReport,
    /// `GET /v1/catalogue`.
    Catalogue,
    /// `GET /v1/schemas/{record}/{version}`.
    Schema(RecordRef),
    /// `GET /openapi.json`.
    OpenApi,
    /// `GET /v1/receipts/{entry}`.
    Receipt(u64),
    /// `GET /v1/log/checkpoint`.
    Checkpoint,
    /// `GET /v1/log/tile/{level}/{tile}`.
    Tile(TileName),
    /// A method of [`CALL_METHODS`], `/v1/services/{agency}/{service}/{path}`.
    Call(CallTarget),
}

impl Operation {
    /// By method and path; nothing of the path is used but what is recognised.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::MethodNotAllowed`], [`Refusal::BadTarget`].
    pub fn of(head: &Parts) -> Result<Self, Refusal> {
        if let Some(rest) = head.uri.path().strip_prefix("/v1/services/") {
            return call(head, rest);
        }
        let path: Vec<&str> = head.uri.path().split('/').skip(1).collect();
        let (allowed, operation) = match path.as_slice() {
            ["v1", "lookups"] => ("POST", Self::Lookup),
            ["v1", "explain"] => ("POST", Self::Explain),
            ["v1", "break-glass", entry, "approvals"] => {
                let entry = tile::number(entry).ok_or(Refusal::NotFound)?;
                ("POST", Self::Approve(entry))
            }
            ["v1", "access-reports"] => ("POST", Self::AccessReport),
            ["v1", "catalogue"] => ("GET", Self::Catalogue),
            ["v1", "schemas", name, version] => {
                let record = format!("{name}/{version}")
                    .parse()
                    .map_err(|_| Refusal::NotFound)?;
                ("GET", Self::Schema(record))
            }
            ["openapi.json"] => ("GET", Self::OpenApi),
            ["v1", "receipts", entry] => {
                let entry = tile::number(entry).ok_or(Refusal::NotFound)?;
                ("GET", Self::Receipt(entry))
            }
            ["v1", "log", "checkpoint"] => ("GET", Self::Checkpoint),
            ["v1", "log", "tile", level, rest @ ..] => {
                let tile = TileName::read(level, rest).ok_or(Refusal::NotFound)?;
                ("GET", Self::Tile(tile))
            }
            _ => return Err(Refusal::NotFound),
        };
        let right = match allowed {
            "POST" => head.method == Method::POST,
            _ => head.method == Method::GET || head.method == Method::HEAD,
        };
        if right {
            Ok(operation)
        } else {
            Err(Refusal::MethodNotAllowed(allowed))
        }
    }

    /// The template, for spans and metrics; never the path itself.
    #[must_use]
    pub fn route(operation: &Result<Self, Refusal>) -> &'static str {
        match operation {
            Ok(Self::Lookup) => "/v1/lookups",
            Ok(Self::Explain) => "/v1/explain",
            Ok(Self::Approve(_)) => "/v1/break-glass/{entry}/approvals",
            Ok(Self::AccessReport) => "/v1/access-reports",
            Ok(Self::Catalogue) => "/v1/catalogue",
            Ok(Self::Schema(_)) => "/v1/schemas/{record}/{version}",
            Ok(Self::OpenApi) => "/openapi.json",
            Ok(Self::Receipt(_)) => "/v1/receipts/{entry}",
            Ok(Self::Checkpoint) => "/v1/log/checkpoint",
            Ok(Self::Tile(_)) => "/v1/log/tile/{level}/{tile}",
            Ok(Self::Call(_)) => "/v1/services/{agency}/{service}",
            Err(_) => "",
        }
    }
}

fn call(head: &Parts, rest: &str) -> Result<Operation, Refusal> {
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
    ];
    if !known.contains(&head.method) {
        return Err(Refusal::MethodNotAllowed(CALL_METHODS));
    }
    if head.headers.contains_key(header::UPGRADE) {
        return Err(Refusal::BadTarget("A routed call can't be upgraded"));
    }
    CallTarget::read(rest, head.uri.query()).map(Operation::Call)
}

/// Whether the caller waits for all or takes parts as they come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// All at once.
    Whole,
    /// As they come.
    Parts,
}

impl Wanted {
    /// By `Accept` (RFC 9110 section 12.5.1); the first media range that is served decides.
    ///
    /// # Errors
    /// [`Refusal::NotAcceptable`].
    pub fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        accepted(headers, Self::Whole, |range| match range {
            "application/json" | "application/*" | "*/*" => Some(Self::Whole),
            "text/event-stream" | "text/*" => Some(Self::Parts),
            _ => None,
        })
        .ok_or(Refusal::NotAcceptable(
            "application/json, text/event-stream",
        ))
    }
}

/// Whether a report is for a program or to print out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// JSON.
    Document,
    /// HTML.
    Page,
}

impl Shape {
    /// By `Accept`, as [`Wanted::of`].
    ///
    /// # Errors
    /// [`Refusal::NotAcceptable`].
    pub fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        accepted(headers, Self::Document, |range| match range {
            "application/json" | "application/*" | "*/*" => Some(Self::Document),
            "text/html" | "text/*" => Some(Self::Page),
            _ => None,
        })
        .ok_or(Refusal::NotAcceptable("application/json, text/html"))
    }
}

/// What `served` gives for the first media range that is accepted and served; `default` when nothing
/// is said.
fn accepted<T>(headers: &HeaderMap, default: T, served: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::to_ascii_lowercase)
        .peekable();
    if ranges.peek().is_none() {
        return Some(default);
    }
    ranges.find_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next();
        // A weight of zero is a no.
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        served(name.filter(|_| weight != Some(0.0))?)
    })
}

/// A body that nobody has read yet.
pub struct Unread {
    /// As hyper hands it over; none once it is on its way to a source.
    pub body: Option<Incoming>,
    /// How much and how long.
    pub limits: Limits,
}

impl Unread {
    /// Reads the whole of a JSON body.
    ///
    /// # Errors
    /// When it is of another type, too large, too slow or broken off.
    pub async fn read(&mut self, headers: &HeaderMap) -> Result<Bytes, Refusal> {
        if !is_json(headers) {
            return Err(Refusal::UnsupportedMediaType("application/json"));
        }
        let (limit, patience) = (self.limits.max_body, self.limits.body_timeout);
        let body = self.body.as_mut();
        let body = body.ok_or_else(|| Refusal::Internal("the body is gone".to_owned()))?;
        let declared = hyper::body::Body::size_hint(body).lower();
        if declared > limit as u64 {
            return Err(Refusal::BodyTooLarge(limit));
        }
        let body = Limited::new(body, limit).collect();
        match tokio::time::timeout(patience, body).await {
            Err(_) => Err(Refusal::RequestTimeout(patience)),
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Refusal::BodyTooLarge(limit))
            }
            Ok(Err(_)) => Err(Refusal::Malformed(
                "The body broke off. Send it whole".to_owned(),
            )),
        }
    }

    /// Takes what is left of a small body off the connection. An HTTP/2 answer before the end of
    /// the body resets the stream, and enough of those end a well-behaved peer's connection.
    pub async fn drain(&mut self) {
        const PATIENCE: Duration = Duration::from_millis(500);
        let Some(body) = &mut self.body else { return };
        if hyper::body::Body::size_hint(body).lower() > self.limits.max_body as u64 {
            return;
        }
        let mut left = self.limits.max_body;
        // Thrown away as it comes: what is shed mustn't cost memory.
        let rest = async {
            while let Some(Ok(frame)) = body.frame().await {
                let length = frame.data_ref().map_or(0, Bytes::len);
                match left.checked_sub(length) {
                    Some(rest) => left = rest,
                    None => break,
                }
            }
        };
        // Whatever comes of it, the refusal is what the caller gets.
        let _ = tokio::time::timeout(PATIENCE, rest).await;
    }
}

/// `application/json`, in UTF-8, without a content coding.
fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return false;
    };
    let Ok(value) = value.to_str() else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let json = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, charset)) if name.eq_ignore_ascii_case("charset") => {
            charset.trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    let plain = headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    json && utf8 && plain
}

#[cfg(test)]
mod tests;
