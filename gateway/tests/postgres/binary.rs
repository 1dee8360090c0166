//! The built `loket`: gateways that share a log in the database, and the commands around it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use loket_gateway::audit::store::postgres::{Found, SCHEMA};
use loket_gateway::audit::store::suite::{KEY, ORIGIN, aged, append, keys, signer};
use loket_gateway::audit::store::{Files, Store};
use serde_json::Value;
use tempfile::TempDir;

use super::faults::eventually;
use super::{Database, settings, whole};

fn loket(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loket"));
    let done = command.current_dir(dir).args(arguments).output().unwrap();
    assert!(
        done.status.success(),
        "{arguments:?}: {}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    done
}

/// Certificates, keys, and two configurations: the log in files, and in the database.
pub(super) fn site(database: &Database) -> (TempDir, [PathBuf; 2]) {
    let dir = TempDir::new().unwrap();
    loket(
        dir.path(),
        &[
            "pki",
            "init",
            "--dir",
            ".",
            "--trust-domain",
            "loket.example",
        ],
    );
    for system in ["front", "back"] {
        let issue = [
            "pki", "issue", "--dir", ".", "--member", "gateway", "--system", system,
        ];
        loket(dir.path(), &issue);
    }
    for (name, text) in [
        ("subject.key", "5a".repeat(32).as_bytes()),
        ("audit.key", KEY),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    let socket = database.socket();
    let postgres = format!(
        "[audit.postgres]\nhost = \"{}\"\ndatabase = \"audit\"\nuser = \"gateway\"",
        socket.display()
    );
    let places = [
        ("files.toml", "directory = \"audit\""),
        ("database.toml", &postgres),
    ];
    let configured = places.map(|(name, place)| {
        let path = dir.path().join(name);
        let text = format!(
            r#"
[gateway]
trust_domain = "loket.example"
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
certificate = "gateway-back.pem"
key = "gateway-back.key"
server_ca = "ca.pem"
revocation_lists = []
[drain]
delay = "10ms"
[reload]
watch = false
[audit]
origin = "{ORIGIN}"
subject_key_file = "subject.key"
signing_key_files = ["audit.key"]
{place}
"#
        );
        fs::write(&path, text).unwrap();
        path
    });
    (dir, configured)
}

/// A gateway that serves.
struct Gateway {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Gateway {
    fn start(config: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loket"));
        command.args(["serve", "--config"]).arg(config);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut gateway = Self { child, lines };
        gateway.says("listening");
        gateway
    }

    fn says(&mut self, what: &str) {
        let mut said = Vec::new();
        for line in self.lines.by_ref().map_while(Result::ok) {
            if line.contains(what) {
                return;
            }
            said.push(line);
        }
        panic!("it never says {what}, but {said:#?}");
    }

    fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        let id = self.child.id().to_string();
        assert!(
            kill.arg(format!("-{name}"))
                .arg(id)
                .status()
                .unwrap()
                .success()
        );
    }

    fn stop(mut self) {
        self.signal("TERM");
        for _ in self.lines.by_ref() {}
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_gateways_share_a_log() {
    let database = Database::start(SCHEMA);
    let (dir, [_, config]) = site(&database);
    let mut gateways = [(); 2].map(|()| Gateway::start(&config));
    for _ in 0..3 {
        for gateway in &mut gateways {
            gateway.signal("HUP");
            gateway.says("configuration");
        }
    }
    for gateway in gateways {
        gateway.stop();
    }
    let entries = whole(&database).unwrap().entries;
    let found = Found::read(&settings(&database), Some(&keys())).unwrap();
    let mut kinds = Vec::new();
    let each = &mut |_, leaf: &[u8]| {
        let leaf: Value = serde_json::from_slice(leaf).unwrap();
        kinds.push(leaf["kind"].as_str().unwrap().to_owned());
        std::ops::ControlFlow::Continue(())
    };
    found.reader().leaves(0..entries, each).unwrap();
    let count = |kind: &str| kinds.iter().filter(|found| *found == kind).count();
    assert_eq!((count("reload"), count("drain")), (6, 2), "{kinds:?}");
    let config = config.to_str().unwrap();
    let verified = loket(dir.path(), &["audit", "verify", "--config", config]);
    let told = String::from_utf8(verified.stdout).unwrap();
    assert!(
        told.contains(&format!("{entries} entries are as they were written")),
        "{told}"
    );
    let shown = loket(dir.path(), &["audit", "tail", "--config", config]);
    assert!(String::from_utf8(shown.stdout).unwrap().contains("drain"));
}

/// By the gateway itself where a term is set, and by command in a log whose gateway is stopped.
#[test]
fn entries_past_their_term_go() {
    let database = Database::start(SCHEMA);
    database.ask("GRANT loket_audit_pruner TO gateway");
    let (dir, [files, config]) = site(&database);
    aged(&mut super::open(&database).unwrap());
    let text = fs::read_to_string(&config).unwrap();
    let term = "[audit]\nretention = \"5 years\"";
    fs::write(&config, text.replace("[audit]", term)).unwrap();
    let gateways = [(); 2].map(|()| Gateway::start(&config));
    let emptied = "SELECT emptied FROM loket_audit.term";
    eventually("they go", || database.ask(emptied) == "1280");
    for gateway in gateways {
        gateway.stop();
    }
    assert_eq!(whole(&database).unwrap().first, 1281);
    let pruned = "SELECT count(*) FROM loket_audit.leaf \
         WHERE convert_from(body, 'UTF8') LIKE '%\"kind\":\"pruned\"%'";
    assert_eq!(database.ask(pruned), "1", "only one of them deletes");

    let directory = dir.path().join("audit");
    aged(&mut Files::open(&directory, 64 << 20, signer(), keys()).unwrap());
    let files = files.to_str().unwrap();
    let prune = |words: &[&str]| {
        let all = [&["audit", "prune", "--config", files, "--before"], words].concat();
        String::from_utf8(loket(dir.path(), &all).stdout).unwrap()
    };
    let told = prune(&["2002-01-01", "--dry-run"]);
    assert!(told.contains("1280 entries would go"), "{told}");
    let verify = || {
        let verified = loket(dir.path(), &["audit", "verify", "--config", files]);
        String::from_utf8(verified.stdout).unwrap()
    };
    assert!(!verify().contains("deleted"));
    let told = prune(&["2002-01-01"]);
    assert!(told.contains("1280 entries are deleted"), "{told}");
    assert!(verify().contains("those before 1281 were deleted"));
    assert!(prune(&["2002-01-01"]).contains("nothing"));
    let shown = loket(dir.path(), &["audit", "tail", "-n", "1", "--config", files]);
    let entry: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(
        (&entry["kind"], &entry["act"]["asked_by"]),
        (&"pruned".into(), &"command".into())
    );
    // What a start reads back stays.
    let mut command = Command::new(env!("CARGO_BIN_EXE_loket"));
    command.args([
        "audit",
        "prune",
        "--config",
        files,
        "--before",
        "2999-01-01",
    ]);
    let refused = command.current_dir(dir.path()).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("four days"));
}

#[test]
fn the_command_moves_a_log_there_and_back() {
    let schema = String::from_utf8(loket(Path::new("."), &["audit", "schema"]).stdout).unwrap();
    let database = Database::start(&schema);
    let (dir, [files, postgres]) = site(&database);
    let open =
        |name: &str| Files::open(&dir.path().join(name), 64 << 20, signer(), keys()).unwrap();
    let mut old = open("audit");
    append(&mut old, 1..=700);
    let head = old.head();
    drop(old);
    let [files, postgres] = [&files, &postgres].map(|path| path.to_str().unwrap());
    let moved = loket(
        dir.path(),
        &["audit", "migrate", "--from", files, "--to", postgres],
    );
    let told = String::from_utf8(moved.stdout).unwrap();
    assert!(told.contains("700 entries copied"), "{told}");
    assert_eq!(whole(&database).unwrap().checkpoint.root, head.tree.root());
    fs::rename(dir.path().join("audit"), dir.path().join("before")).unwrap();
    loket(
        dir.path(),
        &["audit", "migrate", "--from", postgres, "--to", files],
    );
    assert_eq!(open("audit").head(), head);
    // An entry that was altered is found before anything is copied.
    database.ask(
        "SET session_replication_role = replica; \
         UPDATE loket_audit.leaf SET body = body || '\\x20' WHERE place = 99",
    );
    fs::rename(dir.path().join("audit"), dir.path().join("after")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_loket"));
    command.args(["audit", "migrate", "--from", postgres, "--to", files]);
    let refused = command.current_dir(dir.path()).output().unwrap();
    let told = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert_eq!(refused.status.code(), Some(8), "{told}");
    assert!(told.contains("entry 100"), "{told}");
    assert_eq!(open("audit").head().tree.size(), 0);
}
