//! Envelope: a request before it has an address; it makes one for each attempt as long as it can.

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request};
use http_body::Body;
use http_body_util::Full;

use super::outgoing::{Outbound, Outgoing, Progress};

pub(super) struct Envelope {
    method: Method,
    pub(super) path: PathAndQuery,
    headers: HeaderMap,
    body: Contents,
    /// Whether asking twice does no more than asking once.
    pub(super) safe: bool,
    pub(super) progress: Option<Progress>,
}

enum Contents {
    Whole(Bytes),
    Streamed(Outbound),
    /// It left and can't be had again.
    Gone,
}

impl Envelope {
    pub(super) fn whole(
        method: Method,
        path: PathAndQuery,
        headers: HeaderMap,
        body: Bytes,
    ) -> Self {
        Self {
            method,
            path,
            headers,
            body: Contents::Whole(body),
            safe: true,
            progress: None,
        }
    }

    /// A caller's request. One without a body can be made again, if it is safe to.
    pub(super) fn streamed(request: Request<Outbound>, replayable: bool) -> Self {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().cloned();
        let empty = replayable && body.is_end_stream();
        Self {
            method: head.method,
            path: path.unwrap_or_else(|| PathAndQuery::from_static("/")),
            headers: head.headers,
            progress: (!body.is_end_stream()).then(Progress::new),
            body: match empty {
                true => Contents::Whole(Bytes::new()),
                false => Contents::Streamed(body),
            },
            safe: empty,
        }
    }

    /// The same once more, where that can be had.
    pub(super) fn again(&self) -> Option<Self> {
        match &self.body {
            Contents::Whole(body) if self.safe => Some(Self::whole(
                self.method.clone(),
                self.path.clone(),
                self.headers.clone(),
                body.clone(),
            )),
            _ => None,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.body, Contents::Gone)
    }

    /// A request without address.
    pub(super) fn request(&mut self) -> Option<Request<Outgoing>> {
        let body = match std::mem::replace(&mut self.body, Contents::Gone) {
            Contents::Gone => return None,
            Contents::Whole(body) => {
                self.body = Contents::Whole(body.clone());
                Outgoing::Whole(Full::new(body))
            }
            Contents::Streamed(body) => {
                let progress = self.progress.get_or_insert_with(Progress::new);
                Outgoing::Streamed(body, progress.clone())
            }
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.headers_mut() = match self.body {
            Contents::Whole(_) => self.headers.clone(),
            _ => std::mem::take(&mut self.headers),
        };
        Some(request)
    }

    /// Takes back what never left.
    pub(super) fn take_back(&mut self, request: Request<Outgoing>) {
        let (head, body) = request.into_parts();
        if !self.is_gone() {
            return;
        }
        self.headers = head.headers;
        if let Outgoing::Streamed(body, _) = body {
            self.body = Contents::Streamed(body);
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::upstream::whole;

    fn envelope(body: &str, replayable: bool) -> Envelope {
        let request = Request::post("/a?b=c").header("x-one", "1");
        let body = whole(Bytes::from(body.to_owned()));
        Envelope::streamed(request.body(body).unwrap(), replayable)
    }

    #[tokio::test]
    async fn what_never_left_can_leave_whole() {
        let mut envelope = envelope("body", false);
        let unsent = envelope.request().unwrap();
        assert!(envelope.is_gone() && envelope.request().is_none());
        envelope.take_back(unsent);
        let request = envelope.request().unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.headers()["x-one"], "1");
        let body = request.into_body().collect().await.unwrap();
        assert_eq!(body.to_bytes(), "body");
        assert!(envelope.again().is_none());
    }

    #[test]
    fn only_what_is_safe_and_empty_can_be_had_again() {
        for (body, replayable, safe) in [("", true, true), ("", false, false), ("x", true, false)] {
            let mut envelope = envelope(body, replayable);
            assert_eq!((envelope.safe, envelope.again().is_some()), (safe, safe));
            envelope.request().unwrap();
            let again = envelope.request();
            assert_eq!(again.is_some(), safe);
            assert!(again.is_none_or(|it| it.headers()["x-one"] == "1"));
        }
    }
}
