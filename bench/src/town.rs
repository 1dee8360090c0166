//! The town under load: authority, certificates, configuration, and the gateway's process.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use loket_gateway::audit::verify;
use loket_sdk::testing::{Ca, signing_key};
use serde::Deserialize;
use serde_json::Value;

use crate::process::Process;
use crate::stub::{AGENCIES, Agency};
use crate::tls::Tls;

const TRUST_DOMAIN: &str = "loket.example";
const CONSUMER: &str = "dpmptsp-3510";
/// File names, without their ending, of certificates and keys.
pub(crate) const GATEWAY: &str = "gateway-mpp-1";
/// The caller's.
const COUNTER: &str = "dpmptsp-3510-counter-app";
/// A caller's that was revoked.
const FORMER: &str = "dpmptsp-3510-former-app";

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

    /// Makes the authority, everyone's certificates, and the list of those that were revoked.
    ///
    /// # Errors
    /// When a file can't be written.
    pub(crate) fn issue(&self) -> anyhow::Result<()> {
        let ca = Ca::new(TRUST_DOMAIN);
        ca.write_to(&self.0);
        for (member, system) in [(CONSUMER, "counter-app"), ("gateway", "mpp-1")] {
            ca.system(member, system).write_to(&self.0);
        }
        for agency in &AGENCIES {
            ca.system(agency.id, agency.system).write_to(&self.0);
        }
        let former = ca.system(CONSUMER, "former-app");
        former.write_to(&self.0);
        fs::write(self.path("crl.pem"), ca.crl(&[&former]))?;
        for (name, text) in [
            ("subject.key", "5e".repeat(32)),
            ("audit.key", signing_key()),
        ] {
            fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(self.path(name))?
                .write_all(text.as_bytes())?;
        }
        Ok(())
    }

    /// The counter's side.
    ///
    /// # Errors
    /// When a file can't be read.
    pub(crate) fn counter_tls(&self) -> anyhow::Result<Tls> {
        Tls::read(&self.0, Some(COUNTER))
    }

    /// The side of a counter whose certificate was revoked.
    ///
    /// # Errors
    /// When a file can't be read.
    pub(crate) fn former_tls(&self) -> anyhow::Result<Tls> {
        Tls::read(&self.0, Some(FORMER))
    }

    /// The side of somebody without a certificate.
    ///
    /// # Errors
    /// When a file can't be read.
    pub(crate) fn stranger_tls(&self) -> anyhow::Result<Tls> {
        Tls::read(&self.0, None)
    }

    /// The gateway's side.
    ///
    /// # Errors
    /// When a file can't be read.
    pub(crate) fn gateway_tls(&self) -> anyhow::Result<Tls> {
        Tls::read(&self.0, Some(GATEWAY))
    }

    /// An agency's side.
    ///
    /// # Errors
    /// When a file can't be read.
    pub(crate) fn agency_tls(&self, agency: &Agency) -> anyhow::Result<Tls> {
        Tls::read(&self.0, Some(&format!("{}-{}", agency.id, agency.system)))
    }

    /// Writes the gateway's configuration: every room at work, none that refuses.
    ///
    /// # Errors
    /// When it can't be written.
    pub(crate) fn configure(&self, setting: &Setting<'_>) -> anyhow::Result<PathBuf> {
        let Setting { name, listen, .. } = setting;
        let mut text = format!(
            "[listener]\naddress = \"{listen}\"\nmax_connections = 16384\nmax_connections_per_member = 16384\nmax_connections_per_address = 16384\nmax_handshakes_per_address = 256\nheader_timeout = \"60s\"\n\n[audit]\n\
             directory = \"{name}.audit\"\nsubject_key_file = \"subject.key\"\nsigning_key_files = [\"audit.key\"]\n{CONFIGURATION}"
        );
        for (agency, address) in AGENCIES.iter().zip(setting.sources) {
            text.push_str(&source(agency, *address));
        }
        if let Some(address) = setting.service {
            text.push_str(&service(address));
        }
        let path = self.path(&format!("{name}.toml"));
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Where a gateway of this name keeps its audit log.
    pub(crate) fn audit(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.audit"))
    }

    /// Reads the audit log, verifying each entry.
    ///
    /// # Errors
    /// When it isn't whole.
    pub(crate) fn audited(&self, name: &str) -> anyhow::Result<u64> {
        #[derive(Deserialize)]
        struct Entry<'a> {
            kind: &'a str,
        }
        let mut lookups = 0;
        for line in verify::read(&self.audit(name)) {
            let line = line?;
            let entry: Entry<'_> = serde_json::from_str(&line)?;
            lookups += u64::from(entry.kind == "lookup");
        }
        Ok(lookups)
    }
}

/// What differs from one gateway to the next.
pub(crate) struct Setting<'a> {
    /// Its files'.
    pub(crate) name: &'a str,
    pub(crate) listen: SocketAddr,
    /// Where the first agencies answer questions.
    pub(crate) sources: &'a [SocketAddr],
    /// Where the first agency answers calls.
    pub(crate) service: Option<SocketAddr>,
}

fn source(agency: &Agency, address: SocketAddr) -> String {
    let Agency { id, system, record } = agency;
    let port = address.port();
    format!(
        r#"
[[sources]]
agency = "{id}"
system = "{system}"
records = ["{record}"]
url = "https://localhost:{port}"
max_in_flight = 1024
single_flight = false

[[grants]]
grant_id = "{id}-read"
agreement = "PKS/{id}/{CONSUMER}/2026"
consumer = "{CONSUMER}"
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
    )
}

fn service(address: SocketAddr) -> String {
    let Agency { id, system, .. } = AGENCIES[0];
    let port = address.port();
    format!(
        r#"
[[services]]
agency = "{id}"
service = "population"
system = "{system}"
url = "https://localhost:{port}/base"

[[service_grants]]
grant_id = "{id}-call"
agreement = "PKS/{id}/{CONSUMER}/2026"
consumer = "{CONSUMER}"
agency = "{id}"
service = "population"
methods = ["GET", "POST"]
paths = ["/people/**"]
valid_from = 2020-01-01
valid_to = 2099-12-31
state = "active"
"#
    )
}

const CONFIGURATION: &str = r#"
[gateway]
trust_domain = "loket.example"
danger_unsigned_grants = true

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
