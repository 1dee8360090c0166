//! Proof that a peer does the work: a running one in, what it failed to do out.
//!
//! A peer that lets anyone in, trusts any back end or keeps no log would be fast for nothing.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use http::Method;

use super::World;
use super::peer::{Peer, Running, Work};
use super::scenario::{Call, Calls};
use crate::connections::Connections;
use crate::drive::Ask;
use crate::tls::Tls;

/// What every log says of a caller.
const CALLER: &str = "counter-app";
/// Logs are written through buffers.
const PATIENCE: Duration = Duration::from_secs(5);

/// Checks one peer.
///
/// # Errors
/// With the first thing that it doesn't do.
pub(crate) async fn check(world: &World, peer: Peer) -> anyhow::Result<()> {
    let files = &world.files;
    let mut running = world.start(peer, world.calls())?;
    let calls = |tls: &Tls, running: &Running| {
        let connections = Connections::fresh(running.address, tls);
        connections.map(|connections| Calls {
            connections,
            call: Call::new(Method::GET),
        })
    };
    let counter = calls(&files.counter_tls()?, &running)?;
    running.answered(&counter).await?;
    let stranger = calls(&files.stranger_tls()?, &running)?;
    ensure!(
        stranger.ask(0).await.is_err(),
        "a caller without a certificate was answered"
    );
    let former = calls(&files.former_tls()?, &running)?;
    ensure!(
        former.ask(0).await.is_err(),
        "a caller whose certificate was revoked was answered"
    );
    counter.ask(0).await?;
    if let Some(trail) = &running.trail {
        names_the_caller(trail).await?;
    }
    drop(running);
    // It listens before it is asked, and then it must not have believed the back end.
    let mut running = world.start(peer, Work::Calls(world.impostor))?;
    let counter = calls(&files.counter_tls()?, &running)?;
    running.answers_badly(&counter).await
}

async fn names_the_caller(trail: &Path) -> anyhow::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        let files = match trail.is_dir() {
            true => fs::read_dir(trail)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<Result<Vec<_>, _>>()?,
            false => vec![trail.to_owned()],
        };
        let names = |path| fs::read_to_string(path).is_ok_and(|text| text.contains(CALLER));
        if files.iter().any(names) {
            return Ok(());
        }
        ensure!(Instant::now() < until, "its log doesn't name the caller");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
