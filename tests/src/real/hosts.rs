//! Two hosts on one machine: this one and a network namespace, with a wire between them that can be
//! cut and can lose packets.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

/// Another host; it goes when it is dropped.
pub struct Hosts {
    namespace: String,
    remote: Ipv4Addr,
}

impl Hosts {
    /// Sets up the other host.
    ///
    /// # Errors
    /// Why there can't be one here.
    pub fn new() -> Result<Self, String> {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let (pid, next) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        if !rustix::process::geteuid().is_root() {
            return Err("network namespaces need root".to_owned());
        }
        // Of the addresses that are for measurements between networks.
        let net = [198, 18 + (pid >> 8 & 1) as u8, (pid & 255) as u8, next << 2];
        let [near, far] = [1, 2].map(|host| Ipv4Addr::new(net[0], net[1], net[2], net[3] + host));
        let namespace = format!("lk{pid}n{next}");
        let (here, there) = (format!("lk{pid}a{next}"), format!("lk{pid}b{next}"));
        let hosts = Self {
            namespace: namespace.clone(),
            remote: far,
        };
        let steps = format!(
            "netns add {namespace}\n\
             link add {here} type veth peer name {there} netns {namespace}\n\
             addr add {near}/30 dev {here}\n\
             link set {here} up\n\
             -n {namespace} addr add {far}/30 dev {there}\n\
             -n {namespace} link set {there} up\n\
             -n {namespace} link set lo up"
        );
        for step in steps.lines() {
            let words: Vec<&str> = step.split_whitespace().collect();
            run("ip", &words, "")?;
        }
        hosts.rules("")?;
        Ok(hosts)
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    pub(super) fn remote(&self) -> IpAddr {
        IpAddr::V4(self.remote)
    }

    /// Nothing passes any more, and nobody is told.
    ///
    /// # Panics
    /// When that can't be had.
    pub fn cut(&self) {
        self.rules("drop").expect("rules");
    }

    /// Of a hundred packets so many are lost, in both directions.
    ///
    /// # Panics
    /// When that can't be had.
    pub fn lose(&self, percent: u8) {
        let rule = format!("numgen random mod 100 < {percent} drop");
        self.rules(&rule).expect("rules");
    }

    /// Everything passes again.
    ///
    /// # Panics
    /// When that can't be had.
    pub fn mend(&self) {
        self.rules("").expect("rules");
    }

    fn rules(&self, rule: &str) -> Result<(), String> {
        let chain = |hook: &str| {
            format!(" chain {hook} {{\n  type filter hook {hook} priority 0\n  {rule}\n }}\n")
        };
        let (input, output) = (chain("input"), chain("output"));
        let rules = format!("flush ruleset\ntable inet wire {{\n{input}{output}}}\n");
        let words = ["netns", "exec", &self.namespace, "nft", "-f", "-"];
        run("ip", &words, &rules)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // It may not have come to be.
        let _ = run("ip", &["netns", "del", &self.namespace], "");
    }
}

pub(super) fn run(program: &str, words: &[&str], input: &str) -> Result<(), String> {
    let told = |error: std::io::Error| format!("{program}: {error}");
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(told)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).map_err(told)?;
    }
    let output = child.wait_with_output().map_err(told)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {}: {}", words.join(" "), text.trim()))
}
