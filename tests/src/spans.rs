//! An exporter that keeps the spans.

use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::Value;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

/// Keeps what it gets; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(batch);
        Ok(())
    }
}

impl Kept {
    /// All so far.
    #[must_use]
    pub fn all(&self) -> Vec<SpanData> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }
}

/// An attribute as text; empty when it is missing.
#[must_use]
pub fn attribute(span: &SpanData, key: &str) -> String {
    let mut found = span
        .attributes
        .iter()
        .filter(|pair| pair.key.as_str() == key);
    match found.next().map(|pair| &pair.value) {
        Some(Value::String(text)) => text.as_str().to_owned(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
