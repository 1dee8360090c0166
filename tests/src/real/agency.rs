//! An agency as a process: killed, frozen, started again where it was.

use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{Hosts, Register, Site, binary};

/// An agency's process; it is killed when it is dropped.
pub struct AgencyProcess {
    child: Child,
    address: SocketAddr,
    files: PathBuf,
    register: Register,
    namespace: Option<String>,
}

impl AgencyProcess {
    pub(super) fn start(site: &Site, register: Register, hosts: Option<&Hosts>) -> Self {
        let files = site.scratch().to_owned();
        site.ca()
            .system(register.agency, "registry")
            .write_to(&files);
        let host = hosts.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), Hosts::remote);
        let namespace = hosts.map(|hosts| hosts.namespace().to_owned());
        let address = SocketAddr::new(host, 0);
        let (child, address) = spawn(&files, register, namespace.as_deref(), address);
        Self {
            child,
            address,
            files,
            register,
            namespace,
        }
    }

    /// Where it listens, also after it was started again.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it without a word.
    ///
    /// # Panics
    /// When it can't be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }

    /// Starts it again after a kill, at the same address.
    pub fn restart(&mut self) {
        let namespace = self.namespace.as_deref();
        let (child, _) = spawn(&self.files, self.register, namespace, self.address);
        self.child = child;
    }

    /// It keeps its connections and does nothing any more.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("a process of ours");
    }
}

fn spawn(
    files: &std::path::Path,
    register: Register,
    namespace: Option<&str>,
    address: SocketAddr,
) -> (Child, SocketAddr) {
    let binary = binary::agency();
    let mut command = match namespace {
        None => Command::new(binary),
        Some(name) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", name]).arg(binary);
            command
        }
    };
    let stem = format!("{}-registry", register.agency);
    let mut child = command
        .env("LOKET_LISTEN", address.to_string())
        .env("LOKET_CERT", files.join(format!("{stem}.pem")))
        .env("LOKET_KEY", files.join(format!("{stem}.key")))
        .env("LOKET_CA", files.join("ca.pem"))
        .env("LOKET_GATEWAYS", "spiffe://loket.example/gateway/mpp-1")
        .env("LOKET_RECORDS", register.record)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the agency starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let line = lines.next().expect("it says where it listens");
    let address = line.expect("a line").parse().expect("an address");
    (child, address)
}

impl Drop for AgencyProcess {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
