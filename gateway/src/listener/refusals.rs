//! Refusals: who wasn't let in and why, counted all and told in as many lines as a log can bear.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use loket_sdk::ids::MemberId;
use tokio::time::Instant;

use crate::telemetry::{ErrorType, Metrics, Refused};

/// So many lines about strangers in so long, and as many about members; peers that are refused
/// mustn't fill the disk, and strangers mustn't take the lines about members.
const LINES: u32 = 50;
const WINDOW: Duration = Duration::from_secs(1);

/// Counts and logs.
pub(super) struct Refusals {
    metrics: Metrics,
    strangers: Mutex<Window>,
    members: Mutex<Window>,
}

struct Window {
    began: Instant,
    lines: u32,
    untold: u64,
}

impl Refusals {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            metrics,
            strangers: Mutex::new(Window::new()),
            members: Mutex::new(Window::new()),
        }
    }

    /// A connection wasn't let in, of this member if that is known yet.
    pub(super) fn connection(&self, why: Refused, address: SocketAddr, member: Option<&MemberId>) {
        self.metrics.connection_refused(why);
        let window = match member {
            Some(_) => &self.members,
            None => &self.strangers,
        };
        let Some(untold) = line(window) else { return };
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
        let Some(untold) = line(&self.strangers) else {
            return;
        };
        tracing::info!(
            client.address = %address.ip(),
            "error.type" = error_type.as_str(),
            loket.cause = why,
            loket.untold = untold,
            "a handshake failed"
        );
    }
}

impl Window {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            lines: 0,
            untold: 0,
        }
    }
}

/// Whether there may be another line, and how many there weren't since the last.
fn line(window: &Mutex<Window>) -> Option<u64> {
    let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::world;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_told_in_few_lines() {
        let window = Mutex::new(Window::new());
        let told = (0..1000).filter_map(|_| line(&window)).count();
        assert_eq!(told, 50);
        tokio::time::advance(WINDOW).await;
        assert_eq!(line(&window), Some(950));
        assert_eq!(line(&window), Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn strangers_take_no_line_from_members() {
        let refusals = Refusals::new(world::telemetry().metrics().clone());
        let address = SocketAddr::from(([192, 0, 2, 1], 1));
        for _ in 0..1000 {
            refusals.handshake("no handshake in time", ErrorType::Timeout, address);
            refusals.connection(Refused::Full, address, None);
        }
        assert_eq!(line(&refusals.strangers), None);
        let member = MemberId::parse("bapenda").unwrap();
        refusals.connection(Refused::Member, address, Some(&member));
        assert_eq!(refusals.members.lock().unwrap().lines, 1);
    }
}
