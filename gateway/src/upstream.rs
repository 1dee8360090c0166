//! Upstream: one agency's source. A question in; the bytes of its answer, or why there are none,
//! out.
//!
//! Each source has its own pool, its own limit and its own breaker, so one that hangs costs its own
//! budget only. Outermost first: breaker, limit, deadline, one retry, pooled mutual TLS.

mod breaker;
mod connector;
mod failure;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use loket_sdk::ids::{AgencyId, SystemId};
use loket_sdk::message::{DEADLINE_HEADER, REQUEST_ID_HEADER, Reason, RecordRef, SourceName};
use loket_sdk::problem::{Code, Problem};
use rustls::ClientConfig;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use uuid::Uuid;

use crate::directory::Backend;
use crate::telemetry::{BreakerState, ClientSpan, ErrorType, SpanHandle, Telemetry};
use breaker::{Breaker, Change};
use connector::Connector;
pub use failure::Failure;
use failure::{classify, refusal, retry_after};

const POOL_IDLE: Duration = Duration::from_secs(30);
/// A connection whose other end is silent for twice this long is given up.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

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
    /// The span that the call belongs to.
    pub parent: SpanHandle,
}

/// The bytes of an answer, whose call ends when it is known what they are worth.
#[derive(Debug)]
pub struct Answered {
    /// What came.
    pub bytes: Bytes,
    span: ClientSpan,
    resend: u32,
}

impl Answered {
    /// Ends the call with what became of the answer.
    pub fn conclude(self, reason: Reason, error_type: Option<ErrorType>) {
        let outcome = reason.outcome().as_str();
        let error_type = error_type.map(ErrorType::as_str);
        self.span
            .finish(Some(200), outcome, reason.as_str(), error_type, self.resend);
    }
}

/// A source with its pool, limit and breaker.
pub struct Upstream {
    name: SourceName,
    base: Uri,
    host: String,
    port: u16,
    timeout: Duration,
    slots: Semaphore,
    breaker: Breaker,
    client: legacy::Client<Connector, Full<Bytes>>,
    telemetry: Telemetry,
}

impl std::fmt::Debug for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Upstream {
    /// A source with an empty pool.
    #[must_use]
    pub fn new(
        name: SourceName,
        backend: &Backend,
        trust_domain: &str,
        tls: Arc<ClientConfig>,
        telemetry: Telemetry,
    ) -> Self {
        let url = backend.endpoints.first().cloned().unwrap_or_default();
        let connector = Connector::new(tls, backend.server_name.as_deref(), trust_domain, &name);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(backend.max_in_flight.get())
            .retry_canceled_requests(true)
            .timer(TokioTimer::new())
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .build(connector);
        let limit = backend.max_in_flight.get();
        telemetry
            .metrics()
            .agency_limit(name.agency.as_str(), limit as u64);
        telemetry
            .metrics()
            .breaker_state(name.agency.as_str(), BreakerState::Closed);
        Self {
            host: url.host().unwrap_or_default().to_owned(),
            port: url.port_u16().unwrap_or(443),
            base: url,
            name,
            timeout: backend.timeout,
            slots: Semaphore::new(limit),
            breaker: Breaker::default(),
            client,
            telemetry,
        }
    }

    /// Who it is.
    #[must_use]
    pub fn name(&self) -> &SourceName {
        &self.name
    }

    /// The agency.
    #[must_use]
    pub fn agency(&self) -> &AgencyId {
        &self.name.agency
    }

    /// Its system.
    #[must_use]
    pub fn system(&self) -> &SystemId {
        &self.name.system
    }

    /// Asks once, or twice where the first never left.
    ///
    /// # Errors
    /// Why there are no bytes of an answer.
    pub async fn ask(&self, call: &Call) -> Result<Answered, Failure> {
        let now = Instant::now();
        // A caller who leaves drops this future, and with it the leave.
        let leave = match self.breaker.allow(now) {
            Ok(leave) => leave,
            Err(wait) => {
                let failure = Failure::unasked(Reason::BreakerOpen, ErrorType::BreakerOpen);
                let retry_after_s = Some(wait.as_secs().max(1));
                return self.unasked(Failure {
                    retry_after_s,
                    ..failure
                });
            }
        };
        let Ok(_slot) = self.slots.try_acquire() else {
            return self.unasked(Failure::unasked(Reason::Overloaded, ErrorType::RateLimited));
        };
        let _in_flight = self
            .telemetry
            .metrics()
            .agency_in_flight(self.name.agency.as_str());
        let own = now + self.timeout;
        let hasty = call.deadline < own;
        let deadline = call.deadline.min(own);
        let mut answer = self.attempt(call, deadline, 0).await;
        if answer
            .as_ref()
            .is_err_and(|failure| failure.is_safe_to_retry())
        {
            answer = self.attempt(call, deadline, 1).await;
        }
        match &answer {
            // It neither proves nor disproves that the agency works.
            Err(failure) if failure.reason == Reason::NoAnswerYet && hasty => drop(leave),
            Err(failure) => self.note(
                call,
                leave.finish(failure.trips(hasty), Instant::now()),
                Some(failure),
            ),
            Ok(_) => self.note(call, leave.finish(false, Instant::now()), None),
        }
        answer
    }

    fn unasked(&self, failure: Failure) -> Result<Answered, Failure> {
        let (agency, outcome) = (self.name.agency.as_str(), failure.reason.outcome().as_str());
        let error_type = Some(failure.error_type.as_str());
        self.telemetry
            .metrics()
            .agency_call(agency, outcome, error_type, Duration::ZERO);
        Err(failure)
    }

    /// Tells operations what is new of the agency: once when it begins to fail, when it is given up
    /// for a while, and when it is well again.
    fn note(&self, call: &Call, change: Option<Change>, failure: Option<&Failure>) {
        let Some(change) = change else { return };
        let (agency, system) = (self.name.agency.as_str(), self.name.system.as_str());
        let error_type = failure.map_or("", |failure| failure.error_type.as_str());
        let trace_id = call.parent.trace_id_hex();
        match change {
            Change::Failing => tracing::warn!(
                trace_id,
                service.peer.name = agency,
                loket.system = system,
                "error.type" = error_type,
                "an agency began to fail"
            ),
            Change::Opened => {
                self.telemetry
                    .metrics()
                    .breaker_state(agency, BreakerState::Open);
                tracing::warn!(
                    trace_id,
                    service.peer.name = agency,
                    loket.system = system,
                    "error.type" = error_type,
                    "an agency isn't asked for a while: it failed too often in a row"
                );
            }
            Change::Well { was_open } => {
                if was_open {
                    self.telemetry
                        .metrics()
                        .breaker_state(agency, BreakerState::Closed);
                }
                tracing::info!(
                    trace_id,
                    service.peer.name = agency,
                    loket.system = system,
                    "an agency answers again"
                );
            }
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        deadline: Instant,
        resend: u32,
    ) -> Result<Answered, Failure> {
        let span = self.telemetry.client_span(
            &call.parent,
            self.name.agency.as_str(),
            &self.host,
            self.port,
            &call.record.to_string(),
        );
        let mut status = None;
        let exchange = self.exchange(call, &span, deadline, &mut status);
        let outcome = match tokio::time::timeout_at(deadline, exchange).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Failure::new(Reason::NoAnswerYet, ErrorType::Timeout)),
        };
        match outcome {
            Ok(bytes) => Ok(Answered {
                bytes,
                span,
                resend,
            }),
            Err(failure) => {
                span.finish(
                    status.map(|status| status.as_u16()),
                    failure.reason.outcome().as_str(),
                    failure.reason.as_str(),
                    Some(failure.error_type.as_str()),
                    resend,
                );
                Err(failure)
            }
        }
    }

    async fn exchange(
        &self,
        call: &Call,
        span: &ClientSpan,
        deadline: Instant,
        status: &mut Option<StatusCode>,
    ) -> Result<Bytes, Failure> {
        let request = self.request(call, span, deadline)?;
        let response = self
            .client
            .request(request)
            .await
            .map_err(|error| classify(&error))?;
        *status = Some(response.status());
        let (head, body) = response.into_parts();
        let body = Limited::new(body, call.max_answer);
        let bytes = match body.collect().await {
            Ok(collected) => collected.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Err(Failure::new(Reason::TooLarge, ErrorType::Protocol));
            }
            Err(_) => {
                return Err(Failure::new(
                    Reason::SourceError,
                    ErrorType::ConnectionReset,
                ));
            }
        };
        if head.status == StatusCode::OK {
            return Ok(bytes);
        }
        let code = serde_json::from_slice::<Problem>(&bytes)
            .ok()
            .map(|problem| problem.code);
        if head.status.is_client_error() {
            // The agency finds fault with us: only its engineers and ours together can mend that.
            tracing::warn!(
                trace_id = %call.parent.trace_id_hex(),
                service.peer.name = self.name.agency.as_str(),
                loket.record = %call.record,
                http.response.status_code = head.status.as_u16(),
                loket.code = code.map_or("", Code::as_str),
                "an agency refused a question of the gateway's"
            );
        }
        Err(Failure {
            retry_after_s: retry_after(&head.headers),
            ..Failure::new(
                refusal(head.status, code),
                ErrorType::Status(head.status.as_u16()),
            )
        })
    }

    fn request(
        &self,
        call: &Call,
        span: &ClientSpan,
        deadline: Instant,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let base = self.base.path().trim_end_matches('/');
        let uri = Uri::builder()
            .scheme("https")
            .authority(format!("{}:{}", self.host, self.port))
            .path_and_query(format!(
                "{base}/v1/records/{}/{}",
                call.record.name(),
                call.record.major()
            ))
            .build();
        let left = deadline
            .saturating_duration_since(Instant::now())
            .as_millis();
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(uri.map_err(|_| Failure::new(Reason::Unreachable, ErrorType::Protocol))?)
            .header(
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/json"),
            )
            .header(header::ACCEPT, HeaderValue::from_static("application/json"))
            .header(REQUEST_ID_HEADER, call.request_id.to_string())
            .header(DEADLINE_HEADER, u64::try_from(left).unwrap_or(u64::MAX))
            .body(Full::new(call.body.clone()))
            .map_err(|_| Failure::new(Reason::Unreachable, ErrorType::Protocol))?;
        span.trace_context().to_headers(request.headers_mut());
        Ok(request)
    }
}

#[cfg(test)]
mod tests;
