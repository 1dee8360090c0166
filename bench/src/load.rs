//! Lookups at a fixed rate: a plan in, the gateway's run and the plain fan-out's out.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;

use crate::connections::Connections;
use crate::drive;
use crate::figures::{Audit, Machine, Run};
use crate::lookup::Lookups;
use crate::plan::Plan;
use crate::process::Process;
use crate::report;
use crate::slots::Slots;
use crate::stub::{self, AGENCIES, Agency};
use crate::town::{Files, Gateway, Setting};

/// Whom the lookups are about to ask.
const ASKED: &[Agency] = AGENCIES.split_at(5).0;
const GATEWAY: &str = "gateway";

/// Whether every lookup was answered and recorded.
///
/// # Errors
/// When something can't be started or read.
pub(crate) async fn run(plan: Plan, out: &mut dyn Write) -> anyhow::Result<bool> {
    let mut home = tempfile::Builder::new()
        .prefix("loket-load-")
        .tempdir_in(&plan.dir)
        .with_context(|| format!("{} can't be written", plan.dir.display()))?;
    home.disable_cleanup(plan.keep);
    let machine = Machine::look(home.path())?;
    let files = Files::new(home.path().to_owned());
    files.issue()?;
    let per_run = plan.schedule(plan.warm_up).len() + plan.schedule(plan.duration).len();
    let runs = if plan.baseline { 2 } else { 1 };
    let slots = Slots::new(runs * per_run);
    let mut sources = Vec::new();
    for (index, agency) in ASKED.iter().enumerate() {
        let delay = plan.source_delay.of(index, ASKED.len());
        let tls = files.agency_tls(agency)?.server()?;
        sources.push(stub::start(agency, delay, tls, slots.clone()).await?);
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
        let config = self.files.configure(&Setting {
            name: GATEWAY,
            listen: (Ipv4Addr::LOCALHOST, 0).into(),
            sources,
            service: None,
        })?;
        let log = self.files.log(GATEWAY);
        let gateway = Gateway::start(&self.plan.gateway, &config, &log)?;
        let (mut run, answered) = self
            .measure(GATEWAY, gateway.address, &gateway.process)
            .await?;
        gateway.stop()?;
        run.audit = Some(Audit {
            entries: self.files.audited(GATEWAY)?,
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
        let lookups = Arc::new(Lookups {
            connections: Connections::open(address, &tls, protocol, count).await?,
            agencies: ASKED,
        });
        let (warm_up, measured) = (self.plan.warm_up, self.plan.duration);
        let (warm_up, measured) = (self.plan.schedule(warm_up), self.plan.schedule(measured));
        let first = self.next + warm_up.len();
        let warmed = drive::open_loop(lookups.clone(), warm_up, self.next).await;
        self.next = first + measured.len();
        let before = process.usage()?;
        let outcome = drive::open_loop(lookups, measured, first).await;
        let after = process.usage()?;
        let answered = warmed.answered.len() + outcome.answered.len();
        let run = Run::new(name, outcome, &self.slots, before, after);
        Ok((run, answered as u64))
    }
}
