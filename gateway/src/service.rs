//! Service: a configuration in, a gateway that serves until it is told to stop out.

mod asked;
mod opening;
mod seen;
mod standing;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::{self, AdminState, Readiness};
use crate::audit::log::{Log, Options};
use crate::audit::store::OpenError;
use crate::audit::{ActEntry, Asker, Audit, retention};
use crate::config::{AuditStore, Config, Drain};
use crate::grants::PutBack;
use crate::identity::Trust;
use crate::listener::Listener;
use crate::pipeline::Gateway;
use crate::reload::{self, InForce, Reloader};
use crate::replay;
use crate::snapshot::Snapshot;
use crate::supervisor::{self, Sockets};
use crate::telemetry::{SAMPLED_EVERY, Telemetry};
use crate::witness::Witnesses;
use crate::workers::Workers;
use opening::{Learnt, Opened};
use standing::Told;

/// How many changed grants are handed to the log at once, which has a bounded queue.
const CHANGES_AT_ONCE: usize = 256;
/// How long requests that were cut may take to be recorded.
const QUIET_WITHIN: Duration = Duration::from_secs(2);
/// How long the threads may take to drop what is left.
const STOPPED_WITHIN: Duration = Duration::from_secs(1);
/// How often what waits for a second person is told of.
const REMIND_EVERY: Duration = Duration::from_secs(3600);
/// How long the disk may take for the last entries.
const CLOSED_WITHIN: Duration = Duration::from_secs(5);

/// Why a gateway can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The audit log can't be opened; without it nothing may be answered.
    #[error("the audit log can't be opened")]
    Audit(#[from] OpenError),
    /// The answers that are kept can't be opened.
    #[error("kept answers can't be opened")]
    Replay(#[from] replay::OpenError),
    /// A grant is older than one that was in force.
    #[error(transparent)]
    PutBack(#[from] PutBack),
    /// TLS towards counters or agencies can't be set up.
    #[error("TLS can't be set up")]
    Tls(#[from] loket_sdk::tls::TlsError),
    /// An address can't be bound.
    #[error("{address} can't be bound")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

pub(crate) use seen::grants_known_since;

/// A gateway that is bound and about to serve.
pub struct Service {
    listener: Listener,
    admin: TcpListener,
    gateway: Arc<Gateway>,
    readiness: Arc<Readiness>,
    reloader: Arc<Reloader>,
    status: String,
    drain: Drain,
    stop: watch::Sender<bool>,
    workers: Workers,
    witnesses: Witnesses,
    witness_interval: Duration,
    retention: Option<SignedDuration>,
    grants: Told,
    /// Whether that is on record.
    begun: bool,
}

impl Service {
    /// Opens the audit log, builds the snapshot and binds both listeners.
    ///
    /// # Errors
    /// When one of these can't be done; nothing is left running then.
    pub async fn bind(config: Config, telemetry: Telemetry) -> Result<Self, StartError> {
        Self::bind_on(config, telemetry, Sockets::default()).await
    }

    /// As [`bind`](Self::bind), on the sockets that a service manager holds, where there are some.
    ///
    /// # Errors
    /// When one of these can't be done; nothing is left running then.
    pub async fn bind_on(
        config: Config,
        telemetry: Telemetry,
        sockets: Sockets,
    ) -> Result<Self, StartError> {
        let server_tls = Arc::new(ArcSwap::from_pointee(config.server_tls.server()?));
        let client_tls = Arc::new(config.client_tls.client()?);
        let trust = Trust::new(config.server_tls.client_verifier()?, 0);
        reload::note_certificates(&telemetry, &config.server_tls, &config.client_tls);
        let Opened {
            store,
            replay,
            learnt,
        } = opening::open(&config, &telemetry).await?;
        let Learnt {
            asked,
            waiting,
            mut grants,
        } = learnt;
        let options = Options {
            commit_interval: config.audit.commit_interval,
            ..Options::default()
        };
        let log = Log::start(store, options)?;
        let (versions, changed) = grants.versions().followed_by(&config.directory)?;
        let in_force = InForce::new(&config, client_tls.clone(), versions);
        let snapshot = Snapshot {
            trust,
            ..Snapshot::new(config.directory, config.time_zone, &client_tls, &telemetry)
        };
        asked.recount(&snapshot);
        let mut audit = Audit::new(log, config.audit.subject_key.expose());
        // A database has an index of its own.
        if let AuditStore::Files { directory, .. } = &config.audit.store {
            audit = audit.with_index(directory.join("index"))?;
        }
        let log_keys = config.audit.log_keys().map_err(|_| OpenError::Keys)?;
        let witnesses = Witnesses::new(&config.audit.witnesses, log_keys, client_tls.clone());
        let gateway =
            Gateway::new(snapshot, audit, replay, telemetry, config.limits).with_waiting(waiting);
        let public = socket(sockets.public, config.listener.address).await?;
        let admin = socket(sockets.admin, config.admin).await?;
        let (address, admin_address) = (config.listener.address, config.admin);
        let bound = |address| move |source| StartError::Bind { address, source };
        let tls = server_tls.clone();
        let listener = Listener::from_std(public, config.listener, tls, gateway.clone())
            .map_err(bound(address))?;
        let admin = TcpListener::from_std(admin).map_err(bound(admin_address))?;
        let changed: Vec<_> = changed.into_iter().map(ActEntry::grant_changed).collect();
        for some in changed.chunks(CHANGES_AT_ONCE) {
            reload::record_all(&gateway, some).await;
        }
        let metrics = gateway.telemetry().metrics();
        let begun = grants.begin(gateway.audit(), metrics).await;
        let status = match listener.local_addr() {
            Ok(address) => format!("serving on {address}"),
            Err(_) => "serving".to_owned(),
        };
        let readiness = Arc::new(readiness(&gateway));
        let told = (status.clone(), readiness.draining.clone());
        let reloader = Reloader::new(gateway.clone(), server_tls, in_force, told);
        let (stop, _) = watch::channel(false);
        Ok(Self {
            listener,
            admin,
            gateway,
            readiness,
            reloader,
            status,
            drain: config.drain,
            stop,
            workers: Workers::none(),
            witnesses,
            witness_interval: config.audit.witness_interval,
            retention: config.audit.retention,
            grants,
            begun,
        })
    }

    /// Serves connections on these threads instead of the one that serves.
    #[must_use]
    pub fn on(self, workers: Workers) -> Self {
        Self { workers, ..self }
    }

    /// Where counters connect.
    ///
    /// # Errors
    /// When the system doesn't tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where operators connect.
    ///
    /// # Errors
    /// When the system doesn't tell.
    pub fn admin_address(&self) -> std::io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// The gateway itself.
    #[must_use]
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    /// What reads the configuration again, once it knows from where.
    #[must_use]
    pub fn reloader(&self) -> &Arc<Reloader> {
        &self.reloader
    }

    /// Serves until `shutdown` is done or `POST /drain` came. Then: not ready; a pause in which
    /// balancers notice and requests are still served; no new connections, and a bounded wait for
    /// what runs; the audit log and the telemetry written out.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self {
            listener,
            admin,
            gateway,
            readiness,
            reloader,
            status,
            drain,
            stop,
            workers,
            witnesses,
            witness_interval,
            retention,
            grants,
            begun,
        } = self;
        let stop = Arc::new(stop);
        let state = AdminState {
            readiness: readiness.clone(),
            telemetry: gateway.telemetry().clone(),
            observe: {
                let gateway = gateway.clone();
                Arc::new(move || observe(&gateway))
            },
            drain: {
                let stop = stop.clone();
                Arc::new(move || {
                    stop.send_replace(true);
                })
            },
            reload: {
                let reloader = reloader.clone();
                Arc::new(move || {
                    let reloader = reloader.clone();
                    Box::pin(async move { reloader.reload(Asker::Admin).await })
                })
            },
        };
        let mut stopping = stop.subscribe();
        let (ended, mut end) = watch::channel(false);
        let admin = tokio::spawn(admin::serve(admin, admin::router(state), async move {
            // An error says that the sender is gone, which ends it as well.
            let _ = end.wait_for(|ended| *ended).await;
        }));
        readiness.started.store(true, Ordering::Relaxed);
        tracing::info!("ready");
        supervisor::ready(&status);
        let alive = tokio::spawn(supervisor::watchdog());
        let (audit, telemetry) = (gateway.audit().clone(), gateway.telemetry().clone());
        let watching = tokio::spawn(witnesses.run(audit, telemetry, witness_interval));
        let (audit, metrics) = (
            gateway.audit().clone(),
            gateway.telemetry().metrics().clone(),
        );
        let standing = tokio::spawn(standing::keep(
            grants,
            audit.clone(),
            metrics.clone(),
            begun,
        ));
        let keeping = retention.map(|term| {
            let keeping = retention::keep(audit, metrics, term, grants_known_since);
            tokio::spawn(keeping).abort_handle()
        });
        let reminding = tokio::spawn(remind(gateway.clone()));
        let sampling = tokio::spawn(sample(gateway.telemetry().clone()));
        let told = async {
            let asker = tokio::select! {
                () = shutdown => Asker::Signal,
                _ = stopping.wait_for(|stop| *stop) => Asker::Admin,
            };
            readiness.draining.store(true, Ordering::Relaxed);
            supervisor::stopping("draining");
            tracing::info!(
                loket.delay_ms = drain.delay.as_millis() as u64,
                loket.grace_ms = drain.grace.as_millis() as u64,
                "draining"
            );
            let entry = ActEntry::drain(asker);
            let recorded = gateway.audit().record_act(&entry);
            let metrics = gateway.telemetry().metrics().clone();
            // A disk that hangs holds up no drain.
            tokio::spawn(async move {
                if recorded.await {
                    metrics.audit_recorded(entry.kind().as_str());
                }
            });
            tokio::time::sleep(drain.delay).await;
            gateway.draining().store(true, Ordering::Relaxed);
        };
        listener.serve(told, drain.grace, &workers).await;
        if let Some(keeping) = keeping {
            keeping.abort();
        }
        // Requests that were cut are recorded as abandoned, so the log closes after them.
        gateway.quiet(QUIET_WITHIN).await;
        workers.stop(STOPPED_WITHIN).await;
        if !gateway.audit().log().close_within(CLOSED_WITHIN).await {
            let queued = gateway.audit().log().health().queued;
            tracing::error!(
                loket.queued = queued as u64,
                "the audit log's disk doesn't answer; entries that wait are lost, none of an answer that left"
            );
        }
        gateway.replay().close_within(CLOSED_WITHIN).await;
        ended.send_replace(true);
        // Whatever became of the admin listener, the process ends.
        let _ = admin.await;
        gateway.telemetry().shutdown().await;
        alive.abort();
        watching.abort();
        reminding.abort();
        standing.abort();
        sampling.abort();
        tracing::info!("stopped");
    }
}

/// A socket that listens: the one that was handed over, wherever it is bound, or one at `address`.
async fn socket(
    handed: Option<std::net::TcpListener>,
    address: SocketAddr,
) -> Result<std::net::TcpListener, StartError> {
    let socket = match handed {
        Some(socket) => {
            let actual = socket.local_addr().ok();
            if actual != Some(address) {
                tracing::warn!(
                    loket.configured = %address,
                    server.address = actual.map(|actual| actual.to_string()).unwrap_or_default(),
                    "the service manager's socket isn't at the configured address, and is used"
                );
            }
            Ok(socket)
        }
        None => TcpListener::bind(address)
            .await
            .and_then(TcpListener::into_std),
    };
    socket
        .and_then(|socket| socket.set_nonblocking(true).map(|()| socket))
        .map_err(|source| StartError::Bind { address, source })
}

fn readiness(gateway: &Arc<Gateway>) -> Readiness {
    let log = gateway.audit().log().clone();
    let audit = move || {
        let health = log.health();
        if health.writable {
            return Ok(());
        }
        Err(health
            .last_error
            .unwrap_or_else(|| "the audit log isn't writable".to_owned()))
    };
    Readiness {
        checks: vec![("audit", Box::new(audit))],
        started: Arc::new(AtomicBool::new(false)),
        draining: Arc::new(AtomicBool::new(false)),
    }
}

/// Says at the start and every hour how many lookups that broke the glass nobody approved.
async fn remind(gateway: Arc<Gateway>) {
    let mut hourly = tokio::time::interval(REMIND_EVERY);
    loop {
        hourly.tick().await;
        let overdue = gateway.waiting().unapproved(Timestamp::now());
        if overdue > 0 {
            tracing::warn!(
                loket.overdue = overdue as u64,
                "lookups that broke the glass have had no second person for a day"
            );
        }
    }
}

/// Takes the totals that rates of the last minutes are reckoned from.
async fn sample(telemetry: Telemetry) {
    let mut turns = tokio::time::interval(SAMPLED_EVERY);
    loop {
        turns.tick().await;
        telemetry.sample();
    }
}

/// Brings up to date what is only known when somebody looks.
fn observe(gateway: &Gateway) {
    let log = gateway.audit().log();
    let (health, unsealed) = (log.health(), log.reader().unsealed());
    let overdue = gateway.waiting().overdue(Timestamp::now());
    let metrics = gateway.telemetry().metrics();
    metrics.set_audit_queue(health.queued);
    metrics.set_audit_log(health.lost, unsealed.bytes, unsealed.fails);
    if let Some(at) = health.signed_at {
        metrics.set_audit_last_checkpoint(u64::try_from(at.as_second()).unwrap_or_default());
    }
    if let Some(behind) = gateway.audit().index_behind() {
        metrics.set_audit_index_behind(behind);
    }
    metrics.set_glass_overdue(overdue);
    for (grant, used) in gateway.snapshot().admission.used(Timestamp::now()) {
        metrics.quota_used(grant, used);
    }
}
