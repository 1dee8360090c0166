//! Starts the gateway, configured in code as `loket.toml` would.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;
use loket_gateway::config::{
    AuditSettings, AuditStore, Config, Deadlines, Drain, Limits, Listener, Reload, ReplaySettings,
};
use loket_gateway::directory::Parts;
use loket_gateway::service::Service;
use loket_gateway::telemetry::{self, Telemetry};
use loket_sdk::message::MAX_DEADLINE_MS;
use loket_sdk::testing::{Ca, Leaf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{GATEWAY, TRUST_DOMAIN};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A gateway that serves.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
    pub(super) leaf: Leaf,
    pub(super) stop: oneshot::Sender<()>,
    pub(super) task: JoinHandle<()>,
}

pub(super) async fn start(ca: &Ca, directory: &Path, parts: Parts) -> anyhow::Result<Running> {
    let leaf = ca.system(GATEWAY.0, GATEWAY.1);
    let config = config(&leaf, directory, parts)?;
    let telemetry = Telemetry::new(&config.telemetry, env!("CARGO_PKG_VERSION"))?;
    let service = Service::bind(config, telemetry)
        .await
        .context("the gateway can't be started")?;
    let (address, admin) = (service.address()?, service.admin_address()?);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(service.serve(async {
        // An error says that the town is gone, which stops it as well.
        let _ = stopped.await;
    }));
    Ok(Running {
        address,
        admin,
        leaf,
        stop,
        task,
    })
}

fn config(leaf: &Leaf, directory: &Path, parts: Parts) -> anyhow::Result<Config> {
    Ok(Config {
        trust_domain: TRUST_DOMAIN.to_owned(),
        time_zone: TimeZone::get("Asia/Jakarta")?,
        listener: Listener {
            max_connections: 256,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            max_header_bytes: 16 << 10,
            ..Listener::at(LOOPBACK)
        },
        server_tls: leaf.mutual_tls(),
        client_tls: leaf.mutual_tls(),
        admin: LOOPBACK,
        limits: Limits {
            max_requests: 256,
            max_body: 64 << 10,
            body_timeout: Duration::from_secs(5),
            deadlines: Deadlines::new(
                Duration::from_secs(20),
                Duration::from_millis(MAX_DEADLINE_MS.into()),
            )?,
            stale_for: Duration::from_secs(900),
            stale_entries: 1_000,
            ..Limits::default()
        },
        audit: AuditSettings {
            store: AuditStore::Files {
                directory: directory.join("audit"),
                segment_bytes: 16 << 20,
            },
            origin: format!("{TRUST_DOMAIN}/audit"),
            signing_keys: vec![loket_sdk::testing::signing_key().into_bytes().into()],
            verifier_keys: Vec::new(),
            subject_key: throw_away_key().into(),
            commit_interval: Duration::from_millis(1),
            retention: None,
            witnesses: Vec::new(),
            witness_interval: Duration::from_secs(60),
        },
        replay: Some(ReplaySettings::at(directory.join("replay"))),
        telemetry: telemetry::Settings {
            service_instance_id: "loket-demo".to_owned(),
            environment: "development".to_owned(),
            otlp_endpoint: None,
            sampling_ratio: 1.0,
            slow: telemetry::SLOW,
            traces: telemetry::TRACES,
            log_format: telemetry::LogFormat::Text,
            log_level: "info".to_owned(),
        },
        // Nobody balances load here, so nobody has to notice.
        drain: Drain {
            delay: Duration::ZERO,
            grace: Duration::from_secs(2),
        },
        reload: Reload::default(),
        directory: super::directory(parts)?,
        file_sha256: None,
        warnings: Vec::new(),
    })
}

fn throw_away_key() -> Vec<u8> {
    [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]
        .iter()
        .flat_map(|random| *random.as_bytes())
        .collect()
}
