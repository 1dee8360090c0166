//! Config: a TOML file in, settings that are valid by construction out.
//!
//! [`mod@file`] is the file's raw form; what stands here has been checked, down to the certificates and
//! the directory of members, sources and grants. Refuses with everything that is wrong, each with
//! its file, line, key and remedy, and never shows a secret.

pub(crate) mod backend;
mod database;
mod directory;
pub(crate) mod document;
pub(crate) mod explain;
pub mod file;
pub mod files;
pub mod finding;
mod grants;
pub(crate) mod listener;
pub(crate) mod material;
mod replay;
mod retention;
mod services;
pub(crate) mod settings;
mod signing;
mod unsigned;
pub(crate) mod value;
mod visibility;
pub(crate) mod warnings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use loket_sdk::sensitive::Sensitive;
use loket_sdk::tls::MutualTls;
use loket_sdk::transparency::{KeyError, LogKeys};

use crate::checkpoint::{Keys, NoteError, Signer, SignerError, Witness};
use crate::directory::Directory;
use crate::telemetry;

pub use database::Database;
pub use finding::{ConfigErrors, Finding, Severity};
pub(crate) use material::unhex;
pub use replay::ReplaySettings;

/// How much longer the edge waits than the fan-out: time to check, compare, record and write.
pub const EDGE_MARGIN: Duration = Duration::from_millis(500);

/// The shortest term of an audit entry: the three days that a start reads back, and one more.
pub const SHORTEST_RETENTION: SignedDuration = SignedDuration::from_hours(4 * 24);

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
    /// Answers that are kept to be given again; none when nothing is.
    pub replay: Option<ReplaySettings>,
    /// Logs, traces and metrics.
    pub telemetry: telemetry::Settings,
    /// How the gateway stops.
    pub drain: Drain,
    /// When it is read again.
    pub reload: Reload,
    /// Members, sources and grants.
    pub directory: Directory,
    /// SHA-256 of the file that it was read from, if there is one.
    pub file_sha256: Option<[u8; 32]>,
    /// What may run, and deserves a look: certificates about to end, grants out of force.
    pub warnings: Vec<Finding>,
}

/// The public listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections at once.
    pub max_connections: usize,
    /// Connections of one member at once.
    pub max_connections_per_member: usize,
    /// Connections of one address at once; of one /64 with IPv6.
    pub max_connections_per_address: usize,
    /// TLS handshakes at once; as many more may wait.
    pub max_handshakes: usize,
    /// TLS handshakes of one address, under way or waiting.
    pub max_handshakes_per_address: usize,
    /// HTTP/2 requests at once on one connection.
    pub max_streams: u32,
    /// How long a TLS handshake may take, the wait for its turn included.
    pub handshake_timeout: Duration,
    /// How long the head of a request may take.
    pub header_timeout: Duration,
    /// How long a connection may be unused.
    pub idle_timeout: Duration,
    /// How long a peer may take nothing of what is sent to it.
    pub write_timeout: Duration,
    /// How old a connection grows before it is told to end, give or take a tenth.
    pub max_connection_age: Duration,
    /// Largest head of a request, in bytes.
    pub max_header_bytes: usize,
}

impl Listener {
    /// The defaults, at an address.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            max_connections: 1024,
            max_connections_per_member: 256,
            max_connections_per_address: 512,
            max_handshakes: 256,
            max_handshakes_per_address: 64,
            max_streams: 128,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            write_timeout: Duration::from_secs(30),
            max_connection_age: Duration::from_secs(3600),
            max_header_bytes: 16_384,
        }
    }
}

/// How much and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests at once; more are shed.
    pub max_requests: usize,
    /// Requests of one member at once, whatever is free.
    pub max_requests_per_member: usize,
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

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_requests: 1024,
            max_requests_per_member: 1024,
            max_body: 65_536,
            body_timeout: Duration::from_secs(5),
            deadlines: Deadlines::default(),
            stale_for: Duration::from_secs(900),
            stale_entries: 10_000,
        }
    }
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditSettings {
    /// Where entries are kept.
    pub store: AuditStore,
    /// The log's name: the first line of its checkpoints.
    pub origin: String,
    /// Private keys that sign checkpoints, PKCS #8 in PEM: one, or two while it is replaced.
    pub signing_keys: Vec<Sensitive<Vec<u8>>>,
    /// Public keys that signed earlier checkpoints, `name+id+key`.
    pub verifier_keys: Vec<String>,
    /// Key of the HMAC that stands for a subject in the log; 32 bytes or more.
    pub subject_key: Sensitive<Vec<u8>>,
    /// Least time between two commits.
    pub commit_interval: Duration,
    /// After how long entries are deleted; never when there is none.
    pub retention: Option<SignedDuration>,
    /// Who is shown its checkpoints.
    pub witnesses: Vec<Witness>,
    /// How often.
    pub witness_interval: Duration,
}

impl AuditSettings {
    /// What signs checkpoints.
    ///
    /// # Errors
    /// When a key is none, or the origin can't be a key's name.
    pub fn signer(&self) -> Result<Signer, SignerError> {
        let keys = self.signing_keys.iter();
        Signer::new(&self.origin, keys.map(|key| key.expose().as_slice()))
    }

    /// The same with the witnesses', as those who verify receipts have them.
    ///
    /// # Errors
    /// When a key is none.
    pub fn log_keys(&self) -> Result<LogKeys, KeyError> {
        let signer = self.signer().map_err(|_| KeyError::None)?;
        let earlier = self.verifier_keys.iter().cloned();
        let keys = LogKeys::new(&self.origin, signer.verifier_keys().chain(earlier))?;
        keys.witnessed(self.witnesses.iter().map(|witness| &witness.key), 0)
    }

    /// What checkpoints are believed under: those keys, and the earlier ones.
    ///
    /// # Errors
    /// When a key is none of this log.
    pub fn keys(&self) -> Result<Keys, NoteError> {
        let signer = self.signer().map_err(|_| NoteError::Key)?;
        let earlier = self.verifier_keys.iter().cloned();
        Keys::new(&self.origin, signer.verifier_keys().chain(earlier))
    }
}

/// Where the entries of the audit log are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditStore {
    /// In files of this gateway's own.
    Files {
        /// Their directory.
        directory: PathBuf,
        /// Size at which what is written first is begun anew.
        segment_bytes: u64,
    },
    /// In a database, which other gateways write to as well.
    Postgres(Database),
}

/// How the gateway stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// Between "not ready" and the last accepted connection: balancers need time to notice.
    pub delay: Duration,
    /// How long requests under way may still take.
    pub grace: Duration,
}

/// When the configuration is read again, besides SIGHUP and `POST /reload`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// Whether files are watched.
    pub watch: bool,
    /// How often they are looked at.
    pub interval: Duration,
}

impl Default for Reload {
    /// Every five seconds.
    fn default() -> Self {
        Self {
            watch: true,
            interval: Duration::from_secs(5),
        }
    }
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
        Self::read(path, &text, now)
    }

    /// Reads the text of a file that is, or would be, at `path`; what it names is looked for from
    /// there.
    ///
    /// # Errors
    /// Everything that is wrong, not only the first.
    pub fn read(path: &Path, text: &str, now: Timestamp) -> Result<Self, ConfigErrors> {
        settings::read(path, text, now)
    }
}

#[cfg(test)]
mod tests;
