//! A gateway's files in a directory, to be changed while it runs.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loket_gateway::audit::Asker;
use loket_gateway::config::Config;
use loket_gateway::pipeline::Gateway;
use loket_gateway::reload::{Changes, Refused, Reloader};
use loket_gateway::service::Service;
use loket_gateway::telemetry::Telemetry;
use loket_sdk::testing::{Ca, FakeAgency, FakeCounter, Leaf, signing_key};
use loket_tests::logs;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// What a configuration says that tests change.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) listener: String,
    pub(crate) admin: String,
    pub(crate) max_connections: usize,
    pub(crate) reload: String,
    pub(crate) delay: String,
    pub(crate) audit: String,
    pub(crate) burst: u32,
    pub(crate) members: Vec<&'static str>,
    pub(crate) quota: Option<u64>,
    pub(crate) fields: String,
    pub(crate) timeout: &'static str,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            listener: "127.0.0.1:0".to_owned(),
            admin: "127.0.0.1:0".to_owned(),
            max_connections: 256,
            reload: "watch = false".to_owned(),
            delay: "10ms".to_owned(),
            audit: "audit".to_owned(),
            burst: 10_000,
            members: vec!["mpp-kota", "mpp-desa"],
            quota: None,
            fields: r#"["identity_status", "card_status"]"#.to_owned(),
            timeout: "10s",
        }
    }
}

/// An authority, an agency and a directory of files.
pub(crate) struct Site {
    pub(crate) directory: TempDir,
    pub(crate) ca: Ca,
    pub(crate) agency: FakeAgency,
    pub(crate) counters: Vec<Leaf>,
}

impl Site {
    pub(crate) async fn new() -> Self {
        logs::install();
        let ca = Ca::new("loket.example");
        let agency = FakeAgency::builder("dukcapil")
            .gateways([ca.spiffe("gateway", "mpp-1")])
            .samples()
            .start(&ca)
            .await;
        let site = Self {
            directory: TempDir::new().unwrap(),
            counters: ["mpp-kota", "mpp-desa"]
                .map(|member| ca.system(member, "counter"))
                .into(),
            ca,
            agency,
        };
        let at = site.path();
        site.ca.write_to(at);
        site.ca.system("gateway", "mpp-1").write_to(at);
        fs::write(at.join("crl.pem"), site.ca.crl(&[])).unwrap();
        for (name, text) in [
            ("subject.key", "5a".repeat(32)),
            ("audit.key", signing_key()),
        ] {
            let mut key = fs::OpenOptions::new();
            let key = key.write(true).create(true).truncate(true).mode(0o600);
            let mut key = key.open(at.join(name)).unwrap();
            std::io::Write::write_all(&mut key, text.as_bytes()).unwrap();
        }
        site
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("loket.toml")
    }

    /// Puts the file in place at once, as a careful operator does.
    pub(crate) fn write(&self, wish: &Wish) -> PathBuf {
        self.write_as("loket.toml", wish)
    }

    pub(crate) fn write_as(&self, name: &str, wish: &Wish) -> PathBuf {
        let text = self.text(wish);
        self.replace(name, &text)
    }

    pub(crate) fn replace(&self, name: &str, text: &str) -> PathBuf {
        let new = self.path().join(format!("{name}.new"));
        fs::write(&new, text).unwrap();
        let path = self.path().join(name);
        fs::rename(new, &path).unwrap();
        path
    }

    /// Takes a counter's certificate back.
    pub(crate) fn revoke(&self, counter: usize) {
        let list = self.ca.crl(&[&self.counters[counter]]);
        self.replace("crl.pem", &list);
    }

    fn text(&self, wish: &Wish) -> String {
        let Wish {
            listener,
            admin,
            max_connections,
            reload,
            delay,
            audit,
            burst,
            fields,
            timeout,
            ..
        } = wish;
        let url = self.agency.url();
        let mut text = format!(
            r#"
[gateway]
trust_domain = "loket.example"
danger_unsigned_grants = true
[listener]
address = "{listener}"
max_connections = {max_connections}
[tls]
certificate = "gateway-mpp-1.pem"
key = "gateway-mpp-1.key"
client_ca = "ca.pem"
revocation_lists = ["crl.pem"]
[upstream]
certificate = "gateway-mpp-1.pem"
key = "gateway-mpp-1.key"
server_ca = "ca.pem"
revocation_lists = []
[admin]
address = "{admin}"
[audit]
directory = "{audit}"
subject_key_file = "subject.key"
signing_key_files = ["audit.key"]
[telemetry]
environment = "test"
[drain]
delay = "{delay}"
[reload]
{reload}
[[sources]]
agency = "dukcapil"
system = "registry"
records = ["person-identity/1"]
url = "{url}"
max_in_flight = 64
timeout = "{timeout}"
"#
        );
        for member in &wish.members {
            let quota = wish.quota.map(|quota| format!("daily_quota = {quota}\n"));
            let quota = quota.unwrap_or_default();
            text += &format!(
                r#"
[[members]]
id = "{member}"
name = "Mall"
requests_per_second = 1
burst = {burst}
[[members.systems]]
id = "counter"
[[grants]]
grant_id = "{member}-1"
agreement = "PKS/1"
consumer = "{member}"
source = "dukcapil"
record = "person-identity/1"
purposes = ["identity_check"]
fields = {fields}
mode = "read"
valid_from = 2020-01-01
valid_to = 2099-12-31
state = "active"
{quota}"#
            );
        }
        text
    }

    /// A gateway in this process, by the file.
    pub(crate) async fn start(&self) -> Running {
        let telemetry = Telemetry::new(&logs::settings("trace"), "test").unwrap();
        let config = Config::load(&self.config()).unwrap();
        let service = Service::bind(config, telemetry).await.unwrap();
        let reloader = service.reloader().clone();
        let path = self.config();
        reloader.read_from(Arc::new(move || Config::load(&path)));
        let (stop, told) = oneshot::channel::<()>();
        Running {
            gateway: service.gateway().clone(),
            reloader,
            address: service.address().unwrap(),
            admin: service.admin_address().unwrap(),
            stop,
            task: tokio::spawn(service.serve(async {
                // Gone is told, too.
                let _ = told.await;
            })),
        }
    }

    pub(crate) fn counter(&self, counter: usize, address: SocketAddr) -> FakeCounter {
        let tls = self.ca.mutual_tls(&self.counters[counter], None);
        FakeCounter::new(&tls, address)
    }
}

/// A gateway in this process.
pub(crate) struct Running {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) reloader: Arc<Reloader>,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn reload(&self) -> Result<Changes, Refused> {
        self.reloader.reload(Asker::Signal).await
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    /// Waits for its end, which was asked for by other means.
    pub(crate) async fn ended(self) {
        self.task.await.unwrap();
    }
}
