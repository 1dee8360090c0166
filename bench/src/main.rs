//! `loket-load`: lookups at a fixed rate against the built gateway, and what they cost.
//!
//! See `README.md` for how to run it and how to read its figures.

mod baseline;
mod connections;
mod drive;
mod figures;
mod plan;
mod process;
mod report;
mod slots;
mod stub;
mod town;

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};

use connections::Connections;
use drive::Outcome;
use figures::{Audit, Machine, Run};
use plan::Plan;
use process::Process;
use slots::Slots;
use town::{Files, Gateway};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug, Parser)]
#[command(name = "loket-load", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    load: plan::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The plain fan-out that --baseline measures
    #[command(hide = true)]
    FanOut(baseline::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = std::io::stdout();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            runtime.block_on(async {
                match cli.command {
                    Some(Command::FanOut(args)) => {
                        baseline::run(args, &mut out).await.map(|()| true)
                    }
                    None => Box::pin(load(Plan::new(cli.load)?, &mut out)).await,
                }
            })
        });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every lookup was answered and recorded.
async fn load(plan: Plan, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut home = tempfile::Builder::new()
        .prefix("loket-load-")
        .tempdir_in(&plan.dir)
        .with_context(|| format!("{} can't be written", plan.dir.display()))?;
    home.disable_cleanup(plan.keep);
    let machine = Machine::look(home.path())?;
    let files = Files::new(home.path().to_owned());
    let ca = files.issue()?;
    let (warm_up, measured) = (plan.schedule(plan.warm_up), plan.schedule(plan.duration));
    let runs = if plan.baseline { 2 } else { 1 };
    let slots = Slots::new(runs * (warm_up.len() + measured.len()));
    let mut sources = Vec::new();
    for (index, agency) in stub::AGENCIES.iter().enumerate() {
        let delay = plan.source_delay.of(index, stub::AGENCIES.len());
        sources.push(stub::start(agency, delay, &ca, slots.clone()).await?);
    }
    let mut load = Load {
        plan: &plan,
        files: &files,
        slots,
        next: 0,
    };
    let mut runs = vec![load.gateway(&sources).await?];
    if plan.baseline {
        runs.push(load.fan_out(&sources).await?);
    }
    report::write(&plan, &machine, &runs, out)?;
    if plan.keep {
        let dir = files.dir().display();
        writeln!(std::io::stderr(), "files are in {dir}")?;
    }
    Ok(runs.iter().all(Run::is_whole))
}

struct Load<'a> {
    plan: &'a Plan,
    files: &'a Files,
    slots: Slots,
    /// Number of the next lookup.
    next: usize,
}

impl Load<'_> {
    async fn gateway(&mut self, sources: &[SocketAddr]) -> anyhow::Result<Run> {
        let config = self.files.configure(sources)?;
        let log = self.files.log("gateway");
        let gateway = Gateway::start(&self.plan.gateway, &config, &log)?;
        let (mut run, answered) = self
            .measure("gateway", gateway.address, &gateway.process)
            .await?;
        gateway.stop()?;
        run.audit = Some(Audit {
            entries: self.files.audited()?,
            answered,
        });
        Ok(run)
    }

    async fn fan_out(&mut self, sources: &[SocketAddr]) -> anyhow::Result<Run> {
        let dir = self.files.dir().to_str();
        let dir = dir.context("the directory's name isn't UTF-8")?;
        let mut args = vec!["fan-out".to_owned(), format!("--dir={dir}")];
        args.extend(sources.iter().map(|address| format!("--source={address}")));
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let log = self.files.log("fan-out");
        let mut process = Process::start(&std::env::current_exe()?, &args, &log)?;
        let address = process.wait_for(&log, |line| {
            line.strip_prefix("listening ")?.parse::<SocketAddr>().ok()
        })?;
        let (run, _) = self.measure("fan_out", address, &process).await?;
        Ok(run)
    }

    /// Warms up and measures; the run, and how many were answered in both.
    async fn measure(
        &mut self,
        name: &'static str,
        address: SocketAddr,
        process: &Process,
    ) -> anyhow::Result<(Run, u64)> {
        let tls = self.files.counter_tls()?;
        let (protocol, count) = (self.plan.protocol, self.plan.connections);
        let connections = Arc::new(Connections::open(address, &tls, protocol, count).await?);
        let warmed = self.drive(&connections, self.plan.warm_up).await;
        let before = process.usage()?;
        let outcome = self.drive(&connections, self.plan.duration).await;
        let after = process.usage()?;
        let answered = warmed.total.len() + outcome.total.len();
        Ok((Run::new(name, outcome, before, after), answered as u64))
    }

    async fn drive(&mut self, connections: &Arc<Connections>, length: Duration) -> Outcome {
        let schedule = self.plan.schedule(length);
        let first = self.next;
        self.next += schedule.len();
        drive::drive(connections.clone(), schedule, first, &self.slots).await
    }
}
