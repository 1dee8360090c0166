//! OTLP over HTTP, through hyper.
//!
//! A collector that is down costs the spans and a log line a minute, nothing else: queues are
//! bounded, an export with its one retry takes less than ten seconds, and no request waits for it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{
    MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor};
use tokio::runtime::Handle;

use super::TelemetryError;

const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(4);
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_LIMIT: usize = 1 << 20;
const METRICS_INTERVAL: Duration = Duration::from_secs(30);
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

pub(super) fn span_processor(
    collector: &Collector,
    endpoint: &Uri,
) -> Result<BatchSpanProcessor, TelemetryError> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector.clone())
        .with_retry_policy(RetryPolicy::recommended().with_max_retries(1))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(signal_url(endpoint, "traces"))
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    Ok(batch(exporter))
}

pub(super) fn batch(
    exporter: impl opentelemetry_sdk::trace::SpanExporter + 'static,
) -> BatchSpanProcessor {
    // Set here so that the environment can't unbound them.
    let bounds = BatchConfigBuilder::default()
        .with_max_queue_size(4096)
        .with_max_export_batch_size(512)
        .build();
    BatchSpanProcessor::builder(exporter)
        .with_batch_config(bounds)
        .build()
}

pub(super) fn metric_reader(
    collector: &Collector,
    endpoint: &Uri,
) -> Result<PeriodicReader<MetricExporter>, TelemetryError> {
    let exporter = MetricExporter::builder()
        .with_http()
        .with_http_client(collector.clone())
        .with_retry_policy(RetryPolicy::recommended().with_max_retries(1))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(signal_url(endpoint, "metrics"))
        .with_timeout(EXPORT_TIMEOUT)
        .build()?;
    Ok(PeriodicReader::builder(exporter)
        .with_interval(METRICS_INTERVAL)
        .build())
}

fn signal_url(endpoint: &Uri, signal: &str) -> String {
    let base = endpoint.to_string();
    format!("{}/v1/{signal}", base.trim_end_matches('/'))
}

/// The way to the collector, shared by both signals.
#[derive(Clone)]
pub(super) struct Collector {
    client: Client<HttpConnector, Full<Bytes>>,
    runtime: Handle,
    complaints: Arc<Complaints>,
}

impl Collector {
    /// Works on the runtime it is called on.
    pub(super) fn new() -> Result<Self, TelemetryError> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(ATTEMPT_TIMEOUT));
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            runtime: Handle::try_current().map_err(|_| TelemetryError::NoRuntime)?,
            complaints: Arc::new(Complaints::new()),
        })
    }

    async fn exchange(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let exchange = async {
            let answer = self.client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_LIMIT).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        let result = match tokio::time::timeout(ATTEMPT_TIMEOUT, exchange).await {
            Ok(result) => result,
            Err(elapsed) => Err(elapsed.into()),
        };
        match &result {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => self.complaints.about(&answer.status()),
            Err(error) => self.complaints.about(&root_cause(error.as_ref())),
        }
        result
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").finish_non_exhaustive()
    }
}

impl HttpClient for Collector {
    // Written out as async_trait would, for want of that crate.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        // The SDK polls this from threads of its own, where hyper has no reactor.
        let exchange = self.runtime.spawn(self.clone().exchange(request));
        Box::pin(async move { exchange.await? })
    }
}

/// The outer errors only say that something went wrong.
fn root_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a dyn fmt::Display {
    match error.source() {
        Some(source) => root_cause(source),
        None => error,
    }
}

/// Says once a minute at most that the collector doesn't take what we send.
struct Complaints {
    born: Instant,
    /// Seconds since `born` of the next line that may be written.
    next: AtomicU64,
    silenced: AtomicU64,
}

impl Complaints {
    fn new() -> Self {
        Self {
            born: Instant::now(),
            next: AtomicU64::new(0),
            silenced: AtomicU64::new(0),
        }
    }

    fn about(&self, cause: &dyn fmt::Display) {
        if let Some(silenced) = self.due(self.born.elapsed()) {
            tracing::warn!(
                error.message = %cause,
                log.silenced = silenced,
                "the collector doesn't take telemetry; what was in the batch is lost"
            );
        }
    }

    /// How many were kept back since the last line, if a line may be written now.
    fn due(&self, now: Duration) -> Option<u64> {
        let next = self.next.load(Ordering::Relaxed);
        let after = now.as_secs() + COMPLAINT_INTERVAL.as_secs();
        let won = now.as_secs() >= next
            && self
                .next
                .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if won {
            return Some(self.silenced.swap(0, Ordering::Relaxed));
        }
        self.silenced.fetch_add(1, Ordering::Relaxed);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complains_once_a_minute() {
        let complaints = Complaints::new();
        let due = |second| complaints.due(Duration::from_secs(second));
        assert_eq!(due(0), Some(0));
        assert_eq!(due(1), None);
        assert_eq!(due(59), None);
        assert_eq!(due(60), Some(2));
        assert_eq!(due(61), None);
    }

    #[test]
    fn signals_have_their_own_url() {
        let cases = ["http://collector:4318", "http://collector:4318/"];
        for endpoint in cases {
            let url = signal_url(&endpoint.parse().unwrap(), "traces");
            assert_eq!(url, "http://collector:4318/v1/traces");
        }
    }
}
