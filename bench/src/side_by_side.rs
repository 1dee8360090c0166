//! Side by side: the same work by every peer in turn, three times over; one table.
//!
//! Load and agencies run in this process, a peer in its own. Each is started anew for each round
//! and the rounds of all are interleaved, so that what else the machine does meets them all.

mod haproxy;
mod measure;
mod nginx;
mod peer;
mod proof;
mod scenario;
mod table;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args as ClapArgs, ValueEnum};
use loket_sdk::testing::Ca;

use crate::figures::Machine;
use crate::plan::{self, Output};
use crate::process::raise_open_files;
use crate::slots::Slots;
use crate::stub::{self, AGENCIES};
use crate::town::Files;
use measure::IDLE;
use peer::{Peer, Running, Setting, Work};
use scenario::Scenario;
use table::Round;

/// The same work by nginx, HAProxy, bare hyper and the gateway, each in turn.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Only these scenarios; all if not given
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Only these peers; ratios need nginx
    #[arg(long, value_enum, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// How long each loop is driven, open and closed
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How often
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=20))]
    rounds: u16,
    /// The gateway's binary; `loket` beside this program if not given
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Where certificates, configurations and logs are put; beside this program if not given, since
    /// a temporary directory may be in memory and then durability costs nothing
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Leave certificates and configurations there
    #[arg(long)]
    keep: bool,
    /// For people or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What all rounds share.
pub(crate) struct World {
    files: Files,
    gateway: PathBuf,
    open_files: u64,
    length: Duration,
    /// The agency that is called.
    service: SocketAddr,
    /// An agency of another authority, which no peer may believe.
    impostor: SocketAddr,
    /// The agencies that are asked.
    sources: Vec<SocketAddr>,
}

impl World {
    async fn new(
        files: Files,
        gateway: PathBuf,
        open_files: u64,
        length: Duration,
    ) -> anyhow::Result<Self> {
        files.issue()?;
        let mut sources = Vec::new();
        for agency in &AGENCIES {
            let tls = files.agency_tls(agency)?.server()?;
            sources.push(stub::start(agency, Duration::ZERO, tls, Slots::new(0)).await?);
        }
        let [called, ..] = &AGENCIES;
        let service = stub::service(files.agency_tls(called)?.server()?).await?;
        let other = Ca::new("loket.example").system(called.id, called.system);
        let impostor = stub::service(files.agency_tls(called)?.server_as(&other)?).await?;
        Ok(Self {
            files,
            gateway,
            open_files,
            length,
            service,
            impostor,
            sources,
        })
    }

    fn calls(&self) -> Work<'_> {
        Work::Calls(self.service)
    }

    fn lookups(&self) -> Work<'_> {
        Work::Lookups(&self.sources)
    }

    fn start(&self, peer: Peer, work: Work<'_>) -> anyhow::Result<Running> {
        let setting = Setting {
            files: &self.files,
            listen: peer::free_address()?,
            work,
            open_files: self.open_files,
            gateway: &self.gateway,
        };
        Running::start(peer, &setting)
    }
}

/// What is told beside the figures.
pub(crate) struct Told {
    machine: Machine,
    versions: Vec<String>,
}

impl Told {
    fn line(&self, length: Duration) -> String {
        let Machine {
            cpu,
            cores,
            kernel,
            load,
            filesystem,
            ..
        } = &self.machine;
        format!(
            "{cores} cores ({cpu}), {kernel}, load {load} before; {filesystem}, fsync p50 {:.2} ms; \
             {}; {} s a loop",
            self.machine.fsync_ms.p50,
            self.versions.join("; "),
            length.as_secs(),
        )
    }
}

/// Whether every peer did all of the work without an error.
///
/// # Errors
/// When a peer isn't installed, or doesn't do the work.
pub(crate) async fn run(args: Args, out: &mut dyn Write) -> anyhow::Result<bool> {
    let open_files = raise_open_files(2 * IDLE as u64 + 1_000)?;
    let (gateway, dir) = plan::places(args.gateway, args.dir)?;
    let mut home = tempfile::Builder::new()
        .prefix("loket-side-by-side-")
        .tempdir_in(&dir)
        .with_context(|| format!("{} can't be written", dir.display()))?;
    home.disable_cleanup(args.keep);
    let peers = match args.peers.is_empty() {
        true => Peer::value_variants().to_vec(),
        false => args.peers,
    };
    let told = Told {
        machine: Machine::look(home.path())?,
        versions: peers
            .iter()
            .map(|peer| version(*peer))
            .collect::<Result<_, _>>()?,
    };
    let files = Files::new(home.path().to_owned());
    let length = Duration::from_secs(args.seconds);
    let world = World::new(files, gateway, open_files, length).await?;
    for peer in &peers {
        progress(&format!("{}: checking that it does the work", peer.name()))?;
        let name = peer.name();
        let checked = proof::check(&world, *peer).await;
        checked.with_context(|| format!("{name} doesn't do the same work"))?;
    }
    let scenarios = match args.only.is_empty() {
        true => Scenario::all(),
        false => args.only,
    };
    let rounds = all(&world, &scenarios, &peers, args.rounds.into()).await?;
    table::write(&world, &told, &rounds, args.output, out)?;
    if args.keep {
        progress(&format!("files are in {}", home.path().display()))?;
    }
    Ok(rounds.iter().all(|round| round.figures.errors.is_empty()))
}

async fn all(
    world: &World,
    scenarios: &[Scenario],
    peers: &[Peer],
    times: usize,
) -> anyhow::Result<Vec<Round>> {
    let mut rounds = Vec::new();
    for scenario in scenarios {
        for round in 1..=times {
            for peer in in_turn(peers, round) {
                if scenario.suits(peer) {
                    rounds.push(one(world, *scenario, peer, round).await?);
                }
            }
        }
    }
    Ok(rounds)
}

/// Each round begins with another, so that none is always the one after the heaviest.
fn in_turn(peers: &[Peer], round: usize) -> Vec<Peer> {
    let mut peers = peers.to_vec();
    let by = round % peers.len().max(1);
    peers.rotate_left(by);
    peers
}

async fn one(world: &World, scenario: Scenario, peer: Peer, round: usize) -> anyhow::Result<Round> {
    let what = format!("{}, {}, round {round}", scenario.name(), peer.name());
    let figures = Box::pin(measure::round(world, scenario, peer)).await;
    let figures = figures.with_context(|| what.clone())?;
    let number = |value: Option<f64>, unit: &str| match value {
        Some(value) => format!(" {value:.1} {unit}"),
        None => String::new(),
    };
    progress(&format!(
        "{what}:{}{}{}{}{}",
        number(figures.requests_per_s, "requests/s"),
        number(figures.cpu_us_per_request, "µs/request"),
        number(figures.p50_ms, "ms p50"),
        number(figures.p99_ms, "ms p99"),
        number(figures.kib_per_connection, "KiB/connection"),
    ))?;
    for (kind, count) in &figures.errors {
        progress(&format!("{what}: {count} requests ended as {kind}"))?;
    }
    Ok(Round {
        scenario,
        peer,
        round,
        figures,
    })
}

fn progress(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stderr(), "{line}")
}

fn version(peer: Peer) -> anyhow::Result<String> {
    let (program, arg) = match peer {
        Peer::Nginx => (nginx::PROGRAM, "-V"),
        Peer::HaProxy => (haproxy::PROGRAM, "-v"),
        Peer::Gateway => return Ok(format!("loket {}", env!("CARGO_PKG_VERSION"))),
        Peer::Floor => return Ok("floor: hyper and rustls".to_owned()),
    };
    let asked = Command::new(program).arg(arg).output();
    let asked =
        asked.with_context(|| format!("{program} isn't there: install Debian's package"))?;
    if !asked.status.success() {
        bail!("{program} doesn't run");
    }
    let text = [asked.stdout, asked.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text
        .lines()
        .map(|line| line.trim_start_matches("nginx version: "));
    let told = lines.filter(|line| {
        let wanted = ["nginx/", "built with OpenSSL", "HAProxy version"];
        wanted.iter().any(|start| line.starts_with(start))
    });
    Ok(told.collect::<Vec<_>>().join(" "))
}
