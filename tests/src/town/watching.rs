//! What can be seen of a town from outside: its log, spans and metrics.

use std::time::Duration;

use loket_gateway::audit::verify;
use loket_gateway::checkpoint::Signer;
use loket_sdk::transparency::LogKeys;
use opentelemetry_sdk::trace::SpanData;
use serde_json::Value;

use super::{AUDIT_ORIGIN, AUDIT_SIGNING_KEY, Town};
use crate::admin;

impl Town {
    /// The public keys of the audit log.
    ///
    /// # Panics
    /// When there are none.
    #[must_use]
    pub fn audit_verifier_keys(&self) -> Vec<String> {
        let signer = Signer::new(AUDIT_ORIGIN, [AUDIT_SIGNING_KEY.as_bytes()]);
        signer.expect("a key").verifier_keys().collect()
    }

    /// What the audit log's checkpoints are verified with.
    ///
    /// # Panics
    /// When there is no key.
    #[must_use]
    pub fn audit_log_keys() -> LogKeys {
        let signer = Signer::new(AUDIT_ORIGIN, [AUDIT_SIGNING_KEY.as_bytes()]);
        let keys = signer.expect("a key");
        LogKeys::new(AUDIT_ORIGIN, keys.verifier_keys()).expect("keys")
    }

    /// Every audit entry on disk, in order, each compared with the tree.
    ///
    /// # Panics
    /// When the log isn't whole.
    #[must_use]
    pub fn audit_entries(&self) -> Vec<Value> {
        verify::read(&self.audit_dir())
            .map(|line| serde_json::from_str(&line.expect("the log is whole")).expect("JSON"))
            .collect()
    }

    /// The entries of one kind, once there are as many.
    pub async fn audit_entries_of(&self, kind: &str, count: usize) -> Vec<Value> {
        eventually(&format!("{count} entries of kind {kind}"), async || {
            let mut entries = self.audit_entries();
            entries.retain(|entry| entry["kind"] == kind);
            (entries.len() >= count).then_some(entries)
        })
        .await
    }

    /// Every span that has ended.
    #[must_use]
    pub fn spans(&self) -> Vec<SpanData> {
        self.running().spans.all()
    }

    /// What Prometheus scrapes.
    ///
    /// # Panics
    /// When the admin listener doesn't answer.
    pub async fn metrics_text(&self) -> String {
        let reply = admin::request(self.admin_address(), "GET", "/metrics").await;
        reply.expect("the admin listener answers").body
    }

    /// The sum of all series of a metric whose labels contain all of these texts.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.metrics_text().await;
        text.lines()
            .filter(|line| {
                let rest = line.strip_prefix(name);
                let whole = rest.is_some_and(|rest| rest.starts_with(['{', ' ']));
                whole && labels.iter().all(|label| line.contains(label))
            })
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

/// Waits until there is one; fails after ten seconds.
///
/// # Panics
/// When there is still none then.
pub async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    eventually_within(10, what, look).await
}

/// Waits until there is one; fails after so many seconds.
///
/// # Panics
/// When there is still none then.
pub async fn eventually_within<T>(
    seconds: u64,
    what: &str,
    look: impl AsyncFn() -> Option<T>,
) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    match tokio::time::timeout(Duration::from_secs(seconds), looking).await {
        Ok(found) => found,
        Err(_) => panic!("there is never: {what}"),
    }
}
