//! The town under load: authority, certificates, configuration, and the gateway's process.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use loket_gateway::audit::verify;
use loket_sdk::testing::Ca;
use loket_sdk::tls::MutualTls;
use serde::Deserialize;
use serde_json::Value;

use crate::process::Process;
use crate::stub::AGENCIES;

const TRUST_DOMAIN: &str = "loket.example";
const CONSUMER: &str = "dpmptsp-3510";

/// A directory with what the processes read.
pub(crate) struct Files(PathBuf);

impl Files {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self(dir)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Where a process's output goes.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.log"))
    }

    /// Makes the authority and everyone's certificates.
    ///
    /// # Errors
    /// When a file can't be written.
    pub(crate) fn issue(&self) -> anyhow::Result<Ca> {
        let ca = Ca::new(TRUST_DOMAIN);
        ca.write_to(&self.0);
        for (member, system) in [(CONSUMER, "counter-app"), ("gateway", "mpp-1")] {
            ca.system(member, system).write_to(&self.0);
        }
        fs::write(self.path("crl.pem"), ca.crl(&[]))?;
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.path("subject.key"))?
            .write_all("5e".repeat(32).as_bytes())?;
        Ok(ca)
    }

    /// The counter's side.
    ///
    /// # Errors
    /// When a file can't be read.
    pub(crate) fn counter_tls(&self) -> anyhow::Result<MutualTls> {
        self.tls("dpmptsp-3510-counter-app")
    }

    /// The gateway's side.
    ///
    /// # Errors
    /// When a file can't be read.
    pub(crate) fn gateway_tls(&self) -> anyhow::Result<MutualTls> {
        self.tls("gateway-mpp-1")
    }

    fn tls(&self, stem: &str) -> anyhow::Result<MutualTls> {
        Ok(MutualTls::from_files(
            &self.path(&format!("{stem}.pem")),
            &self.path(&format!("{stem}.key")),
            &self.path("ca.pem"),
            &[self.path("crl.pem")],
        )?)
    }

    /// Writes the gateway's configuration: every room at work, none that refuses.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn configure(&self, sources: &[SocketAddr]) -> anyhow::Result<PathBuf> {
        let mut text = CONFIGURATION.to_owned();
        for (agency, address) in AGENCIES.iter().zip(sources) {
            let (id, system, record) = (agency.id, agency.system, agency.record);
            let port = address.port();
            write!(
                text,
                r#"
[[sources]]
agency = "{id}"
system = "{system}"
records = ["{record}"]
url = "https://localhost:{port}"
max_in_flight = 1024

[[grants]]
grant_id = "{id}-read"
agreement = "PKS/{id}/dpmptsp-3510/2026"
consumer = "dpmptsp-3510"
source = "{id}"
record = "{record}"
purposes = ["business_licence"]
fields = "all"
mode = "read"
daily_quota = 100000000
valid_from = 2020-01-01
valid_to = 2099-12-31
state = "active"
"#
            )?;
        }
        let path = self.path("loket.toml");
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Reads the audit log, verifying each entry.
    ///
    /// # Errors
    /// When it isn't whole.
    pub(crate) fn audited(&self) -> anyhow::Result<u64> {
        #[derive(Deserialize)]
        struct Entry<'a> {
            kind: &'a str,
        }
        let mut lookups = 0;
        for line in verify::read(&self.path("audit")) {
            let line = line?;
            let entry: Entry<'_> = serde_json::from_str(&line)?;
            lookups += u64::from(entry.kind == "lookup");
        }
        Ok(lookups)
    }
}

const CONFIGURATION: &str = r#"[gateway]
trust_domain = "loket.example"

[listener]
address = "127.0.0.1:0"

[tls]
certificate = "gateway-mpp-1.pem"
key = "gateway-mpp-1.key"
client_ca = "ca.pem"
revocation_lists = ["crl.pem"]

[upstream]
certificate = "gateway-mpp-1.pem"
key = "gateway-mpp-1.key"
server_ca = "ca.pem"
revocation_lists = ["crl.pem"]

[admin]
address = "127.0.0.1:0"

[limits]
max_requests = 20000

[audit]
directory = "audit"
subject_key_file = "subject.key"

[telemetry]
environment = "test"

[drain]
delay = "50ms"
grace = "5s"

[[members]]
id = "dpmptsp-3510"
name = "DPMPTSP"
requests_per_second = 100000
burst = 100000

[[members.systems]]
id = "counter-app"
mall = "ID-35.10"
"#;

/// The gateway's process.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    admin: SocketAddr,
}

impl Gateway {
    /// Starts the built binary and waits until it listens.
    ///
    /// # Errors
    /// When it doesn't start; with the last lines of its log.
    pub(crate) fn start(binary: &Path, config: &Path, log: &Path) -> anyhow::Result<Self> {
        let config = config
            .to_str()
            .context("the directory's name isn't UTF-8")?;
        let mut process = Process::start(binary, &["serve", "--config", config], log)?;
        let (address, admin) = process.wait_for(log, addresses)?;
        Ok(Self {
            process,
            address,
            admin,
        })
    }

    /// Drains it and waits for its end.
    ///
    /// # Errors
    /// When it doesn't end, or not well.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let mut admin = TcpStream::connect(self.admin)?;
        admin.write_all(
            b"POST /drain HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        )?;
        // What it answers shows in whether it ends.
        let _ = admin.read_to_end(&mut Vec::new());
        let status = self.process.wait(Duration::from_secs(15))?;
        anyhow::ensure!(status.success(), "the gateway ended with {status}");
        Ok(())
    }
}

/// Both addresses, from the line that says that it listens.
fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let address = |name| find(&line, name)?.parse().ok();
    Some((address("server.address")?, address("loket.admin.address")?))
}

fn find<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    let members = value.as_object()?;
    let here = members.get(name).and_then(Value::as_str);
    here.or_else(|| members.values().find_map(|value| find(value, name)))
}
