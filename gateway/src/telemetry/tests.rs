//! The contract as others see it: exported spans, Prometheus text, log lines.

mod collector;
mod exposition;
mod lines;
mod trace;

use std::sync::{Arc, Mutex};

use http::{Method, Version};
use opentelemetry::Value;
use opentelemetry::trace::SpanKind;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use loket_sdk::trace::TraceContext;

use super::{LogFormat, ServerSpan, Settings, Telemetry};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

/// An exporter that keeps what it gets.
#[derive(Clone, Debug, Default)]
pub(in crate::telemetry) struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Kept {
    fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    /// The only span of a kind.
    fn only_of(&self, kind: SpanKind) -> SpanData {
        let mut spans = self.take();
        spans.retain(|span| span.span_kind == kind);
        assert_eq!(spans.len(), 1);
        spans.remove(0)
    }

    fn only(&self) -> SpanData {
        let mut spans = self.take();
        assert_eq!(spans.len(), 1);
        spans.remove(0)
    }
}

pub(in crate::telemetry) fn settings(sampling_ratio: f64) -> Settings {
    Settings {
        service_instance_id: "gateway-1".to_owned(),
        environment: "test".to_owned(),
        otlp_endpoint: None,
        sampling_ratio,
        slow: super::SLOW,
        traces: super::TRACES,
        log_format: LogFormat::Json,
        log_level: "info".to_owned(),
    }
}

pub(in crate::telemetry) fn telemetry(sampling_ratio: f64) -> (Telemetry, Kept) {
    let kept = Kept::default();
    let telemetry = Telemetry::with_exporter(&settings(sampling_ratio), kept.clone()).unwrap();
    (telemetry, kept)
}

fn lookup(telemetry: &Telemetry, parent: Option<&TraceContext>) -> ServerSpan {
    telemetry.server_span(
        &Method::POST,
        "/v1/lookups",
        parent,
        "/v1/lookups",
        "https",
        Version::HTTP_2,
        Some("192.0.2.7:40000".parse().unwrap()),
    )
}

/// The attributes as text, in the order of their names.
fn attributes(span: &SpanData) -> String {
    let mut lines: Vec<String> = span
        .attributes
        .iter()
        .map(|pair| match &pair.value {
            Value::String(text) => format!("{}={}", pair.key, text.as_str()),
            other => format!("{}={other}", pair.key),
        })
        .collect();
    lines.sort();
    lines.join("\n")
}
