//! Health: whether answers can be kept; told once whenever that changes.

use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::telemetry::{Replayed, Telemetry};

#[derive(Debug)]
pub(super) struct Health {
    fails: AtomicBool,
    telemetry: Telemetry,
}

impl Health {
    pub(super) fn new(telemetry: Telemetry) -> Self {
        telemetry.metrics().set_replay_keeps(true);
        Self {
            fails: AtomicBool::new(false),
            telemetry,
        }
    }

    pub(super) fn fails(&self) -> bool {
        self.fails.load(Ordering::Relaxed)
    }

    pub(super) fn kept(&self) {
        if self.fails() && self.fails.swap(false, Ordering::Relaxed) {
            self.telemetry.metrics().set_replay_keeps(true);
            tracing::warn!("answers are kept again");
        }
    }

    pub(super) fn failed(&self, cause: &dyn Display) {
        if !self.fails.swap(true, Ordering::Relaxed) {
            self.telemetry.metrics().set_replay_keeps(false);
            tracing::warn!(
                loket.cause = %cause,
                "answers can't be kept; a repeated lookup is asked again"
            );
        }
    }

    /// Records were found that this gateway didn't write.
    pub(super) fn forged(&self, heads: u64, path: &Path) {
        self.telemetry.metrics().replay(Replayed::Forged, heads);
        tracing::warn!(
            loket.heads = heads,
            loket.path = %path.display(),
            "kept answers aren't of this gateway and its subject key, and count for nothing; look who \
             writes to that directory, unless the key was changed"
        );
    }
}
