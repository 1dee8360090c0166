//! Config: a TOML file in, settings that are valid by construction out.
//!
//! [`mod@file`] is the file's raw form; what stands here has been checked, down to the certificates and
//! the directory of members, sources and grants. Refuses with everything that is wrong, each with
//! its file, line, key and remedy, and never shows a secret.

pub(crate) mod backend;
mod directory;
pub(crate) mod document;
pub(crate) mod explain;
pub mod file;
pub mod finding;
pub(crate) mod material;
mod services;
pub(crate) mod settings;
pub(crate) mod value;
pub(crate) mod warnings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use loket_sdk::sensitive::Sensitive;
use loket_sdk::tls::MutualTls;

use crate::directory::Directory;
use crate::telemetry;

pub use finding::{ConfigErrors, Finding, Severity};
pub(crate) use material::unhex;

/// How much longer the edge waits than the fan-out: time to check, compare, record and write.
pub const EDGE_MARGIN: Duration = Duration::from_millis(500);

/// What a gateway needs to know before it listens.
#[derive(Debug)]
pub struct Config {
    /// The trust domain of every SPIFFE ID.
    pub trust_domain: String,
    /// In which the days of quotas and grants begin and end.
    pub time_zone: TimeZone,
    /// The public listener.
    pub listener: Listener,
    /// TLS towards counters and consuming agencies.
    pub server_tls: MutualTls,
    /// TLS towards the agencies' back ends.
    pub client_tls: MutualTls,
    /// The operators' listener: health, metrics, drain.
    pub admin: SocketAddr,
    /// How much and how long.
    pub limits: Limits,
    /// The audit log.
    pub audit: AuditSettings,
    /// Logs, traces and metrics.
    pub telemetry: telemetry::Settings,
    /// How the gateway stops.
    pub drain: Drain,
    /// Members, sources and grants.
    pub directory: Directory,
    /// What may run, and deserves a look: certificates about to end, grants out of force.
    pub warnings: Vec<Finding>,
}

/// The public listener.
#[derive(Debug, Clone)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections at once.
    pub max_connections: usize,
    /// How long a TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// Largest head of a request, in bytes.
    pub max_header_bytes: usize,
}

/// How much and how long.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests at once; more are shed.
    pub max_requests: usize,
    /// Largest body of a request, in bytes.
    pub max_body: usize,
    /// How long the body of a request may take.
    pub body_timeout: Duration,
    /// The two deadlines.
    pub deadlines: Deadlines,
    /// How old an answer may be that stands in for a failed source.
    pub stale_for: Duration,
    /// How many answers are kept to stand in.
    pub stale_entries: u64,
}

/// The fan-out's deadline and the edge's; the first is always the shorter by [`EDGE_MARGIN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    edge: Duration,
    fan_out: Duration,
}

impl Deadlines {
    /// Takes both.
    ///
    /// # Errors
    /// When the fan-out could outlast the edge: then a slow agency would cost the whole answer
    /// instead of its own part.
    pub fn new(edge: Duration, fan_out: Duration) -> Result<Self, DeadlineOrder> {
        match fan_out.checked_add(EDGE_MARGIN) {
            Some(needed) if needed <= edge => Ok(Self { edge, fan_out }),
            _ => Err(DeadlineOrder { edge, fan_out }),
        }
    }

    /// How long a request may take in all.
    #[must_use]
    pub fn edge(self) -> Duration {
        self.edge
    }

    /// The longest deadline that any lookup gets.
    #[must_use]
    pub fn fan_out(self) -> Duration {
        self.fan_out
    }
}

impl Default for Deadlines {
    /// 20 seconds at the edge, 15 for the fan-out.
    fn default() -> Self {
        Self {
            edge: Duration::from_secs(20),
            fan_out: Duration::from_secs(15),
        }
    }
}

/// The fan-out's deadline isn't shorter than the edge's by the margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the fan-out's deadline of {fan_out:?} leaves less than {EDGE_MARGIN:?} of the edge's {edge:?}"
)]
pub struct DeadlineOrder {
    edge: Duration,
    fan_out: Duration,
}

/// The audit log.
#[derive(Debug, Clone)]
pub struct AuditSettings {
    /// Where its segments are written.
    pub directory: PathBuf,
    /// Key of the HMAC that stands for a subject in the log; 32 bytes or more.
    pub subject_key: Sensitive<Vec<u8>>,
    /// Size at which a segment is closed.
    pub segment_bytes: u64,
}

/// How the gateway stops.
#[derive(Debug, Clone, Copy)]
pub struct Drain {
    /// Between "not ready" and the last accepted connection: balancers need time to notice.
    pub delay: Duration,
    /// How long requests under way may still take.
    pub grace: Duration,
}

impl Config {
    /// Reads a file and everything that it names.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::load_at(path, Timestamp::now())
    }

    /// As [`load`](Self::load), with warnings as of a given moment.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    pub fn load_at(path: &Path, now: Timestamp) -> Result<Self, ConfigErrors> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigErrors::unreadable(path, &error))?;
        settings::read(path, &text, now)
    }
}

#[cfg(test)]
mod tests;
