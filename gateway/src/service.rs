//! Service: a configuration in, a gateway that serves until it is told to stop out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use loket_sdk::identity::PeerCertificate;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::admin::{self, AdminState, Readiness};
use crate::audit::Audit;
use crate::audit::log::{Log, OpenError, Options};
use crate::config::{Config, Drain};
use crate::directory::Directory;
use crate::listener::Listener;
use crate::pipeline::Gateway;
use crate::snapshot::Snapshot;
use crate::telemetry::Telemetry;

/// How long requests that were cut may take to be recorded.
const QUIET_WITHIN: Duration = Duration::from_secs(2);

/// Why a gateway can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The audit log can't be opened; without it nothing may be answered.
    #[error("the audit log can't be opened")]
    Audit(#[from] OpenError),
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

/// A gateway that is bound and about to serve.
pub struct Service {
    listener: Listener,
    admin: TcpListener,
    gateway: Arc<Gateway>,
    readiness: Arc<Readiness>,
    drain: Drain,
    stop: watch::Sender<bool>,
}

impl Service {
    /// Opens the audit log, builds the snapshot and binds both listeners.
    ///
    /// # Errors
    /// When one of these can't be done; nothing is left running then.
    pub async fn bind(config: Config, telemetry: Telemetry) -> Result<Self, StartError> {
        let server_tls = config.server_tls.server()?;
        let client_tls = Arc::new(config.client_tls.client()?);
        for (tls, role) in [
            (&config.server_tls, "server"),
            (&config.client_tls, "client"),
        ] {
            let own = tls
                .end_entity()
                .and_then(|der| PeerCertificate::from_der(der).ok());
            if let Some(own) = own {
                telemetry
                    .metrics()
                    .cert_not_after(&own.subject, role, own.not_after);
            }
        }
        let now = Timestamp::now();
        let mut asked = Asked::today(&config.directory, &config.time_zone, now);
        let options = Options {
            segment_bytes: config.audit.segment_bytes,
            replay_from: Some(asked.since),
            ..Options::default()
        };
        let (log, opened) = Log::open_with(&config.audit.directory, options, &mut |line| {
            asked.count(line)
        })?;
        if opened.torn_bytes > 0 {
            let bytes = opened.torn_bytes;
            tracing::warn!(
                loket.torn_bytes = bytes,
                "an unfinished audit entry was cut off"
            );
        }
        let snapshot = Snapshot::new(config.directory, config.time_zone, &client_tls, &telemetry);
        asked.recount(&snapshot);
        let audit = Audit::new(log, config.audit.subject_key.expose());
        let gateway = Gateway::new(snapshot, audit, telemetry, config.limits);
        let bound = |address| move |source| StartError::Bind { address, source };
        let address = config.listener.address;
        let listener = Listener::bind(config.listener, server_tls, gateway.clone())
            .await
            .map_err(bound(address))?;
        let admin = TcpListener::bind(config.admin)
            .await
            .map_err(bound(config.admin))?;
        let readiness = Arc::new(readiness(&gateway));
        let (stop, _) = watch::channel(false);
        Ok(Self {
            listener,
            admin,
            gateway,
            readiness,
            drain: config.drain,
            stop,
        })
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

    /// Serves until `shutdown` is done or `POST /drain` came. Then: not ready; a pause in which
    /// balancers notice and requests are still served; no new connections, and a bounded wait for
    /// what runs; the audit log and the telemetry written out.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self {
            listener,
            admin,
            gateway,
            readiness,
            drain,
            stop,
        } = self;
        let stop = Arc::new(stop);
        let state = AdminState {
            readiness: readiness.clone(),
            metrics: {
                let gateway = gateway.clone();
                Arc::new(move || exposition(&gateway))
            },
            drain: {
                let stop = stop.clone();
                Arc::new(move || {
                    stop.send_replace(true);
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
        let told = async {
            tokio::select! {
                () = shutdown => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
            readiness.draining.store(true, Ordering::Relaxed);
            tracing::info!(
                loket.delay_ms = drain.delay.as_millis() as u64,
                loket.grace_ms = drain.grace.as_millis() as u64,
                "draining"
            );
            tokio::time::sleep(drain.delay).await;
            gateway.draining().store(true, Ordering::Relaxed);
        };
        listener.serve(told, drain.grace).await;
        // Requests that were cut are recorded as abandoned, so the log closes after them.
        gateway.quiet(QUIET_WITHIN).await;
        gateway.audit().log().close().await;
        ended.send_replace(true);
        // Whatever became of the admin listener, the process ends.
        let _ = admin.await;
        gateway.telemetry().shutdown().await;
        tracing::info!("stopped");
    }
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

fn exposition(gateway: &Gateway) -> String {
    let queued = gateway.audit().log().health().queued;
    gateway.telemetry().metrics().set_audit_queue(queued);
    gateway.telemetry().prometheus_text()
}

/// Which of the directory's lists a grant stands in, and where.
#[derive(Clone, Copy)]
enum Granted {
    Record(usize),
    Service(usize),
}

/// Questions asked today before this process started, by grant.
struct Asked {
    since: Timestamp,
    grants: std::collections::HashMap<String, (Granted, u64)>,
    day: jiff::civil::Date,
}

impl Asked {
    fn today(directory: &Directory, zone: &TimeZone, now: Timestamp) -> Self {
        let day = zone.to_datetime(now).date();
        let since = zone.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(now);
        let records = directory.grants().iter().enumerate();
        let records = records
            .filter(|(_, grant)| grant.daily_quota.is_some())
            .map(|(index, grant)| (grant.id.clone(), (Granted::Record(index), 0)));
        let services = directory.service_grants().iter().enumerate();
        let services = services
            .filter(|(_, grant)| grant.daily_quota.is_some())
            .map(|(index, grant)| (grant.id.clone(), (Granted::Service(index), 0)));
        let grants = records.chain(services).collect();
        Self { since, grants, day }
    }

    /// Counts the questions of one entry; a streamed result is counted with its lookup.
    fn count(&mut self, line: &str) {
        #[derive(Deserialize)]
        struct Line {
            at: Timestamp,
            kind: String,
            #[serde(default)]
            sources: Vec<Source>,
            call: Option<Call>,
        }
        #[derive(Deserialize)]
        struct Call {
            grant: String,
            outcome: String,
        }
        #[derive(Deserialize)]
        struct Source {
            #[serde(default)]
            grants: Vec<String>,
        }
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            return;
        };
        if line.at < self.since || matches!(line.kind.as_str(), "result" | "call_opened") {
            return;
        }
        // A call that never reached its source wasn't counted.
        let call = line
            .call
            .iter()
            .filter(|call| call.outcome != "unavailable");
        let calls = call.map(|call| &call.grant);
        let records = line.sources.iter().flat_map(|source| &source.grants);
        for grant in records.chain(calls) {
            if let Some((_, asked)) = self.grants.get_mut(grant) {
                *asked += 1;
            }
        }
    }

    fn recount(&self, snapshot: &Snapshot) {
        for &(grant, asked) in self.grants.values().filter(|(_, asked)| *asked > 0) {
            let admission = &snapshot.admission;
            match grant {
                Granted::Record(grant) => admission.recount(grant, self.day, asked),
                Granted::Service(grant) => admission.recount_calls(grant, self.day, asked),
            }
        }
    }
}
