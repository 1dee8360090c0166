//! A town that runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use loket_sdk::client::Client;
use loket_sdk::testing::{Ca, Leaf};
use tempfile::TempDir;
use tokio::sync::watch;

use super::agency::{Agency, Running};
use super::{COUNTER, gateway, members};

/// How long one part of the town gets to stop.
const PATIENCE: Duration = Duration::from_secs(5);

/// Agencies and a gateway that run in this process. Its directory with certificates, keys and the
/// audit log is removed with it.
pub struct Town {
    ca: Ca,
    directory: TempDir,
    gateway: gateway::Running,
    agencies: Vec<Agency>,
    counters: Vec<(&'static str, Leaf)>,
    stop: watch::Sender<bool>,
}

impl Town {
    pub(super) fn new(
        ca: Ca,
        directory: TempDir,
        gateway: gateway::Running,
        agencies: Vec<Agency>,
        stop: watch::Sender<bool>,
    ) -> anyhow::Result<Self> {
        let counters: Vec<_> = members::MEMBERS
            .iter()
            .map(|(member, _)| (*member, ca.system(member, COUNTER)))
            .collect();
        let certificates = directory.path().join("certificates");
        std::fs::create_dir(&certificates).context("no directory for certificates")?;
        ca.write_to(&certificates);
        gateway.leaf.write_to(&certificates);
        let agents = agencies.iter().map(|agency| &agency.leaf);
        for leaf in agents.chain(counters.iter().map(|(_, leaf)| leaf)) {
            leaf.write_to(&certificates);
        }
        Ok(Self {
            ca,
            directory,
            gateway,
            agencies,
            counters,
            stop,
        })
    }

    /// Where counters connect.
    #[must_use]
    pub fn gateway(&self) -> SocketAddr {
        self.gateway.address
    }

    /// Where counters connect, by a name that is in the gateway's certificate.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.gateway.address.port())
    }

    /// Where operators connect, without TLS.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.gateway.admin
    }

    /// The agencies, in the order in which they started.
    #[must_use]
    pub fn agencies(&self) -> &[Agency] {
        &self.agencies
    }

    /// The authority of every certificate in the town, to issue more.
    #[must_use]
    pub fn ca(&self) -> &Ca {
        &self.ca
    }

    /// The town's own directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the certificates are: `ca.pem`, and `<member>-<system>.pem` and `.key` of each.
    #[must_use]
    pub fn certificates(&self) -> PathBuf {
        self.directory.path().join("certificates")
    }

    /// The certificate of a member's counters.
    ///
    /// # Errors
    /// When the town has no such member.
    pub fn counter(&self, member: &str) -> anyhow::Result<&Leaf> {
        let found = self.counters.iter().find(|(name, _)| *name == member);
        let (_, leaf) = found.with_context(|| format!("the town has no member {member}"))?;
        Ok(leaf)
    }

    /// A counter of a member.
    ///
    /// # Errors
    /// When the town has no such member.
    pub fn client(&self, member: &str) -> anyhow::Result<Client> {
        let client = Client::builder()
            .url(self.url())
            .mutual_tls(self.counter(member)?.mutual_tls())
            .by("clk-7f3a", "B07")
            .build()?;
        Ok(client)
    }

    /// Stops the gateway, then the agencies, and removes the directory.
    pub async fn stop(self) {
        // Who is gone already needn't be told, and who doesn't end in time is dropped.
        let _ = self.gateway.stop.send(());
        let _ = tokio::time::timeout(PATIENCE, self.gateway.task).await;
        self.stop.send_replace(true);
        for agency in self.agencies {
            let stopping = async {
                match agency.running {
                    Running::Kit(task) => drop(task.await),
                    Running::Fake(fake) => fake.stop().await,
                    Running::Closed(socket) => drop(socket),
                }
            };
            let _ = tokio::time::timeout(PATIENCE, stopping).await;
        }
    }
}
