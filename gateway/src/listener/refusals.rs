//! Refusals: who wasn't let in and why, counted all and told in as many lines as a log can bear.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use loket_sdk::ids::MemberId;
use tokio::time::Instant;

use crate::telemetry::{ErrorType, Metrics, Refused};

/// So many lines in so long; peers that are refused mustn't fill the disk.
const LINES: u32 = 50;
const WINDOW: Duration = Duration::from_secs(1);

/// Counts and logs.
pub(super) struct Refusals {
    metrics: Metrics,
    window: Mutex<Window>,
}

struct Window {
    began: Instant,
    lines: u32,
    untold: u64,
}

impl Refusals {
    pub(super) fn new(metrics: Metrics) -> Self {
        let window = Window {
            began: Instant::now(),
            lines: 0,
            untold: 0,
        };
        Self {
            metrics,
            window: Mutex::new(window),
        }
    }

    /// A connection wasn't let in, of this member if that is known yet.
    pub(super) fn connection(&self, why: Refused, address: SocketAddr, member: Option<&MemberId>) {
        self.metrics.connection_refused(why);
        let Some(untold) = self.line() else { return };
        tracing::warn!(
            client.address = %address.ip(),
            loket.cause = why.as_str(),
            loket.member = member.map_or("", MemberId::as_str),
            loket.untold = untold,
            "a connection was refused"
        );
    }

    /// A handshake came to nothing.
    pub(super) fn handshake(&self, why: &str, error_type: ErrorType, address: SocketAddr) {
        self.metrics.tls_handshake(Some(error_type.as_str()));
        let Some(untold) = self.line() else { return };
        tracing::info!(
            client.address = %address.ip(),
            "error.type" = error_type.as_str(),
            loket.cause = why,
            loket.untold = untold,
            "a handshake failed"
        );
    }

    /// Whether there may be another line, and how many there weren't since the last.
    fn line(&self) -> Option<u64> {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.began.elapsed() >= WINDOW {
            window.began = Instant::now();
            window.lines = 0;
        }
        if window.lines >= LINES {
            window.untold += 1;
            return None;
        }
        window.lines += 1;
        Some(std::mem::take(&mut window.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::world;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_told_in_few_lines() {
        let refusals = Refusals::new(world::telemetry().metrics().clone());
        let told = (0..1000).filter_map(|_| refusals.line()).count();
        assert_eq!(told, 50);
        tokio::time::advance(WINDOW).await;
        assert_eq!(refusals.line(), Some(950));
        assert_eq!(refusals.line(), Some(0));
    }
}
