//! Signals: spans, metrics and log lines.
//!
//! In comes what the rooms did; out go spans over OTLP, metrics over OTLP and as Prometheus text,
//! and log lines. This module alone names them: the rooms call methods, never attribute names.
//! Nothing here is global but the log subscriber, so many gateways can live in one process.
//!
//! Refused: anything personal. Label values are closed lists or ids from configuration.

mod error_type;
mod exemplars;
mod export;
mod logs;
mod metrics;
mod names;
mod openmetrics;
mod spans;
mod traces;
mod window;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, Uri, Version};
use loket_sdk::trace::{TraceContext, TraceId};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SpanExporter, SpanProcessor};
use tokio::time::Instant;

pub use self::error_type::ErrorType;
pub use self::logs::{Batches, Flush, in_batches, init_logs, subscriber};
pub use self::metrics::{
    BreakerState, Decision, EndedCall, Ending, Handshaking, InFlight, Metrics, Open, Peer,
    PeerAddress, RateScope, Refused, Reloaded, Replayed, Resend, Shed,
};
pub use self::spans::{Called, ClientSpan, Known, RoomSpan, ServerSpan, SpanHandle};
pub use self::traces::{Detail, Filter, FilterError, Summary, TracedLines, Traces, Why};
pub use self::window::{AgencyView, EVERY as SAMPLED_EVERY, Rates};

use self::exemplars::Exemplars;
use self::export::Collector;
use self::spans::{Arrival, Recorder, Sampling};
use self::traces::Keeper;
use self::window::{Totals, Window};

const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// What takes longer is slow, when nobody says otherwise.
pub const SLOW: Duration = Duration::from_secs(2);

/// Bytes for recent traces, when nobody says otherwise.
pub const TRACES: usize = 32 << 20;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Coloured text, for a terminal.
    Text,
}

/// What telemetry needs to know of the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Tells this process from its siblings.
    pub service_instance_id: String,
    /// `production`, `staging`, `test` or `development`.
    pub environment: String,
    /// The collector, `http://host:port`; without one, spans stay here and metrics are only
    /// scraped.
    pub otlp_endpoint: Option<Uri>,
    /// The share of traces to keep of those that nothing else speaks for, 0 to 1.
    pub sampling_ratio: f64,
    /// What takes longer is kept.
    pub slow: Duration,
    /// Bytes of memory for recent traces; none are kept here with 0.
    pub traces: usize,
    /// How log lines look.
    pub log_format: LogFormat,
    /// `off`, `error`, `warn`, `info`, `debug` or `trace`, for our own crates.
    pub log_level: String,
}

/// Why telemetry couldn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The endpoint or another setting of the OTLP exporter.
    #[error("the OTLP exporter couldn't be built")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The registry behind `/metrics`.
    #[error("the Prometheus registry couldn't be built")]
    Prometheus(#[source] opentelemetry_sdk::error::OTelSdkError),
    /// TLS to the collector isn't built in.
    #[error("the OTLP endpoint must be http://host:port, without credentials")]
    Endpoint,
    /// The exporter needs a Tokio runtime to send from.
    #[error("an OTLP endpoint is set, but there's no Tokio runtime")]
    NoRuntime,
    /// The log level isn't one of the known words.
    #[error("unknown log level {0:?}: use off, error, warn, info, debug or trace")]
    LogLevel(String),
    /// Logs were initialised twice.
    #[error("a log subscriber was installed before")]
    LogsInstalled,
}

/// Spans and metrics of one gateway; cloning it costs one counter.
#[derive(Clone)]
pub struct Telemetry(Arc<Shared>);

struct Shared {
    recorder: Recorder,
    traces: Traces,
    exemplars: Arc<Exemplars>,
    window: Mutex<Window>,
    resource: Resource,
    meters: SdkMeterProvider,
    registry: prometheus::Registry,
    metrics: Metrics,
    down: AtomicBool,
}

impl Telemetry {
    /// Starts exporting to the collector of the settings, if there is one.
    ///
    /// # Errors
    ///
    /// When the endpoint can't be used, or there's one but no Tokio runtime.
    pub fn new(settings: &Settings, version: &str) -> Result<Self, TelemetryError> {
        Self::keeping(settings, version, Traces::new(settings.traces))
    }

    /// As [`new`](Self::new), with the traces that log lines are handed to.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn keeping(
        settings: &Settings,
        version: &str,
        traces: Traces,
    ) -> Result<Self, TelemetryError> {
        let collector = settings.otlp_endpoint.as_ref().map(usable).transpose()?;
        let processor = collector
            .as_ref()
            .map(|(collector, endpoint)| export::span_processor(collector, endpoint))
            .transpose()?
            .map(|processor| Box::new(processor) as Box<dyn SpanProcessor>);
        Self::assemble(settings, version, processor, collector, traces)
    }

    /// Hands every span to `exporter` as soon as its trace has ended, and sends nothing anywhere.
    ///
    /// # Errors
    ///
    /// When the Prometheus registry can't be built.
    pub fn with_exporter(
        settings: &Settings,
        exporter: impl SpanExporter + 'static,
    ) -> Result<Self, TelemetryError> {
        let processor = opentelemetry_sdk::trace::SimpleSpanProcessor::new(exporter);
        let traces = Traces::new(settings.traces);
        Self::assemble(settings, "test", Some(Box::new(processor)), None, traces)
    }

    fn assemble(
        settings: &Settings,
        version: &str,
        mut processor: Option<Box<dyn SpanProcessor>>,
        collector: Option<(Collector, &Uri)>,
        traces: Traces,
    ) -> Result<Self, TelemetryError> {
        let resource = resource(settings, version);
        let registry = prometheus::Registry::new();
        let scraped = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(TelemetryError::Prometheus)?;
        let mut meters = SdkMeterProvider::builder()
            .with_resource(resource.clone())
            .with_reader(scraped);
        if let Some((collector, endpoint)) = &collector {
            meters = meters.with_reader(export::metric_reader(collector, endpoint)?);
        }
        let meters = meters.build();

        if let Some(processor) = &mut processor {
            processor.set_resource(&resource);
        }
        let wanted = processor.is_some() || settings.traces > 0;
        let scope = InstrumentationScope::builder(names::NAMESPACE).build();
        let exemplars = Arc::<Exemplars>::default();
        let keeper = Keeper::new(
            traces.clone(),
            settings.slow,
            processor,
            scope,
            exemplars.clone(),
        );
        Ok(Self(Arc::new(Shared {
            recorder: Recorder::new(
                wanted.then(|| Arc::new(keeper)),
                Sampling::new(settings.sampling_ratio),
            ),
            traces,
            exemplars,
            window: Mutex::default(),
            resource,
            metrics: Metrics::new(&meters.meter(names::NAMESPACE), version),
            meters,
            registry,
            down: AtomicBool::new(false),
        })))
    }

    /// The handle that rooms count with.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// A caller's request arrived. `route` is the template that matched, `scheme` is `https` or
    /// `http`. `path` is what was asked for; on a route that ends in another system's path, whose
    /// words nobody here knows, it is the template again.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one attribute of the contract"
    )]
    pub fn server_span(
        &self,
        method: &Method,
        route: &'static str,
        parent: Option<&TraceContext>,
        path: &str,
        scheme: &'static str,
        protocol_version: Version,
        peer: Option<SocketAddr>,
    ) -> ServerSpan {
        let arrival = Arrival {
            method,
            route,
            parent,
            path,
            scheme,
            version: protocol_version,
            peer,
        };
        ServerSpan::start(&self.0.recorder, self.0.metrics.clone(), &arrival)
    }

    /// An attempt to call an agency begins.
    pub fn client_span(
        &self,
        parent: &SpanHandle,
        address: &PeerAddress,
        called: Called<'_>,
    ) -> ClientSpan {
        ClientSpan::start(self.0.metrics.clone(), parent, address, called)
    }

    /// A call to an agency wasn't sent, as the breaker or a limit refused it. `outcome` and `reason` are the
    /// words of the lookup's answer.
    pub fn unsent_call(
        &self,
        parent: &SpanHandle,
        peer: &Peer,
        called: Called<'_>,
        [outcome, reason]: [&'static str; 2],
        error_type: ErrorType,
    ) {
        let error_type = error_type.as_str();
        spans::unsent(
            &self.0.metrics,
            parent,
            peer,
            called,
            outcome,
            reason,
            error_type,
        );
    }

    /// Tells this gateway from its siblings.
    pub fn instance(&self) -> String {
        let key = opentelemetry::Key::from_static_str(names::SERVICE_INSTANCE);
        let instance = self.0.resource.get(&key);
        instance
            .map(|value| value.as_str().into_owned())
            .unwrap_or_default()
    }

    /// Recent traces.
    pub fn traces(&self) -> &Traces {
        &self.0.traces
    }

    /// A kept trace as OTLP's JSON, which Jaeger and Tempo import.
    pub fn export_trace(&self, id: TraceId) -> Option<serde_json::Value> {
        let pairs = self.0.resource.iter();
        let pairs = pairs.map(|(key, value)| (key.to_string(), value.as_str().into_owned()));
        self.0.traces.export(id, &pairs.collect::<Vec<_>>())
    }

    /// The parent of what the gateway does of itself: each is a trace of its own.
    pub fn background_span(&self) -> SpanHandle {
        SpanHandle::alone()
    }

    /// A room that takes time begins; it ends when the span drops.
    pub fn room_span(&self, parent: &SpanHandle, name: &'static str) -> RoomSpan {
        RoomSpan::start(parent, name)
    }

    /// Counts the log lines that are lost from now on, and those that were.
    pub fn count_lost_lines(&self, lines: &Batches) {
        let lines = lines.clone();
        // The meter keeps what it calls back; the handle does nothing.
        let _ = self
            .0
            .meters
            .meter(names::NAMESPACE)
            .u64_observable_counter(names::LOG_DROPPED)
            .with_description("Log lines that were lost because they weren't read in time.")
            .with_callback(move |count| count.observe(lines.dropped(), &[]))
            .build();
    }

    /// All metrics in Prometheus' text format 0.0.4; nothing after [`shutdown`](Self::shutdown).
    pub fn prometheus_text(&self) -> String {
        prometheus::TextEncoder::new()
            .encode_to_string(&self.0.registry.gather())
            // Only a family without metrics can't be encoded, and the exporter makes none.
            .unwrap_or_default()
    }

    /// All metrics as OpenMetrics text 1.0, with exemplars of kept traces.
    pub fn openmetrics_text(&self) -> String {
        openmetrics::encode(&self.0.registry.gather(), &self.0.exemplars)
    }

    /// Takes the totals of this moment, for windows to come.
    pub fn sample(&self) {
        let totals = Totals::of(&self.0.registry.gather(), Instant::now());
        self.window().take(totals);
    }

    /// How calls to each agency's system went over the last while, at most an hour, and lookups.
    pub fn agencies(&self, window: Duration) -> (Vec<AgencyView>, Rates) {
        let families = self.0.registry.gather();
        self.window().view(&families, Instant::now(), window)
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.0.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what is still queued, for five seconds at most. Later spans have ids and go nowhere.
    pub async fn shutdown(&self) {
        let (done, wait) = tokio::sync::oneshot::channel();
        self.0.start_shutdown(move || {
            // Nobody waits any more once the time is up.
            let _ = done.send(());
        });
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, wait).await.is_err() {
            tracing::warn!("the collector didn't take the last telemetry in time");
        }
    }
}

impl Shared {
    /// The SDK blocks here, so this runs on a thread of its own: not on this one, which may be the
    /// one that has to send, nor on the runtime's blocking pool, which would hold up the exit when
    /// the collector hangs.
    fn start_shutdown(&self, done: impl FnOnce() + Send + 'static) {
        if self.down.swap(true, Ordering::Relaxed) {
            return;
        }
        let (keeper, meters) = (self.recorder.keeper().cloned(), self.meters.clone());
        let work = move || {
            // The exporter has complained already if this fails.
            if let Some(processor) = keeper.as_ref().and_then(|keeper| keeper.processor()) {
                let _ = processor.shutdown_with_timeout(SHUTDOWN_TIMEOUT);
            }
            let _ = meters.shutdown_with_timeout(SHUTDOWN_TIMEOUT);
            done();
        };
        // Without a thread the last telemetry is lost, and nothing else.
        let _ = std::thread::Builder::new()
            .name("telemetry-shutdown".to_owned())
            .spawn(work);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.start_shutdown(|| {});
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}

fn usable(endpoint: &Uri) -> Result<(Collector, &Uri), TelemetryError> {
    let plain_http = endpoint.scheme_str() == Some("http");
    // Credentials go into the environment's OTEL_EXPORTER_OTLP_HEADERS, where no line shows them.
    match endpoint.authority() {
        Some(authority) if plain_http && !authority.as_str().contains('@') => {
            Ok((Collector::new()?, endpoint))
        }
        _ => Err(TelemetryError::Endpoint),
    }
}

fn resource(settings: &Settings, version: &str) -> Resource {
    Resource::builder()
        .with_service_name(names::SERVICE_NAME)
        .with_attributes([
            KeyValue::new(names::SERVICE_NAMESPACE, names::NAMESPACE),
            KeyValue::new(names::SERVICE_VERSION, version.to_owned()),
            KeyValue::new(
                names::SERVICE_INSTANCE,
                settings.service_instance_id.clone(),
            ),
            KeyValue::new(names::ENVIRONMENT, settings.environment.clone()),
        ])
        .build()
}
