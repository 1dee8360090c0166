//! A site: an authority, registers, and the configuration of a gateway before them.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loket_gateway::grants;
use loket_sdk::jws::SigningKey;
use loket_sdk::testing::{Ca, FakeAgency, FakeCounter, signing_key};
use serde_json::json;
use tempfile::TempDir;

use super::{AgencyProcess, BYSTANDERS, Gateway, Hosts, Ledger, Liar, Load, Register, Seen};
use crate::Ask;

const MALL: &str = "mpp-kota";
const PURPOSE: &str = "identity_check";

/// A gateway's surroundings. What is set counts from the next start of a gateway.
pub struct Site {
    directory: TempDir,
    ca: Ca,
    bystanders: Vec<FakeAgency>,
    /// With which every agency signs its grants.
    key: SigningKey,
    sources: Vec<(Register, String)>,
    /// How long a source may take.
    pub timeout: &'static str,
    /// Whether identical questions share an answer.
    pub single_flight: bool,
    /// Which HTTP sources are asked over.
    pub http: &'static str,
    /// When the fan-out and the request end.
    pub deadlines: (&'static str, &'static str),
    /// How many requests are open at once.
    pub places: usize,
    /// Members besides the mall, with the same grants.
    pub others: &'static [&'static str],
    /// Where spans and metrics go.
    pub collector: Option<String>,
    /// Where the audit log is.
    pub audit: PathBuf,
}

impl Site {
    /// A site with its authority and the registers that stay well.
    pub async fn new() -> Self {
        let mut site = Self::bare();
        for register in BYSTANDERS {
            let agency = FakeAgency::builder(register.agency)
                .gateways([site.ca.spiffe("gateway", "mpp-1")])
                .samples()
                .forgetful()
                .start(&site.ca)
                .await;
            site.sources.push((*register, agency.url()));
            site.bystanders.push(agency);
        }
        site
    }

    fn bare() -> Self {
        let directory = TempDir::new().expect("a directory");
        let ca = Ca::new("loket.example");
        ca.write_to(directory.path());
        ca.system("gateway", "mpp-1").write_to(directory.path());
        for (name, text) in [
            ("subject.key", "5a".repeat(32)),
            ("audit.key", signing_key()),
        ] {
            let mut key = fs::OpenOptions::new();
            let key = key.write(true).create(true).truncate(true).mode(0o600);
            let key = key.open(directory.path().join(name));
            key.and_then(|mut key| key.write_all(text.as_bytes()))
                .expect("a key");
        }
        let key = SigningKey::generate().expect("a key");
        fs::write(
            directory.path().join("agencies.pub"),
            key.public_key().to_pem(),
        )
        .expect("a file");
        Self {
            audit: directory.path().join("audit"),
            directory,
            ca,
            bystanders: Vec::new(),
            key,
            sources: Vec::new(),
            timeout: "1500ms",
            single_flight: true,
            http: "1",
            deadlines: ("10s", "12s"),
            places: 1024,
            others: &[],
            collector: None,
        }
    }

    /// Adds a register whose agency is a process of its own.
    pub fn process(&mut self, register: Register) -> AgencyProcess {
        self.place(AgencyProcess::start(self, register, None), register)
    }

    /// Adds a register whose agency is a process on a host of its own.
    pub fn remote(&mut self, register: Register, hosts: &Hosts) -> AgencyProcess {
        self.place(AgencyProcess::start(self, register, Some(hosts)), register)
    }

    fn place(&mut self, agency: AgencyProcess, register: Register) -> AgencyProcess {
        let url = format!("https://{}", agency.address());
        self.sources.push((register, url));
        agency
    }

    /// Adds a register whose agency does what no agency should.
    pub async fn liar(&mut self, register: Register) -> Liar {
        let liar = Liar::start(&self.ca, register).await;
        let url = format!("https://localhost:{}", liar.address().port());
        self.sources.push((register, url));
        liar
    }

    /// The authority of everyone.
    #[must_use]
    pub fn ca(&self) -> &Ca {
        &self.ca
    }

    /// A directory that goes with the site.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// Starts a gateway as it is configured now.
    #[must_use]
    pub fn start(&self) -> Gateway {
        Gateway::start(&self.config())
    }

    /// The mall's counter at this address.
    #[must_use]
    pub fn counter(&self, address: SocketAddr) -> FakeCounter {
        self.counter_of(MALL, address)
    }

    /// A member's counter at this address.
    #[must_use]
    pub fn counter_of(&self, member: &str, address: SocketAddr) -> FakeCounter {
        FakeCounter::new(&self.ca.system(member, "counter").mutual_tls(), address)
    }

    /// One field of every register.
    pub fn ask(&self) -> Ask {
        let ask = Ask::new(PURPOSE).within_ms(9_000);
        let sources = self.sources.iter();
        sources.fold(ask, |ask, (register, _)| {
            ask.fields(register.record, &[register.field])
        })
    }

    /// Five callers that ask all the time, each a little after its last answer.
    #[must_use]
    pub fn load(&self, gateway: &Gateway) -> Load {
        self.load_of(gateway, 5, Duration::from_millis(80))
    }

    /// So many callers; each waits this long between two questions.
    #[must_use]
    pub fn load_of(&self, gateway: &Gateway, callers: usize, pause: Duration) -> Load {
        self.load_by(&self.counter(gateway.address()), callers, pause)
    }

    /// So many callers at one counter.
    #[must_use]
    pub fn load_by(&self, counter: &FakeCounter, callers: usize, pause: Duration) -> Load {
        Load::start(counter, &self.ask(), callers, pause)
    }

    /// Fails unless the log is whole and has every answer that was seen.
    pub fn recorded(&self, seen: &[Seen]) -> Ledger {
        let ledger = Ledger::read(&self.audit);
        ledger.has(seen);
        ledger
    }

    /// Stops the registers that stayed well.
    pub async fn close(self) {
        for agency in self.bystanders {
            agency.stop().await;
        }
    }

    /// Writes the configuration; its path.
    ///
    /// # Panics
    /// When it can't be written.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        for (register, _) in &self.sources {
            for member in self.members() {
                self.grant(*register, member, 1, "active");
            }
        }
        let path = self.directory.path().join("loket.toml");
        fs::write(&path, self.document()).expect("a file");
        path
    }

    /// Puts a version of a member's grant in place, signed by its agency; the file's path.
    ///
    /// # Panics
    /// When it can't be signed or written.
    pub fn grant(&self, register: Register, member: &str, serial: u64, state: &str) -> PathBuf {
        let Register {
            agency,
            record,
            field,
        } = register;
        let document = json!({
            "grant_id": format!("{agency}-{member}"), "serial": serial,
            "issued_at": "2020-01-01T00:00:00Z", "agreement": "PKS/1", "consumer": member,
            "source": agency, "record": record, "purposes": [PURPOSE], "fields": [field],
            "mode": "read", "valid_from": "2020-01-01", "valid_to": "2099-12-31", "state": state
        });
        let document = document.to_string();
        let text = grants::sign(document.as_bytes(), &self.key, &format!("{agency}/key"));
        let grants = self.directory.path().join("grants");
        fs::create_dir_all(&grants).expect("a directory");
        // Beside, and then in its place at once.
        let new = grants.join(format!(".{agency}-{member}.new"));
        fs::write(&new, text.expect("a signature")).expect("a file");
        let path = grants.join(format!("{agency}-{member}.jws"));
        fs::rename(new, &path).expect("a file");
        path
    }

    fn document(&self) -> String {
        let (fan_out, edge, places) = (self.deadlines.0, self.deadlines.1, self.places);
        let audit = self.audit.display();
        let mut text = format!(
            r#"
grants_dir = "grants"
[gateway]
trust_domain = "loket.example"
[listener]
address = "127.0.0.1:0"
[tls]
certificate = "gateway-mpp-1.pem"
key = "gateway-mpp-1.key"
client_ca = "ca.pem"
revocation_lists = []
[upstream]
certificate = "gateway-mpp-1.pem"
key = "gateway-mpp-1.key"
server_ca = "ca.pem"
revocation_lists = []
[admin]
address = "127.0.0.1:0"
[limits]
max_requests = {places}
fan_out_deadline = "{fan_out}"
edge_deadline = "{edge}"
[audit]
directory = "{audit}"
subject_key_file = "subject.key"
signing_key_files = ["audit.key"]
[drain]
delay = "10ms"
[telemetry]
environment = "test"
"#
        );
        if let Some(endpoint) = &self.collector {
            text.push_str(&format!("otlp_endpoint = \"{endpoint}\"\n"));
        }
        for member in self.members() {
            let written = write!(
                text,
                r#"
[[members]]
id = "{member}"
name = "Mall"
requests_per_second = 10000
burst = 10000
[[members.systems]]
id = "counter"
mall = "ID-35.10"
"#
            );
            written.expect("a text grows");
        }
        for (register, url) in &self.sources {
            let Register { agency, record, .. } = register;
            let (timeout, http, single_flight) = (self.timeout, self.http, self.single_flight);
            let written = write!(
                text,
                r#"
[[members]]
id = "{agency}"
name = "Agency"
requests_per_second = 1
[[members.keys]]
id = "key"
use = "grant"
public_key_file = "agencies.pub"
[[sources]]
agency = "{agency}"
system = "registry"
records = ["{record}"]
url = "{url}"
server_name = "localhost"
max_in_flight = 64
single_flight = {single_flight}
http = "{http}"
timeout = "{timeout}"
max_answer_kib = 64
"#
            );
            written.expect("a text grows");
        }
        text
    }

    fn members(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(MALL).chain(self.others.iter().copied())
    }
}
