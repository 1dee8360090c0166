//! The command against a gateway in this process and agencies that can be broken.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use loket_sdk::testing::{Ca, FakeAgency, Fault, signing_key};
use serde_json::Value;
use tempfile::TempDir;

use super::{Args, NIK, code, parse, ran};
use crate::config::Config;
use crate::service::Service;
use crate::telemetry::{LogFormat, Settings, Telemetry};

pub(in crate::commands) struct Town {
    pub(in crate::commands) files: TempDir,
    runtime: tokio::runtime::Runtime,
    pub(in crate::commands) dukcapil: FakeAgency,
    djp: FakeAgency,
    pub(in crate::commands) url: String,
}

impl Town {
    pub(in crate::commands) fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let ca = Ca::new("loket.example");
        ca.write_to(files.path());
        for (member, system) in [("dpmptsp-3510", "counter-app"), ("gateway", "front")] {
            ca.system(member, system).write_to(files.path());
        }
        let agency = |id: &str, system: &str| {
            FakeAgency::builder(id)
                .system(system)
                .gateways([ca.spiffe("gateway", "front")])
                .samples()
                .start(&ca)
        };
        let (dukcapil, djp, service) = runtime.block_on(async {
            let dukcapil = agency("dukcapil", "siak").await;
            let djp = agency("djp", "coretax").await;
            let config = configuration(files.path(), &dukcapil.url(), &djp.url());
            let telemetry = Telemetry::new(&settings(), "0").unwrap();
            let service = Service::bind(config, telemetry).await.unwrap();
            (dukcapil, djp, service)
        });
        let port = service.address().unwrap().port();
        runtime.spawn(service.serve(std::future::pending()));
        Self {
            files,
            runtime,
            dukcapil,
            djp,
            url: format!("https://localhost:{port}"),
        }
    }

    /// Leaves what runs to end by itself.
    pub(in crate::commands) fn leave(self) {
        self.runtime.shutdown_background();
    }

    pub(in crate::commands) fn args(&self, more: &[&str]) -> Args {
        let mut args = parse(more).unwrap();
        args.gateway.url.clone_from(&self.url);
        args.gateway.cert = self.files.path().join("dpmptsp-3510-counter-app.pem");
        args.gateway.key = self.files.path().join("dpmptsp-3510-counter-app.key");
        args.gateway.ca = self.files.path().join("ca.pem");
        args
    }
}

fn settings() -> Settings {
    Settings {
        service_instance_id: "test".to_owned(),
        environment: "test".to_owned(),
        otlp_endpoint: None,
        sampling_ratio: 0.0,
        slow: crate::telemetry::SLOW,
        traces: 0,
        log_format: LogFormat::Json,
        log_level: "off".to_owned(),
    }
}

const CONFIGURATION: &str = r#"
[gateway]
trust_domain = "loket.example"
danger_unsigned_grants = true
[listener]
address = "127.0.0.1:0"
[admin]
address = "127.0.0.1:0"
[tls]
certificate = "gateway-front.pem"
key = "gateway-front.key"
client_ca = "ca.pem"
revocation_lists = []
[upstream]
certificate = "gateway-front.pem"
key = "gateway-front.key"
server_ca = "ca.pem"
revocation_lists = []
[audit]
directory = "audit"
subject_key_file = "subject.key"
signing_key_files = ["audit.key"]
[limits]
[telemetry]
[drain]
[[members]]
id = "dpmptsp-3510"
name = "DPMPTSP"
requests_per_second = 100
[[members.systems]]
id = "counter-app"
[[sources]]
agency = "dukcapil"
system = "siak"
records = ["person-identity/1"]
url = "DUKCAPIL"
[[sources]]
agency = "djp"
system = "coretax"
records = ["taxpayer/1"]
url = "DJP"
[[grants]]
grant_id = "g-1"
agreement = "PKS-1"
consumer = "dpmptsp-3510"
source = "dukcapil"
record = "person-identity/1"
purposes = ["business_licence"]
fields = ["full_name", "birth_date"]
mode = "verify"
valid_from = 2020-01-01
valid_to = 2099-12-31
state = "active"
[[grants]]
grant_id = "g-2"
agreement = "PKS-2"
consumer = "dpmptsp-3510"
source = "djp"
record = "taxpayer/1"
purposes = ["business_licence"]
fields = ["npwp", "registered_name"]
mode = "read"
valid_from = 2020-01-01
valid_to = 2099-12-31
state = "active"
break_glass_ok = true
"#;

fn configuration(dir: &Path, dukcapil: &str, djp: &str) -> Config {
    let secrets = [
        ("subject.key", "5e".repeat(32)),
        ("audit.key", signing_key()),
    ];
    for (name, text) in secrets {
        let key = dir.join(name);
        std::fs::write(&key, text).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let path = dir.join("loket.toml");
    let text = CONFIGURATION
        .replace("DUKCAPIL", dukcapil)
        .replace("DJP", djp);
    std::fs::write(&path, text).unwrap();
    Config::load(&path).unwrap_or_else(|errors| panic!("{errors}"))
}

const READ: &str = "--record=taxpayer/1=npwp,registered_name";
const CLAIM: &str = "--claim=person-identity/1:full_name:name_matches=Bagas Contoh Pratama";

#[test]
fn a_clerk_asks_and_sees_what_each_said() {
    let town = Town::start();
    let (code, out, err) = ran(&town.args(&[READ, CLAIM]), NIK);
    assert_eq!((code, err.as_str()), (code::COMPLETE, ""), "{out}");
    assert!(out.contains("full_name name_matches: match"), "{out}");
    assert!(out.contains("npwp = ") && !out.contains(NIK), "{out}");

    let (code, out, _) = ran(&town.args(&[READ, CLAIM, "--output=json"]), NIK);
    let answer: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &answer["overall"]), (0, &"complete".into()));

    town.djp.set_fault(Fault::Hang);
    let late = [READ, CLAIM, "--output=ndjson", "--deadline=300ms"];
    let (code, out, _) = ran(&town.args(&late), NIK);
    let events: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = events
        .iter()
        .filter_map(|event| event["event"].as_str())
        .collect();
    assert_eq!(names, ["accepted", "result", "result", "done"]);
    assert_eq!(code, code::PARTIAL);
    assert_eq!(events[1]["claims"][0]["result"], "match");
    assert!(events[3]["results"][1].get("claims").is_none());

    let (code, _, _) = ran(&town.args(&[READ, "--deadline=300ms"]), NIK);
    assert_eq!(code, code::TIMED_OUT);

    town.dukcapil.set_records("person-identity/1", []);
    let (code, _, _) = ran(&town.args(&[CLAIM]), NIK);
    assert_eq!(code, code::NOT_FOUND);

    let (code, out, err) = ran(&town.args(&["--record=passport/1"]), NIK);
    assert_eq!((code, out.as_str()), (code::DENIED, ""));
    assert!(err.contains("nothing_granted"), "{err}");
    assert!(
        err.contains("fault: this side") && err.contains("trace: "),
        "{err}"
    );
    town.leave();
}
