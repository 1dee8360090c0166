//! The plan: arguments in, bounds checked, what will be run out.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args as ClapArgs, ValueEnum};

/// More lookups a second aren't driven: this is a yardstick, no weapon.
pub(crate) const MAX_RATE: u32 = 5_000;
/// Longer runs aren't made.
pub(crate) const MAX_DURATION: Duration = Duration::from_secs(600);

/// Drives lookups at a fixed rate against the built gateway, which asks five stub agencies.
///
/// Everything runs on loopback: the stubs and the load in this process, the gateway in its own. The
/// schedule is fixed beforehand and a lookup's time counts from when it was due, so a gateway that
/// stalls is charged for everyone who would have waited.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Lookups a second
    #[arg(long, default_value_t = 560)]
    rate: u32,
    /// How long to measure
    #[arg(long, default_value = "60s", value_parser = duration)]
    duration: Duration,
    /// How long to drive before measuring
    #[arg(long, default_value = "3s", value_parser = duration)]
    warm_up: Duration,
    /// Connections to the gateway, kept open
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=512))]
    connections: u16,
    /// Protocol of these connections
    #[arg(long, value_enum, default_value_t = Protocol::H2)]
    protocol: Protocol,
    /// How lookups follow each other
    #[arg(long, value_enum, default_value_t = Arrivals::Even)]
    arrivals: Arrivals,
    /// How long the stubs take: 20ms for all, or 5ms..20ms from the fastest to the slowest
    #[arg(long, default_value = "20ms", value_parser = spread)]
    source_delay: Spread,
    /// The gateway's binary; `loket` beside this program if not given
    #[arg(long)]
    gateway: Option<PathBuf>,
    /// Where certificates, configuration and audit log are put; beside this program if not given,
    /// since a temporary directory may be in memory and then durability costs nothing
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Leave them there
    #[arg(long)]
    keep: bool,
    /// Measure a plain fan-out without governance too, with the same stubs
    #[arg(long)]
    baseline: bool,
    /// For people or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Protocol between load and gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// HTTP/1.1: one lookup at a time on each connection.
    H1,
    /// HTTP/2: many at once.
    H2,
}

/// The schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Arrivals {
    /// At equal distances.
    Even,
    /// At random, as people come (a Poisson process, the same in every run).
    Poisson,
}

/// What the report looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// One document, `loket.load/1`.
    Json,
}

/// Delays from the fastest stub to the slowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spread {
    from: Duration,
    to: Duration,
}

impl Spread {
    /// The delay of one of `count` stubs.
    pub(crate) fn of(self, index: usize, count: usize) -> Duration {
        let steps = u32::try_from(count.saturating_sub(1).max(1)).unwrap_or(1);
        let step = u32::try_from(index).unwrap_or(0).min(steps);
        self.from + (self.to - self.from) * step / steps
    }
}

/// What will be run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) rate: u32,
    pub(crate) duration: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) connections: usize,
    pub(crate) protocol: Protocol,
    pub(crate) arrivals: Arrivals,
    pub(crate) source_delay: Spread,
    pub(crate) gateway: PathBuf,
    pub(crate) dir: PathBuf,
    pub(crate) keep: bool,
    pub(crate) baseline: bool,
    pub(crate) output: Output,
}

impl Plan {
    /// Takes the arguments.
    ///
    /// # Errors
    /// When they ask for more than is driven, or there is no gateway to start.
    pub(crate) fn new(args: Args) -> anyhow::Result<Self> {
        if !(1..=MAX_RATE).contains(&args.rate) {
            bail!("--rate must be 1 to {MAX_RATE}");
        }
        if args.duration.is_zero() || args.duration.max(args.warm_up) > MAX_DURATION {
            bail!("--duration must be at most {} s", MAX_DURATION.as_secs());
        }
        if args.source_delay.to > Duration::from_secs(2) {
            bail!(
                "--source-delay must be at most 2s, or the gateway's deadline is what is measured"
            );
        }
        let (gateway, dir) = places(args.gateway, args.dir)?;
        Ok(Self {
            rate: args.rate,
            duration: args.duration,
            warm_up: args.warm_up,
            connections: args.connections.into(),
            protocol: args.protocol,
            arrivals: args.arrivals,
            source_delay: args.source_delay,
            gateway,
            dir,
            keep: args.keep,
            baseline: args.baseline,
            output: args.output,
        })
    }

    /// When each lookup of a run of this length is due, from its start.
    pub(crate) fn schedule(&self, length: Duration) -> Vec<Duration> {
        schedule(self.rate, length, self.arrivals)
    }
}

/// The gateway's binary, and the directory of all files; beside this program what isn't given.
///
/// # Errors
/// When there is no such binary.
pub(crate) fn places(
    gateway: Option<PathBuf>,
    dir: Option<PathBuf>,
) -> anyhow::Result<(PathBuf, PathBuf)> {
    let here = std::env::current_exe().context("where is this program?")?;
    let beside = here.parent().context("where is this program?")?;
    let gateway = gateway.unwrap_or_else(|| beside.join("loket"));
    if !gateway.is_file() {
        bail!(
            "{} isn't there; build it with the same profile: cargo build --release -p loket-gateway",
            gateway.display()
        );
    }
    Ok((gateway, dir.unwrap_or_else(|| beside.to_owned())))
}

/// When each of so many a second is due.
pub(crate) fn schedule(rate: u32, length: Duration, arrivals: Arrivals) -> Vec<Duration> {
    let mean = 1.0 / f64::from(rate);
    let mut due = Vec::new();
    let mut at = 0.0;
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    while at < length.as_secs_f64() {
        due.push(Duration::from_secs_f64(at));
        at = match arrivals {
            Arrivals::Even => due.len() as f64 * mean,
            Arrivals::Poisson => at - mean * random.unit().ln(),
        };
    }
    due
}

/// xorshift64*: the same figures in every run.
struct Random(u64);

impl Random {
    /// In (0, 1].
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        (bits + 1) as f64 / (1_u64 << 53) as f64
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "write it with its unit, such as 20ms or 60s".to_owned())
}

fn spread(text: &str) -> Result<Spread, String> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (duration(from)?, duration(to)?);
    if from > to {
        return Err("the fastest comes first".to_owned());
    }
    Ok(Spread { from, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_reaches_from_end_to_end() {
        let spread = spread("5ms..20ms").unwrap();
        let all: Vec<u128> = (0..5).map(|i| spread.of(i, 5).as_micros()).collect();
        assert_eq!(all, [5_000, 8_750, 12_500, 16_250, 20_000]);
        assert!(super::spread("20ms..5ms").is_err());
    }

    #[test]
    fn the_schedule_keeps_the_rate() {
        let length = Duration::from_secs(10);
        assert_eq!(schedule(560, length, Arrivals::Even).len(), 5_600);
        let due = schedule(560, length, Arrivals::Poisson);
        assert!((5_300..5_900).contains(&due.len()), "{}", due.len());
        assert!(due.is_sorted());
    }
}
