//! A town in this process: agencies, gateway and counters, with certificates of a throw-away
//! authority, each on a free port of the loopback interface.
//!
//! In: how each agency is today, and changes to the directory. Out: a [`Town`] that runs until it
//! is stopped or dropped.

mod agency;
mod gateway;
mod members;
mod town;

use std::collections::HashMap;

use anyhow::Context;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use loket_gateway::directory::{Directory, Grant, Mode, Parts, Source};
use loket_sdk::message::Purpose;
use loket_sdk::testing::Ca;

use crate::grants;
use crate::mood::Mood;

pub use agency::Agency;
pub use town::Town;

/// The trust domain of the town's certificates.
pub const TRUST_DOMAIN: &str = "loket.example";
/// Member and system of the gateway.
pub const GATEWAY: (&str, &str) = ("gateway", "mpp-3510");
/// The system of every member with which its counters ask.
pub const COUNTER: &str = "counter-app";
/// How long the slow agency of the sample world thinks.
pub const SLOW: std::time::Duration = std::time::Duration::from_millis(1500);

type Change = Box<dyn FnOnce(&mut Parts) + Send>;

/// A town that doesn't run yet.
#[must_use]
pub struct World {
    moods: HashMap<String, Mood>,
    changes: Vec<Change>,
}

impl World {
    /// Every agency is well, and every grant has no quota.
    pub fn healthy() -> Self {
        Self {
            moods: HashMap::new(),
            changes: Vec::new(),
        }
    }

    /// The world of the demo: of the agencies one is slow, one is down, one has broken records, one
    /// refuses and one answers later; one more has no record of what a journey asks, and one grant
    /// is good for one question a day.
    pub fn sample() -> Self {
        Self::healthy()
            .mood("bpjs-kesehatan", Mood::Slow(SLOW))
            .mood("bpn", Mood::Down)
            .mood("samsat", Mood::Broken)
            .mood("bkpm", Mood::Refusing)
            .mood("imigrasi", Mood::Later)
            .change(|parts| {
                let purpose = Purpose::DrivingLicenceRenewal;
                let id = grants::id("korlantas", purpose, "person-identity/1", Mode::Verify);
                let used_up_soon = |grant: &&mut Grant| grant.id == id;
                if let Some(grant) = parts.grants.iter_mut().find(used_up_soon) {
                    grant.daily_quota = Some(1);
                }
            })
    }

    /// Puts an agency, such as `dukcapil`, in a mood.
    pub fn mood(mut self, agency: &str, mood: Mood) -> Self {
        self.moods.insert(agency.to_owned(), mood);
        self
    }

    /// Changes the gateway's directory before it starts: members, sources, grants, holds.
    pub fn change(mut self, change: impl FnOnce(&mut Parts) + Send + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Starts everything.
    ///
    /// # Errors
    /// When something can't be started; what has been started ends then.
    pub async fn start(self) -> anyhow::Result<Town> {
        let directory = tempfile::Builder::new()
            .prefix("loket-demo-")
            .tempdir()
            .context("no temporary directory")?;
        let ca = Ca::new(TRUST_DOMAIN);
        let mut opening = agency::Opening::new(ca.clone(), self.moods);
        opening.open_all().await?;
        let (agencies, stop) = opening.opened()?;

        let parts = parts(&agencies, self.changes)?;
        let gateway = gateway::start(&ca, directory.path(), parts).await?;
        Town::new(ca, directory, gateway, agencies, stop)
    }
}

fn parts(agencies: &[Agency], changes: Vec<Change>) -> anyhow::Result<Parts> {
    let mut members = members::all()?;
    let sources: Vec<Source> = agencies
        .iter()
        .map(Agency::source)
        .collect::<anyhow::Result<_>>()?;
    let today = TimeZone::UTC.to_datetime(Timestamp::now()).date();
    let consumers: Vec<_> = members.iter().map(|member| member.id.clone()).collect();
    // From yesterday: in the agencies' time zone it may be a day later or earlier.
    let grants = grants::from_purposes(&consumers, &sources, today.yesterday()?)?;
    members::enrol(&mut members, agencies)?;
    let mut parts = Parts {
        trust_domain: TRUST_DOMAIN.to_owned(),
        members,
        sources,
        grants,
        holds: Vec::new(),
        ..Parts::default()
    };
    for change in changes {
        change(&mut parts);
    }
    Ok(parts)
}

fn directory(parts: Parts) -> anyhow::Result<Directory> {
    Directory::new(parts).map_err(|wrong| {
        let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the directory can't stand: {}", wrong.join("; "))
    })
}
