//! Measuring: a scenario and a peer in, its figures of one round out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use serde::Serialize;

use super::World;
use super::peer::{Peer, Running};
use super::scenario::{Call, Calls, Scenario};
use crate::connections::{Connections, Target, origin_form};
use crate::drive::{self, Ask, Outcome};
use crate::figures::{Quantiles, mib};
use crate::lookup::Lookups;
use crate::plan::{self, Arrivals};
use crate::process::Usage;
use crate::stub::AGENCIES;
use crate::tls::HTTP1;

/// Requests under way at once in the closed loop, each on a connection of its own.
pub(crate) const CONNECTIONS: usize = 32;
/// Connections that are kept idle.
pub(crate) const IDLE: usize = 5_000;
/// Of these, opened at once.
const OPENING: usize = 16;
/// How long a process may tidy up before its memory is read.
const SETTLE: Duration = Duration::from_secs(2);
/// Starts in one round.
const STARTS: usize = 5;
/// Driven before anything is counted.
const WARM_UP: Duration = Duration::from_secs(1);

/// Figures of one round, or medians of several; what a scenario doesn't tell is left out.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Figures {
    /// Closed loop: as many as the machine does, load and agencies included.
    pub(crate) requests_per_s: Option<f64>,
    /// Closed loop: user and system time of the peer's processes.
    pub(crate) cpu_us_per_request: Option<f64>,
    /// The same in the open loop, where less work is done at a time.
    pub(crate) cpu_us_per_request_open: Option<f64>,
    /// Open loop, from when a request was due to the end of its answer; or of the starts.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    /// How late the load itself was; contained in both.
    pub(crate) late_p99_ms: Option<f64>,
    /// The most that was resident in either loop.
    pub(crate) peak_mib: Option<f64>,
    /// Resident after the first answer.
    pub(crate) rest_mib: Option<f64>,
    /// What a connection adds.
    pub(crate) kib_per_connection: Option<f64>,
    /// Requests that weren't answered as they should, by kind.
    pub(crate) errors: BTreeMap<String, u64>,
}

/// One round.
///
/// # Errors
/// When the peer doesn't start, or ends.
pub(crate) async fn round(
    world: &World,
    scenario: Scenario,
    peer: Peer,
) -> anyhow::Result<Figures> {
    match scenario {
        Scenario::Lookup => lookups(world, scenario, peer).await,
        Scenario::Idle | Scenario::Kept => idle(world, scenario, peer).await,
        Scenario::Start => starts(world, peer).await,
        _ => calls(world, scenario, peer).await,
    }
}

async fn lookups(world: &World, scenario: Scenario, peer: Peer) -> anyhow::Result<Figures> {
    let lookups = |connections| Lookups {
        connections,
        agencies: &AGENCIES,
    };
    let mut running = world.start(peer, world.lookups())?;
    let first = lookups(running.fresh(&world.files)?);
    running.answered(&first).await?;
    let ask = lookups(connections(world, scenario, &running).await?);
    loops(world, scenario, &running, ask).await
}

async fn calls(world: &World, scenario: Scenario, peer: Peer) -> anyhow::Result<Figures> {
    let call = Call::new(scenario.method());
    let mut running = world.start(peer, world.calls())?;
    let first = Calls {
        connections: running.fresh(&world.files)?,
        call: call.clone(),
    };
    running.answered(&first).await?;
    let ask = match scenario {
        Scenario::Connect => first,
        _ => Calls {
            connections: connections(world, scenario, &running).await?,
            call,
        },
    };
    loops(world, scenario, &running, ask).await
}

async fn connections(
    world: &World,
    scenario: Scenario,
    running: &Running,
) -> anyhow::Result<Connections> {
    let tls = world.files.counter_tls()?;
    Connections::open(running.address, &tls, scenario.protocol(), CONNECTIONS).await
}

async fn loops(
    world: &World,
    scenario: Scenario,
    running: &Running,
    ask: impl Ask,
) -> anyhow::Result<Figures> {
    let ask = Arc::new(ask);
    let warmed = drive::closed_loop(ask.clone(), WARM_UP, CONNECTIONS, 0).await;
    let watch = running.process.watch()?;
    let before = running.process.usage()?;
    let first = warmed.late.len();
    let closed = drive::closed_loop(ask.clone(), world.length, CONNECTIONS, first).await;
    let between = running.process.usage()?;
    let first = first + closed.late.len();
    let schedule = plan::schedule(scenario.rate(), world.length, Arrivals::Poisson);
    let open = drive::open_loop(ask, schedule, first).await;
    let after = running.process.usage()?;
    let cpu = |from: Usage, to: Usage, outcome: &Outcome| {
        let micros = to.cpu.saturating_sub(from.cpu).as_secs_f64() * 1e6;
        Some(micros / outcome.answered.len().max(1) as f64)
    };
    let times = open.answered.iter().map(|(_, time)| *time).collect();
    let times = Quantiles::of(times);
    let figures = Figures {
        requests_per_s: Some(closed.answered.len() as f64 / closed.took.as_secs_f64()),
        cpu_us_per_request: cpu(before, between, &closed),
        cpu_us_per_request_open: cpu(between, after, &open),
        p50_ms: Some(times.p50),
        p99_ms: Some(times.p99),
        late_p99_ms: Some(Quantiles::of(open.late).p99),
        peak_mib: Some(mib(watch.most())),
        rest_mib: Some(mib(before.resident_kib)),
        ..Figures::default()
    };
    let mut errors = warmed.errors;
    for (kind, count) in closed.errors.into_iter().chain(open.errors) {
        *errors.entry(kind).or_default() += count;
    }
    Ok(Figures { errors, ..figures })
}

async fn idle(world: &World, scenario: Scenario, peer: Peer) -> anyhow::Result<Figures> {
    let call = Call::new(scenario.method());
    let mut running = world.start(peer, world.calls())?;
    let first = Calls {
        connections: running.fresh(&world.files)?,
        call: call.clone(),
    };
    running.answered(&first).await?;
    let rest = running.process.usage()?;
    let target = Target::new(running.address, &world.files.counter_tls()?, HTTP1)?;
    let first_call = (scenario == Scenario::Kept).then_some(&call);
    let opening = stream::iter(0..IDLE).map(|_| open(&target, first_call));
    let opened: Vec<_> = opening.buffer_unordered(OPENING).collect().await;
    tokio::time::sleep(SETTLE).await;
    let full = running.process.usage()?;
    let mut errors = BTreeMap::new();
    for sender in &opened {
        match sender {
            Ok(sender) if !sender.is_closed() => {}
            Ok(_) => *errors.entry("closed".to_owned()).or_default() += 1,
            Err(_) => *errors.entry("not_opened".to_owned()).or_default() += 1,
        }
    }
    let added = full.resident_kib.saturating_sub(rest.resident_kib) as f64;
    let cpu = full.cpu.saturating_sub(rest.cpu).as_secs_f64();
    Ok(Figures {
        cpu_us_per_request: Some(cpu * 1e6 / IDLE as f64),
        peak_mib: Some(mib(full.resident_kib)),
        rest_mib: Some(mib(rest.resident_kib)),
        kib_per_connection: Some(added / IDLE as f64),
        errors,
        ..Figures::default()
    })
}

type Idle = SendRequest<Full<Bytes>>;

async fn open(target: &Target, first_call: Option<&Call>) -> anyhow::Result<Idle> {
    let mut sender = target.http1().await?;
    if let Some(call) = first_call {
        let mut request = call.request()?;
        origin_form(&mut request);
        call.read(sender.send_request(request).await?).await?;
    }
    Ok(sender)
}

async fn starts(world: &World, peer: Peer) -> anyhow::Result<Figures> {
    let mut took = Vec::new();
    let mut rest = 0;
    for _ in 0..STARTS {
        let mut running = world.start(peer, world.calls())?;
        let first = Calls {
            connections: running.fresh(&world.files)?,
            call: Call::new(Scenario::Start.method()),
        };
        took.push(running.answered(&first).await?);
        rest = running.process.usage()?.resident_kib;
    }
    let took = Quantiles::of(took);
    Ok(Figures {
        p50_ms: Some(took.p50),
        p99_ms: Some(took.p99),
        rest_mib: Some(mib(rest)),
        ..Figures::default()
    })
}
