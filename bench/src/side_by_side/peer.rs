//! Peers: which there are in, a running process with its address out.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde::Serialize;

use super::{haproxy, nginx};
use crate::connections::Connections;
use crate::drive::{Ask, Refused};
use crate::process::{Process, tail};
use crate::town::{self, Files, GATEWAY};

/// Connections that the bare fan-out has to each agency: as many as there are callers' lookups.
const FAN_OUT_CONNECTIONS: usize = 32;
/// A process that hasn't answered by then won't.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two tries to be answered.
const PAUSE: Duration = Duration::from_micros(500);

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Peer {
    /// Loket, with all of its rooms at work
    Gateway,
    /// nginx; lookups by a fan-out in Lua
    Nginx,
    /// HAProxy; no lookups
    #[value(name = "haproxy")]
    HaProxy,
    /// Bare hyper and rustls: nothing but the hop
    Floor,
}

impl Peer {
    /// What it is called everywhere.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Nginx => "nginx",
            Self::HaProxy => "haproxy",
            Self::Floor => "floor",
        }
    }
}

/// What is to be done, and for whom.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work<'a> {
    /// Pass calls on to one agency.
    Calls(SocketAddr),
    /// Ask all of these at once.
    Lookups(&'a [SocketAddr]),
}

/// What a peer is told.
pub(crate) struct Setting<'a> {
    pub(crate) files: &'a Files,
    pub(crate) listen: SocketAddr,
    pub(crate) work: Work<'a>,
    pub(crate) open_files: u64,
    /// The gateway's binary.
    pub(crate) gateway: &'a Path,
}

/// A peer's process.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    /// The log that it writes of what it did; the floor has none.
    pub(crate) trail: Option<PathBuf>,
    output: PathBuf,
    began: Instant,
    _litter: Litter,
}

/// Files that are of no use once the process has ended.
struct Litter(Vec<PathBuf>);

impl Drop for Litter {
    fn drop(&mut self) {
        for path in &self.0 {
            // What can't be removed goes with the directory that it is in.
            let _ = match path.is_dir() {
                true => fs::remove_dir_all(path),
                false => fs::remove_file(path),
            };
        }
    }
}

impl Running {
    /// Starts it; whether it came up, its first answer tells.
    ///
    /// # Errors
    /// When it can't be started, or doesn't do such work.
    pub(crate) fn start(peer: Peer, setting: &Setting<'_>) -> anyhow::Result<Self> {
        let stem = format!("{}-{}", peer.name(), setting.listen.port());
        let dir = setting.files.dir();
        let output = setting.files.log(&stem);
        let scratch = dir.join(&stem);
        let (program, args, trail) = match peer {
            Peer::Nginx => {
                fs::create_dir(&scratch)?;
                let config = dir.join(format!("{stem}.conf"));
                fs::write(&config, nginx::configuration(setting, &scratch))?;
                let args = vec!["-c".to_owned(), text(&config)?];
                (
                    nginx::PROGRAM.into(),
                    args,
                    Some(scratch.join("access.log")),
                )
            }
            Peer::HaProxy => {
                let Work::Calls(back_end) = setting.work else {
                    bail!("HAProxy doesn't fan out");
                };
                both(setting.files)?;
                let config = dir.join(format!("{stem}.cfg"));
                fs::write(&config, haproxy::configuration(setting, back_end))?;
                let args = vec!["-db".to_owned(), "-f".to_owned(), text(&config)?];
                (haproxy::PROGRAM.into(), args, Some(output.clone()))
            }
            Peer::Floor => (std::env::current_exe()?, floor(setting)?, None),
            Peer::Gateway => {
                let config = gateway(setting, &stem)?;
                let args = vec!["serve".to_owned(), "--config".to_owned(), text(&config)?];
                let audit = setting.files.audit(&stem);
                (setting.gateway.to_owned(), args, Some(audit))
            }
        };
        let litter = [Some(output.clone()), Some(scratch), trail.clone()];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let began = Instant::now();
        Ok(Self {
            process: Process::start(&program, &args, &output)?,
            address: setting.listen,
            trail,
            output,
            began,
            _litter: Litter(litter.into_iter().flatten().collect()),
        })
    }

    /// How long it took from its start to its first answer.
    ///
    /// # Errors
    /// When it ends, or doesn't answer; with the last lines that it wrote.
    pub(crate) async fn answered(&mut self, ask: &impl Ask) -> anyhow::Result<Duration> {
        loop {
            let Err(error) = ask.ask(0).await else {
                return Ok(self.began.elapsed());
            };
            if self.process.has_ended()? || self.began.elapsed() > PATIENCE {
                let written = fs::read_to_string(&self.output)?;
                return Err(error.context(format!("it doesn't answer:\n{}", tail(&written))));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until it answers, with a refusal: it is up and didn't believe its back end.
    ///
    /// # Errors
    /// When it answers as if it had, or not at all.
    pub(crate) async fn answers_badly(&mut self, ask: &impl Ask) -> anyhow::Result<()> {
        loop {
            let Err(error) = ask.ask(0).await else {
                bail!("a back end of another authority was believed");
            };
            if error.is::<Refused>() {
                return Ok(());
            }
            if self.process.has_ended()? || self.began.elapsed() > PATIENCE {
                return Err(error.context("it doesn't answer"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// A connection for each request.
    ///
    /// # Errors
    /// When the certificate can't be shown.
    pub(crate) fn fresh(&self, files: &Files) -> anyhow::Result<Connections> {
        Connections::fresh(self.address, &files.counter_tls()?)
    }
}

/// The gateway's configuration: the one that `loket-load` uses, with the service that is called.
fn gateway(setting: &Setting<'_>, stem: &str) -> anyhow::Result<PathBuf> {
    let (sources, service) = match setting.work {
        Work::Calls(back_end) => (&[][..], Some(back_end)),
        Work::Lookups(sources) => (sources, None),
    };
    setting.files.configure(&town::Setting {
        name: stem,
        listen: setting.listen,
        sources,
        service,
    })
}

fn floor(setting: &Setting<'_>) -> anyhow::Result<Vec<String>> {
    let mut args = match setting.work {
        Work::Calls(back_end) => vec!["floor".to_owned(), format!("--service={back_end}")],
        Work::Lookups(sources) => {
            let mut args = vec!["fan-out".to_owned()];
            args.push(format!("--http1={FAN_OUT_CONNECTIONS}"));
            args.extend(sources.iter().map(|source| format!("--source={source}")));
            args
        }
    };
    args.push(format!("--listen={}", setting.listen));
    args.push(format!("--dir={}", text(setting.files.dir())?));
    Ok(args)
}

/// Certificate and key in one file, as HAProxy wants them.
fn both(files: &Files) -> anyhow::Result<()> {
    let path = |ending: &str| files.dir().join(format!("{GATEWAY}.{ending}"));
    let mut both = fs::read(path("pem"))?;
    both.extend(fs::read(path("key"))?);
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    std::io::Write::write_all(&mut options.open(path("both"))?, &both)?;
    Ok(())
}

fn text(path: &Path) -> anyhow::Result<String> {
    let text = path.to_str().context("a directory's name isn't UTF-8")?;
    Ok(text.to_owned())
}

/// An address on loopback that nobody listens at, below the ports that connections are given: those
/// of thousands of connections come and go here.
///
/// # Errors
/// When all are taken.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if port > 32_000 {
            bail!("no port from 20000 to 32000 is free");
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
}
