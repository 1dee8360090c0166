//! `loket audit reindex`: builds what is missing of the index by subject, or all of it.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args as ClapArgs;

use super::opened::Opened;
use crate::audit::reads::Caller;

/// Builds the index by subject. The gateway does so by itself; this is for a log that was restored.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Configuration file
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
    /// Build all of it anew; not beside a gateway that runs
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let opened = Opened::open(&args.config)?;
    let Some(index) = opened.index() else {
        writeln!(out, "this store keeps an index itself")?;
        return Ok(0);
    };
    if args.all {
        index.clear()?;
    }
    let began = Instant::now();
    index.catch_up(&Caller::default())?;
    let size = opened.reader.checkpoint()?.size;
    writeln!(
        out,
        "{size} entries, {} runs in files, {} ms",
        index.runs(),
        began.elapsed().as_millis()
    )?;
    Ok(0)
}
