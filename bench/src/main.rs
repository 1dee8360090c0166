//! `loket-load`: lookups at a fixed rate against the built gateway, and what they cost; or the same
//! work by the gateway and its peers, side by side.
//!
//! See `README.md` for how to run it and how to read its figures.

mod baseline;
mod connections;
mod drive;
mod figures;
mod floor;
mod load;
mod lookup;
mod plan;
mod process;
mod report;
mod side_by_side;
mod slots;
mod stub;
mod tls;
mod town;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use plan::Plan;

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
    /// The same work by nginx, HAProxy, bare hyper and the gateway, each in turn
    SideBySide(side_by_side::Args),
    /// The plain fan-out that --baseline measures
    #[command(hide = true)]
    FanOut(baseline::Args),
    /// The plain proxy that side-by-side measures
    #[command(hide = true)]
    Floor(floor::Args),
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
                    Some(Command::SideBySide(args)) => {
                        Box::pin(side_by_side::run(args, &mut out)).await
                    }
                    Some(Command::FanOut(args)) => {
                        baseline::run(args, &mut out).await.map(|()| true)
                    }
                    Some(Command::Floor(args)) => floor::run(args).await.map(|()| true),
                    None => Box::pin(load::run(Plan::new(cli.load)?, &mut out)).await,
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
