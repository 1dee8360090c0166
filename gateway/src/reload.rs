//! Reload: what is configured now in, the next snapshot and TLS in force out, or why all stays.
//!
//! The next state is read, built and checked whole before anything changes. Requests under way keep
//! what they began with; connections stay, and their peers are vetted again at their next request.
//! TLS sessions don't: one that is resumed skips the check of the client's certificate. Refused
//! are configurations that are wrong, and changes that only a restart can make.

mod change;
mod watch;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use loket_sdk::identity::PeerCertificate;
use loket_sdk::tls::{MutualTls, TlsError};
use rustls::{ClientConfig, ServerConfig};
use tokio::sync::Mutex;

use crate::audit::{ActEntry, Asker, Fingerprint};
use crate::config::{Config, ConfigErrors};
use crate::grants::{PutBack, Versions};
use crate::identity::Trust;
use crate::pipeline::Gateway;
use crate::snapshot::Meeting;
use crate::supervisor;
use crate::telemetry::{Reloaded, Telemetry};

pub use change::{Changes, Difference};
use change::{Fixed, between};
pub use watch::Watch;

/// Reads what is configured now; it may block.
pub type Source = Arc<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;

/// Why what was in force stays in force.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The configuration is wrong.
    #[error("the configuration is wrong in {} places; what was in force stays", .0.errors.len())]
    Wrong(ConfigErrors),
    /// These tables have changed, which only count at the start.
    #[error("{} changed, which only a restart can put in force; nothing was changed", .0.join(", "))]
    NeedsRestart(Vec<&'static str>),
    /// A grant is older than one that was in force.
    #[error("{0}; what was in force stays")]
    PutBack(#[from] PutBack),
    /// TLS can't be set up.
    #[error("TLS can't be set up: {0}; what was in force stays")]
    Tls(#[from] TlsError),
    /// The gateway stops.
    #[error("the gateway is stopping; the next start reads what is configured")]
    Stopping,
    /// It was given its settings by a program.
    #[error("this gateway has no configuration file to read")]
    NoSource,
    /// A bug.
    #[error("the configuration couldn't be read to its end; what was in force stays")]
    Panicked,
}

impl Refused {
    /// The reason in a word, for programs: the same in the answer to `POST /reload` and on record.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Wrong(_) | Self::Tls(_) => "config_wrong",
            Self::NeedsRestart(_) => "needs_restart",
            Self::PutBack(_) => "grant_put_back",
            Self::Stopping => "draining",
            Self::NoSource => "no_config_file",
            Self::Panicked => "internal",
        }
    }
}

/// Puts in force what is configured, one reload at a time.
pub struct Reloader {
    gateway: Arc<Gateway>,
    server_tls: Arc<ArcSwap<ServerConfig>>,
    source: OnceLock<Source>,
    status: String,
    stopping: Arc<AtomicBool>,
    now: Mutex<InForce>,
}

/// What reloads compare with.
pub struct InForce {
    fixed: Fixed,
    fingerprint: Fingerprint,
    server: MutualTls,
    client: MutualTls,
    meeting: Arc<ClientConfig>,
    versions: Versions,
}

impl InForce {
    /// What the gateway starts with.
    #[must_use]
    pub fn new(config: &Config, meeting: Arc<ClientConfig>, versions: Versions) -> Self {
        Self {
            fixed: Fixed::of(config),
            fingerprint: Fingerprint::of(config),
            server: config.server_tls.clone(),
            client: config.client_tls.clone(),
            meeting,
            versions,
        }
    }
}

impl Reloader {
    /// For a gateway whose listener takes its TLS from `server_tls`. With it goes what the service
    /// manager is told of it, and whether it stops.
    #[must_use]
    pub fn new(
        gateway: Arc<Gateway>,
        server_tls: Arc<ArcSwap<ServerConfig>>,
        now: InForce,
        (status, stopping): (String, Arc<AtomicBool>),
    ) -> Arc<Self> {
        gateway.telemetry().metrics().config_loaded();
        Arc::new(Self {
            gateway,
            server_tls,
            source: OnceLock::new(),
            status,
            stopping,
            now: Mutex::new(now),
        })
    }

    /// From where to read; the first call counts.
    pub fn read_from(&self, source: Source) {
        // A second source would make two callers disagree on what is configured.
        let _ = self.source.set(source);
    }

    /// Reads, builds, checks, puts in force and records it. Goes on to its end when the caller
    /// leaves.
    ///
    /// # Errors
    /// When what was in force stays; it is logged, counted and recorded already.
    pub async fn reload(self: &Arc<Self>, asker: Asker) -> Result<Changes, Refused> {
        let reloader = self.clone();
        let reload = tokio::spawn(async move {
            let mut now = reloader.now.lock().await;
            let before = now.fingerprint.clone();
            let outcome = match reloader.stopping.load(Ordering::Relaxed) {
                true => Err(Refused::Stopping),
                false => {
                    supervisor::reloading();
                    let outcome = reloader.attempt(&mut now).await;
                    reloader.note(&outcome);
                    outcome
                }
            };
            let refusal = outcome.as_ref().err().map(Refused::code);
            let versions = outcome.iter().flat_map(|changes| &changes.versions);
            let mut entries: Vec<_> = versions.cloned().map(ActEntry::grant_changed).collect();
            let after = now.fingerprint.clone();
            entries.push(ActEntry::reload(asker, refusal, before, after));
            let counts = outcome.iter().find_map(|changes| changes.hold_counts);
            entries.extend(counts.map(|counts| ActEntry::holds(asker, counts)));
            // Handed over in the order of reloads, and waited for without holding up the next.
            let recorded = record_all(&reloader.gateway, &entries);
            drop(now);
            recorded.await;
            outcome
        });
        reload.await.unwrap_or(Err(Refused::Panicked))
    }

    async fn attempt(&self, now: &mut InForce) -> Result<Changes, Refused> {
        let source = self.source.get().ok_or(Refused::NoSource)?.clone();
        let config = tokio::task::spawn_blocking(move || source()).await;
        let config = config.map_err(|_| Refused::Panicked)?;
        let config = config.map_err(Refused::Wrong)?;
        let fixed = now.fixed.differing(&Fixed::of(&config));
        if !fixed.is_empty() {
            return Err(Refused::NeedsRestart(fixed));
        }
        let (versions, changed) = now.versions.followed_by(&config.directory)?;
        let fingerprint = Fingerprint::of(&config);
        let server = config.server_tls.server()?;
        let verifier = config.server_tls.client_verifier()?;
        let anew = config.client_tls != now.client;
        if anew {
            now.meeting = Arc::new(config.client_tls.client()?);
        }
        let meeting = match anew {
            true => Meeting::Anew(&now.meeting),
            false => Meeting::AsBefore(&now.meeting),
        };
        let old = self.gateway.snapshot();
        let changes = Changes {
            server_tls: config.server_tls != now.server,
            upstream_tls: anew,
            versions: changed,
            ..between(&old.directory, &config.directory, config.warnings)
        };
        let trust = Trust::new(verifier, old.trust.generation() + 1);
        let telemetry = self.gateway.telemetry();
        let next = old.succeeded_by(config.directory, trust, meeting, telemetry);
        // Handshakes first: a connection reads the stage and then takes its TLS, so that one that
        // believes to be of this generation is.
        self.server_tls.store(Arc::new(server));
        self.gateway.swap(next);
        note_certificates(telemetry, &config.server_tls, &config.client_tls);
        now.fingerprint = fingerprint;
        now.versions = versions;
        (now.server, now.client) = (config.server_tls, config.client_tls);
        Ok(changes)
    }

    fn note(&self, outcome: &Result<Changes, Refused>) {
        let metrics = self.gateway.telemetry().metrics();
        match outcome {
            Ok(changes) => {
                metrics.config_reloaded(Reloaded::Applied);
                for warning in &changes.warnings {
                    tracing::warn!("{warning}");
                }
                tracing::info!(
                    loket.changes = changes.summary(),
                    "the configuration was reloaded"
                );
                supervisor::ready(&self.status);
            }
            Err(refused) => {
                metrics.config_reloaded(Reloaded::Refused);
                let (count, first) = match refused {
                    Refused::Wrong(errors) => (
                        errors.errors.len(),
                        errors.errors.first().map(ToString::to_string),
                    ),
                    _ => (0, None),
                };
                tracing::error!(
                    loket.findings = count,
                    loket.first_finding = first.unwrap_or_default(),
                    loket.cause = %refused,
                    "a reload was refused"
                );
                supervisor::ready(&format!("{}; the last reload was refused", self.status));
            }
        }
    }
}

/// Hands the entries of what was done to the log at once, in their order; what is returned waits for
/// them, and counts those that are on record.
pub fn record_all(
    gateway: &Gateway,
    entries: &[ActEntry],
) -> impl Future<Output = ()> + Send + use<> {
    let audit = gateway.audit();
    let handed = entries.iter();
    let handed: Vec<_> = handed
        .map(|entry| (entry.kind(), audit.record_act(entry)))
        .collect();
    let metrics = gateway.telemetry().metrics().clone();
    async move {
        for (kind, recorded) in handed {
            if recorded.await {
                metrics.audit_recorded(kind.as_str());
            }
        }
    }
}

/// Tells operations when our own certificates and the peers' revocation lists end.
pub fn note_certificates(telemetry: &Telemetry, server: &MutualTls, client: &MutualTls) {
    for (tls, role) in [(server, "server"), (client, "client")] {
        let own = tls
            .end_entity()
            .and_then(|der| PeerCertificate::from_der(der).ok());
        let metrics = telemetry.metrics();
        metrics.crl_next_update(role, tls.next_update());
        if let Some(own) = own {
            metrics.cert_not_after(&own.subject, role, own.not_after);
        }
    }
}
