//! `kill -9` under load: whoever had an answer finds it in the log, and the chain is whole.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use loket_gateway::audit::verify;
use loket_sdk::message::{Answer, Receipt};
use loket_sdk::testing::{Ca, FakeAgency, FakeCounter};
use loket_tests::Ask;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use uuid::Uuid;

/// Builds the binary beside this one, if it isn't there already.
pub(crate) fn loket() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().unwrap().parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    // Both packages, so that the dependencies are those of this binary and aren't built again.
    cargo.args([
        "build",
        "--quiet",
        "-p",
        "loket-gateway",
        "-p",
        "loket-tests",
        "--bin",
        "loket",
    ]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    cargo.arg("--target-dir").arg(folder.parent().unwrap());
    let built = cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    folder.join("loket")
}

/// A gateway process; it is killed when it is dropped.
struct Process {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
}

impl Process {
    fn start(binary: &Path, config: &Path) -> Self {
        let mut command = Command::new(binary);
        command.args(["serve", "--config"]).arg(config);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let address = loop {
            let line = lines.next().expect("it says where it listens").unwrap();
            log.lock().unwrap().push_str(&line);
            let line: Value = serde_json::from_str(&line).expect(&line);
            if line["body"] == "listening" {
                break line["attributes"]["server.address"]
                    .as_str()
                    .unwrap()
                    .parse()
                    .unwrap();
            }
        };
        let keeping = log.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                keeping.lock().unwrap().push_str(&line);
            }
        });
        Self {
            child,
            address,
            log,
        }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Site {
    directory: TempDir,
    ca: Ca,
    agency: FakeAgency,
}

impl Site {
    async fn new() -> Self {
        let ca = Ca::new("loket.example");
        let agency = FakeAgency::builder("dukcapil")
            .gateways([ca.spiffe("gateway", "mpp-1")])
            .samples()
            .forgetful()
            .start(&ca)
            .await;
        Self {
            directory: TempDir::new().unwrap(),
            ca,
            agency,
        }
    }

    fn audit(&self) -> PathBuf {
        self.directory.path().join("audit")
    }

    fn config(&self) -> PathBuf {
        let at = self.directory.path();
        self.ca.write_to(at);
        self.ca.system("gateway", "mpp-1").write_to(at);
        let mut key = fs::OpenOptions::new();
        let key = key.write(true).create(true).truncate(true).mode(0o600);
        let mut key = key.open(at.join("subject.key")).unwrap();
        std::io::Write::write_all(&mut key, "5a".repeat(32).as_bytes()).unwrap();
        let text = format!(
            r#"
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
[audit]
directory = "audit"
subject_key_file = "subject.key"
[telemetry]
environment = "test"
[drain]
delay = "10ms"
[[members]]
id = "mpp-kota"
name = "Mall"
requests_per_second = 10000
burst = 10000
[[members.systems]]
id = "counter"
mall = "ID-35.10"
[[sources]]
agency = "dukcapil"
system = "registry"
records = ["person-identity/1"]
url = "{}"
max_in_flight = 64
timeout = "10s"
[[grants]]
grant_id = "g1"
agreement = "PKS/1"
consumer = "mpp-kota"
source = "dukcapil"
record = "person-identity/1"
purposes = ["identity_check"]
fields = ["identity_status", "card_status"]
mode = "read"
valid_from = 2020-01-01
valid_to = 2099-12-31
state = "active"
"#,
            self.agency.url()
        );
        let path = at.join("loket.toml");
        fs::write(&path, text).unwrap();
        path
    }

    fn counter(&self, address: SocketAddr) -> FakeCounter {
        FakeCounter::new(&self.ca.system("mpp-kota", "counter").mutual_tls(), address)
    }
}

type Answered = Arc<Mutex<Vec<(Uuid, Receipt)>>>;

/// Asks until the connection breaks.
async fn ask_on(counter: FakeCounter, answered: Answered, count: watch::Sender<usize>) {
    let Ok(mut connection) = counter.connect().await else {
        return;
    };
    let headers = [("content-type", "application/json")];
    while let Ok(answer) = connection
        .send("POST", "/v1/lookups", &headers, Ask::identity().text())
        .await
    {
        assert_eq!(answer.status, 200);
        let answer: Answer = answer.json();
        assert_eq!(answer.overall.as_str(), "complete");
        answered
            .lock()
            .unwrap()
            .push((answer.request_id, answer.receipt));
        count.send_modify(|count| *count += 1);
    }
}

/// The log has every answer that anybody got, under the number and the hash of its receipt.
fn holds(audit: &Path, answered: &Answered) -> usize {
    let verified = verify::verify(audit, |_| {}).unwrap();
    let mut lines = Vec::new();
    let mut segments: Vec<PathBuf> = fs::read_dir(audit)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    segments.retain(|path| path.extension().is_some_and(|ending| ending == "log"));
    segments.sort();
    for segment in segments {
        let text = fs::read_to_string(segment).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    let answered = answered.lock().unwrap();
    assert!(verified.entries >= answered.len() as u64);
    for (id, receipt) in answered.iter() {
        let line = &lines[usize::try_from(receipt.entry).unwrap() - 1];
        let (hash, json) = line.split_once(' ').unwrap();
        assert_eq!(hash, receipt.hash);
        let entry: Value = serde_json::from_str(json).unwrap();
        assert_eq!(entry["request_id"], id.to_string());
        assert_eq!(entry["sources"][0]["reason"], "complete");
    }
    answered.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_survives() {
    let site = Site::new().await;
    let (binary, config) = (loket(), site.config());
    let answered = Answered::default();
    let mut logs = String::new();
    for _ in 0..6 {
        let mut process = Process::start(&binary, &config);
        let (count, mut counting) = watch::channel(0);
        let mut asking = tokio::task::JoinSet::new();
        for n in 0..8 {
            let counter = site.counter(process.address);
            let counter = if n % 2 == 0 { counter.http2() } else { counter };
            asking.spawn(ask_on(counter, answered.clone(), count.clone()));
        }
        // A moment that nobody chose: the id's random part.
        let moment = 10 + usize::from(Uuid::new_v4().as_bytes()[0]) % 80;
        counting.wait_for(|count| *count >= moment).await.unwrap();
        process.kill();
        while let Some(ended) = asking.join_next().await {
            ended.unwrap();
        }
        assert!(holds(&site.audit(), &answered) >= moment);
        logs.push_str(&process.log.lock().unwrap());
    }
    // The next start goes on where the last one fell, and a SIGTERM ends it well.
    let mut process = Process::start(&binary, &config);
    let last = answered
        .lock()
        .unwrap()
        .iter()
        .map(|(_, receipt)| receipt.entry)
        .max();
    let answer = site
        .counter(process.address)
        .post("/v1/lookups", Ask::identity().document())
        .await;
    assert!(answer.unwrap().json::<Answer>().receipt.entry > last.unwrap());
    let pid = process.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(process.child.wait().unwrap().code(), Some(0));
    holds(&site.audit(), &answered);
    assert!(!logs.contains("3510161405889901"));
    site.agency.stop().await;
}
