//! The tower service: a request of a gateway in, a response out, whatever happens.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body::Body;
use http_body_util::Full;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::refusal::{Refusal, json};
use super::{Provider, Query, SetupError, answer, question};
use crate::identity::{PeerCertificate, SpiffeId};
use crate::message::{REQUEST_ID_HEADER, SourceAnswer};
use crate::problem::Code;
use crate::schema::{self, RecordSchema};
use crate::statement::Signer;
use crate::trace::TraceContext;

/// What the kit bears. Change single members of the default.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Largest question, in bytes: 64 KiB.
    pub body_bytes: usize,
    /// Longest time for a question's body to arrive: 5 s.
    pub body_timeout: Duration,
    /// Questions at once, beyond which the kit answers `overloaded`: 256.
    pub concurrency: usize,
    /// Connections at once, beyond which new ones wait: 1024.
    pub connections: usize,
    /// Streams at once on one HTTP/2 connection: 256.
    pub streams: u32,
    /// Longest TLS handshake: 10 s.
    pub handshake_timeout: Duration,
    /// Longest time for an HTTP/1.1 header section to arrive: 30 s.
    pub header_timeout: Duration,
    /// Longest time that questions under way get after the signal to stop: 30 s.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            body_timeout: Duration::from_secs(5),
            concurrency: 256,
            connections: 1024,
            streams: 256,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

/// A [`Provider`] as a tower service that never fails and never panics.
///
/// Who asks is read from the request extension `Arc<PeerCertificate>`
/// ([`PeerCertificate`]). [`Server`](super::Server) puts it in after the TLS handshake. Who mounts
/// the service elsewhere has to do the same, from the certificate that the handshake verified and
/// from nothing else, such as a header; without the extension everything is refused with
/// `not_enrolled`.
///
/// ```
/// use loket_sdk::provider::{Provider, Service, SetupError};
///
/// fn routes(provider: impl Provider) -> Result<axum::Router, SetupError> {
///     let gateway = "spiffe://loket.example/gateway/mpp-1".parse()?;
///     let service = Service::new(provider, [gateway])?;
///     Ok(axum::Router::new().nest_service("/dukcapil", service))
/// }
/// ```
pub struct Service<P> {
    shared: Arc<Shared<P>>,
    signer: Option<Arc<Signer>>,
}

struct Shared<P> {
    provider: P,
    records: Vec<&'static RecordSchema>,
    gateways: HashSet<SpiffeId>,
    base: String,
    limits: Limits,
    places: Semaphore,
    draining: AtomicBool,
}

enum Route {
    Health,
    Record(&'static RecordSchema),
}

impl<P> Clone for Service<P> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            signer: self.signer.clone(),
        }
    }
}

impl<P: Provider> Service<P> {
    /// Serves the provider to these gateways, within the default limits, under `/v1`.
    ///
    /// # Errors
    /// When the provider names a record that the catalogue doesn't have, or none, or there is no
    /// gateway.
    pub fn new(
        provider: P,
        gateways: impl IntoIterator<Item = SpiffeId>,
    ) -> Result<Self, SetupError> {
        Self::with(provider, gateways, "", Limits::default())
    }

    /// As [`Service::new`], with a base path (`/dukcapil`, or empty) and limits.
    ///
    /// A router that strips the prefix, as axum's `nest_service` does, needs an empty base.
    ///
    /// # Errors
    /// As [`Service::new`].
    pub fn with(
        provider: P,
        gateways: impl IntoIterator<Item = SpiffeId>,
        base: &str,
        limits: Limits,
    ) -> Result<Self, SetupError> {
        let records = provider
            .records()
            .into_iter()
            .map(|record| schema::record(&record).ok_or(SetupError::UnknownRecord(record)))
            .collect::<Result<Vec<_>, _>>()?;
        let gateways: HashSet<SpiffeId> = gateways.into_iter().collect();
        if records.is_empty() {
            return Err(SetupError::NoRecord);
        }
        if gateways.is_empty() {
            return Err(SetupError::NoGateway);
        }
        let places = Semaphore::new(limits.concurrency.min(Semaphore::MAX_PERMITS));
        Ok(Self {
            shared: Arc::new(Shared {
                provider,
                records,
                gateways,
                base: base.trim_end_matches('/').to_owned(),
                limits,
                places,
                draining: AtomicBool::new(false),
            }),
            signer: None,
        })
    }

    /// Signs every answer with this, or none.
    #[must_use]
    pub fn signing(mut self, signer: Option<Arc<Signer>>) -> Self {
        self.signer = signer;
        self
    }

    /// From now on every question is answered `draining`; those under way go on.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
    }
}

impl<P, B> tower::Service<Request<B>> for Service<P>
where
    P: Provider,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Never busy: what is too much is refused, not queued.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (shared, signer) = (self.shared.clone(), self.signer.clone());
        Box::pin(async move { Ok(shared.respond(request, signer.as_deref()).await) })
    }
}

impl<P: Provider> Shared<P> {
    async fn respond<B: Body<Data = Bytes>>(
        &self,
        request: Request<B>,
        signer: Option<&Signer>,
    ) -> Response<Full<Bytes>> {
        let arrived = Instant::now();
        let (parts, body) = request.into_parts();
        let trace = TraceContext::from_headers(&parts.headers)
            .map_or_else(|| TraceContext::root(false), |caller| caller.child());
        let mut body = pin!(body);
        let decided = self.decide(&parts, body.as_mut(), &trace, arrived, signer);
        match decided.await {
            Ok(response) => response,
            Err(refusal) => {
                tracing::debug!(
                    trace.id = %trace.trace_id,
                    code = refusal.code().as_str(),
                    "refused a request"
                );
                if refusal.code() != Code::RequestTimeout {
                    question::discard(body, self.limits.body_timeout).await;
                }
                refusal.into_response(&trace)
            }
        }
    }

    async fn decide<B: Body<Data = Bytes>>(
        &self,
        parts: &Parts,
        body: Pin<&mut B>,
        trace: &TraceContext,
        arrived: Instant,
        signer: Option<&Signer>,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        self.known(parts)?;
        let route = self.route(&parts.method, parts.uri.path())?;
        if self.draining.load(Ordering::Relaxed) {
            return Err(Refusal::new(
                Code::Draining,
                "Ask another instance, or this one after its restart.",
            ));
        }
        let schema = match route {
            Route::Health => return Ok(json(&json!({"status": "up"}), trace)),
            Route::Record(schema) => schema,
        };
        let _place = self.places.try_acquire().map_err(|_| {
            Refusal::new(
                Code::Overloaded,
                "Ask again after a pause, or less at once.",
            )
        })?;
        question::media_type(&parts.headers)?;
        let deadline = question::deadline(&parts.headers, arrived)?;
        let by = deadline.min(arrived + self.limits.body_timeout);
        let bytes = question::body(body, self.limits.body_bytes, by).await?;
        let query = question::read(&bytes, &parts.headers, schema, trace, deadline)?;
        let mut answer = self.ask(&query, schema).await?;
        if let Some(signer) = signer {
            answer::sign(&mut answer, &query, signer)?;
        }
        tracing::info!(
            trace.id = %trace.trace_id,
            request.id = %query.request_id,
            record = %query.record,
            status = answer.status.as_str(),
            elapsed_ms = arrived.elapsed().as_millis() as u64,
            "answered a question"
        );
        let mut response = json(&answer, trace);
        if let Ok(id) = HeaderValue::from_str(&query.request_id.to_string()) {
            response.headers_mut().insert(REQUEST_ID_HEADER, id);
        }
        Ok(response)
    }

    fn known(&self, parts: &Parts) -> Result<(), Refusal> {
        let spiffe = parts
            .extensions
            .get::<Arc<PeerCertificate>>()
            .and_then(|peer| peer.spiffe.as_ref());
        if spiffe.is_some_and(|id| self.gateways.contains(id)) {
            return Ok(());
        }
        Err(Refusal::new(
            Code::NotEnrolled,
            "Only gateways that the agency trusts are answered; ask the agency to add this one.",
        ))
    }

    fn route(&self, method: &Method, path: &str) -> Result<Route, Refusal> {
        let missing = || {
            Refusal::new(
                Code::NotFound,
                "Check the path, the record and its version.",
            )
        };
        let path = path.strip_prefix(self.base.as_str()).ok_or_else(missing)?;
        if path == "/health" {
            return match *method {
                Method::GET | Method::HEAD => Ok(Route::Health),
                _ => Err(Refusal::allow("GET, HEAD")),
            };
        }
        let schema = path
            .strip_prefix("/v1/records/")
            .and_then(|name| name.parse().ok())
            .and_then(|record| self.records.iter().find(|schema| schema.record == record))
            .ok_or_else(missing)?;
        if method == Method::POST {
            Ok(Route::Record(schema))
        } else {
            Err(Refusal::allow("POST"))
        }
    }

    async fn ask(&self, query: &Query, schema: &RecordSchema) -> Result<SourceAnswer, Refusal> {
        let failed = |reason: &'static str| {
            tracing::error!(
                trace.id = %query.trace.trace_id,
                request.id = %query.request_id,
                record = %query.record,
                reason,
                "the provider failed"
            );
            Refusal::internal()
        };
        // Within the catch, for `find` may panic before it makes its future.
        let finding = AssertUnwindSafe(async {
            let reply = self.provider.find(query).await;
            answer::shape(
                reply.map_err(|error| failed(error.reason()))?,
                query,
                schema,
            )
        });
        timeout_at(query.deadline, finding.catch_unwind())
            .await
            .map_err(|_| {
                Refusal::new(
                    Code::SourceTimeout,
                    "The record wasn't found in time; ask again with a later deadline.",
                )
            })?
            .map_err(|_| failed("panic"))?
    }
}
