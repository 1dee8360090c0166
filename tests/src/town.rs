//! The town: built from settings, then asked, broken, watched and stopped.

mod building;
mod watching;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use loket_gateway::audit::store::OpenError;
use loket_gateway::directory::{Directory, Parts};
use loket_gateway::pipeline::Gateway;
use loket_gateway::service::{Service, StartError};
use loket_gateway::snapshot::Snapshot;
use loket_gateway::telemetry::Telemetry;
use loket_sdk::client::Client;
use loket_sdk::message::Answer;
use loket_sdk::problem::Problem;
use loket_sdk::statement::Signer;
use loket_sdk::testing::{Ca, CounterAnswer, FakeAgency, FakeCounter, Leaf};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::lookup::Ask;
use crate::{logs, spans};

pub use building::{AUDIT_KEY, AUDIT_ORIGIN, AUDIT_SIGNING_KEY, MALL, TownBuilder};
pub use watching::{eventually, eventually_within};

/// A running town.
#[derive(Debug)]
pub struct Town {
    setup: TownBuilder,
    ca: Ca,
    directory: TempDir,
    parts: Parts,
    agencies: BTreeMap<String, FakeAgency>,
    running: Option<Running>,
}

/// A running gateway.
struct Running {
    gateway: Arc<Gateway>,
    address: SocketAddr,
    admin: SocketAddr,
    spans: spans::Kept,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

impl Town {
    /// The usual town: every agency with its samples, every grant of the law, no limit in the way.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// A town in the making.
    pub fn builder() -> TownBuilder {
        TownBuilder::new()
    }

    pub(crate) async fn from(setup: TownBuilder) -> Self {
        logs::install();
        let ca = setup.ca();
        let agencies = setup.start_agencies(&ca).await;
        let parts = setup.parts(&agencies);
        let mut town = Self {
            setup,
            ca,
            directory: TempDir::new().expect("a directory"),
            parts,
            agencies,
            running: None,
        };
        town.start_gateway().await;
        town
    }

    /// Starts the gateway, on the audit log of the one before if there was one.
    ///
    /// # Panics
    /// When one runs, or this one can't.
    pub async fn start_gateway(&mut self) {
        assert!(self.running.is_none(), "one gateway runs");
        let (service, spans) = self.bind().await;
        let service = service.expect("the gateway starts");
        let (stop, told) = oneshot::channel::<()>();
        self.running = Some(Running {
            gateway: service.gateway().clone(),
            address: service.address().expect("an address"),
            admin: service.admin_address().expect("an address"),
            spans,
            stop,
            task: tokio::spawn(service.serve(async {
                // A town that is gone stops as well.
                let _ = told.await;
            })),
        });
    }

    /// The same, with another directory.
    ///
    /// # Panics
    /// When one runs, or this one can't.
    pub async fn start_gateway_on(&mut self, parts: Parts) {
        self.parts = parts;
        self.start_gateway().await;
    }

    /// Why a gateway can't start on the audit log; none when it can, and then it is dropped.
    ///
    /// # Panics
    /// When it is for another reason.
    pub async fn try_start_gateway(&self) -> Option<OpenError> {
        match self.bind().await.0 {
            Ok(_) => None,
            Err(StartError::Audit(error)) => Some(error),
            Err(other) => panic!("{other}"),
        }
    }

    async fn bind(&self) -> (Result<Service, StartError>, spans::Kept) {
        let config = self
            .setup
            .config(&self.ca, self.parts.clone(), self.audit_dir());
        let spans = spans::Kept::default();
        let telemetry = match &self.setup.otlp {
            Some(endpoint) => {
                let mut settings = logs::settings("trace");
                settings.otlp_endpoint = Some(endpoint.clone());
                Telemetry::new(&settings, "test")
            }
            None => Telemetry::with_exporter(&logs::settings("trace"), spans.clone()),
        };
        let telemetry = telemetry.expect("telemetry starts");
        (Service::bind(config, telemetry).await, spans)
    }

    /// Tells the gateway to stop; it drains. What it answers then can still be asked.
    pub fn tell_to_stop(&mut self) -> Stopping {
        let running = self.running.take().expect("the gateway runs");
        running.stop.send(()).expect("it listens");
        Stopping {
            address: running.address,
            admin: running.admin,
            task: running.task,
        }
    }

    /// Waits until a gateway that was told to stop by other means has.
    pub async fn wait_for_end(&mut self) {
        let running = self.running.take().expect("the gateway runs");
        running.task.await.expect("the gateway ends well");
    }

    /// Stops the gateway; the agencies go on.
    pub async fn stop_gateway(&mut self) {
        self.tell_to_stop().ended().await;
    }

    /// Stops everything.
    pub async fn stop(mut self) {
        if self.running.is_some() {
            self.stop_gateway().await;
        }
        for agency in self.agencies.into_values() {
            agency.stop().await;
        }
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the gateway runs")
    }

    /// The authority of everyone.
    #[must_use]
    pub fn ca(&self) -> &Ca {
        &self.ca
    }

    /// The gateway itself.
    #[must_use]
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.running().gateway
    }

    /// Where counters connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.running().address
    }

    /// Where operators connect.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.running().admin
    }

    /// Where the audit log is.
    #[must_use]
    pub fn audit_dir(&self) -> PathBuf {
        self.directory.path().join("audit")
    }

    /// A directory that goes with the town.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// What an agency signs with.
    ///
    /// # Panics
    /// When the town isn't a signed one.
    #[must_use]
    pub fn signer(&self, id: &str) -> &Arc<Signer> {
        self.setup.signers.get(id).expect("it signs")
    }

    /// An agency.
    ///
    /// # Panics
    /// When the town doesn't have it.
    #[must_use]
    pub fn agency(&self, id: &str) -> &FakeAgency {
        self.agencies.get(id).expect("the town has this agency")
    }

    /// Every agency.
    pub fn agencies(&self) -> impl Iterator<Item = (&str, &FakeAgency)> {
        self.agencies
            .iter()
            .map(|(id, agency)| (id.as_str(), agency))
    }

    /// The certificate of the mall's counter.
    #[must_use]
    pub fn leaf(&self) -> Leaf {
        self.ca.system(MALL, "counter")
    }

    /// The mall's counter, which can send anything.
    #[must_use]
    pub fn counter(&self) -> FakeCounter {
        self.counter_as(&self.leaf())
    }

    /// A counter with another certificate; it trusts the town's authority.
    #[must_use]
    pub fn counter_as(&self, leaf: &Leaf) -> FakeCounter {
        FakeCounter::new(&self.ca.mutual_tls(leaf, None), self.address())
    }

    /// The mall's counter by the SDK's own client.
    #[must_use]
    pub fn client(&self) -> Client {
        let builder = Client::builder()
            .url(format!("https://localhost:{}", self.address().port()))
            .mutual_tls(self.leaf().mutual_tls())
            .by("clk-7f3a", "B07");
        builder.build().expect("a client")
    }

    /// Asks, whatever comes.
    pub async fn ask(&self, ask: &Ask) -> CounterAnswer {
        let answer = self.counter().post("/v1/lookups", ask.document()).await;
        answer.expect("an answer comes")
    }

    /// Asks what is answered.
    pub async fn answer(&self, ask: &Ask) -> Answer {
        let answer = self.ask(ask).await;
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()
    }

    /// Asks what is refused.
    pub async fn problem(&self, ask: &Ask) -> Problem {
        let answer = self.ask(ask).await;
        assert_ne!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        answer.json()
    }

    /// Members, sources, grants and holds as they were at the start.
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.parts.clone()
    }

    /// Lets requests see another directory from now on, and the gateways that are started later.
    ///
    /// # Panics
    /// When it can't stand.
    pub fn settle(&mut self, parts: Parts) {
        self.parts = parts.clone();
        self.swap(parts);
    }

    /// Lets requests see another directory from now on.
    ///
    /// # Panics
    /// When it can't stand.
    pub fn swap(&self, parts: Parts) {
        let directory = Directory::new(parts).expect("a directory");
        let tls = self.setup.client_tls(&self.ca).client().expect("TLS");
        let gateway = self.gateway();
        let snapshot = Snapshot::new(
            directory,
            TimeZone::UTC,
            &Arc::new(tls),
            gateway.telemetry(),
        );
        gateway.swap(snapshot);
    }
}

/// A gateway that was told to stop.
#[derive(Debug)]
pub struct Stopping {
    /// Where counters connect, or could.
    pub address: SocketAddr,
    /// Where operators connect.
    pub admin: SocketAddr,
    task: JoinHandle<()>,
}

impl Stopping {
    /// Waits until it has.
    ///
    /// # Panics
    /// When the gateway did.
    pub async fn ended(self) {
        self.task.await.expect("the gateway ends well");
    }
}
