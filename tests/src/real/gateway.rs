//! The gateway as a process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;

use super::loket;
use crate::admin;
use crate::town::eventually_within;

/// Ticks a second in `/proc/PID/stat`: 100 on every Linux that Rust's targets run on.
const TICKS: u64 = 100;

/// A gateway's process; it is killed when it is dropped.
pub struct Gateway {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    log: Arc<Mutex<String>>,
    reading: Arc<Reading>,
    reader: Option<JoinHandle<()>>,
}

/// Whether what it logs is read.
#[derive(Default)]
struct Reading {
    paused: Mutex<bool>,
    changed: Condvar,
}

impl Gateway {
    /// Starts the built binary with this configuration.
    #[must_use]
    pub fn start(config: &Path) -> Self {
        Self::launch(Command::new(loket()), config)
    }

    /// Starts it by a command of the caller's, which takes the arguments of `loket`.
    ///
    /// # Panics
    /// When it doesn't start.
    #[must_use]
    pub fn launch(mut command: Command, config: &Path) -> Self {
        command.args(["serve", "--config"]).arg(config);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a process");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let (address, admin) = loop {
            let line = lines.next().expect("it says where it listens");
            let line = line.expect("a line");
            let document: Value = serde_json::from_str(&line).expect(&line);
            keep(&log, &line);
            if document["body"] == "listening" {
                let at = |name: &str| {
                    let text = document["attributes"][name].as_str();
                    text.and_then(|text| text.parse().ok()).expect("an address")
                };
                break (at("server.address"), at("loket.admin.address"));
            }
        };
        let reading = Arc::new(Reading::default());
        let (keeping, may) = (log.clone(), reading.clone());
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let paused = may.paused.lock().expect("no panic");
                drop(may.changed.wait_while(paused, |paused| *paused));
                keep(&keeping, &line);
            }
        });
        Self {
            child,
            address,
            admin,
            log,
            reading,
            reader: Some(reader),
        }
    }

    /// Leaves what it logs from now on in the pipe, or reads on.
    ///
    /// # Panics
    /// When another thread did.
    pub fn read_log(&self, read: bool) {
        *self.reading.paused.lock().expect("no panic") = !read;
        self.reading.changed.notify_one();
    }

    /// Where counters connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where operators connect.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Everything it logged so far.
    ///
    /// # Panics
    /// When another thread did.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().expect("a whole log").clone()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the admin listener answers to `GET`: status and text; none when it doesn't.
    pub async fn admin(&self, path: &str) -> Option<(u16, String)> {
        let reply = admin::request(self.admin, "GET", path).await?;
        Some((reply.status, reply.body))
    }

    /// Waits until `/readyz` has this status; its text.
    pub async fn readiness(&self, status: u16) -> String {
        eventually_within(60, &format!("/readyz is {status}"), async || {
            let (found, text) = self.admin("/readyz").await?;
            (found == status).then_some(text)
        })
        .await
    }

    /// Ends it without a word.
    ///
    /// # Panics
    /// When it can't be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }

    /// Tells it to drain and waits for its end; everything it logged.
    ///
    /// # Panics
    /// When it doesn't end, or not well.
    pub async fn stop(self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("a process of ours");
        self.ended().await
    }

    /// Waits for its end, which somebody asked for; everything it logged.
    ///
    /// # Panics
    /// When it doesn't end, or not well.
    pub async fn ended(mut self) -> String {
        let child = Mutex::new(&mut self.child);
        let status = eventually_within(60, "the gateway ends", async || {
            let mut child = child.lock().expect("no panic");
            child.try_wait().expect("a child")
        });
        assert_eq!(status.await.code(), Some(0));
        self.read_log(true);
        let reader = self.reader.take().expect("stopped once");
        reader.join().expect("no panic");
        self.log()
    }

    /// Fails when it has ended.
    ///
    /// # Panics
    /// When it has.
    pub fn is_alive(&mut self) {
        assert!(self.child.try_wait().expect("a child").is_none());
    }

    /// Lowers or lifts what the running process may use; what it might before.
    ///
    /// # Panics
    /// When the system refuses.
    pub fn limit(&self, resource: Resource, at: Option<u64>) -> Option<u64> {
        let pid = Some(Pid::from_child(&self.child));
        let limit = rustix::process::getrlimit(resource);
        let new = Rlimit {
            current: at,
            maximum: limit.maximum,
        };
        prlimit(pid, resource, new)
            .expect("a child of ours")
            .current
    }

    /// Memory that is in use now, in MiB.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("it runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = resident.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("a figure") / 1024
    }

    /// User and system time so far.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()));
        let stat = stat.expect("it runs");
        // The name, in brackets, may contain spaces.
        let (_, fields) = stat.rsplit_once(')').expect("a name");
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.map(|ticks| ticks.parse().unwrap_or(0)).sum();
        Duration::from_millis(ticks * 1000 / TICKS)
    }
}

fn keep(log: &Mutex<String>, line: &str) {
    let mut log = log.lock().expect("a whole log");
    log.push_str(line);
    log.push('\n');
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
