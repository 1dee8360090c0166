//! `loket audit`: a configuration and its log in, what the log says out. Reads only, also beside a
//! gateway that runs.

mod breach;
mod entry;
mod opened;
mod reindex;
mod subject;
mod usage;

#[cfg(test)]
mod tests;

use std::io::Write;

use clap::{Args as ClapArgs, Subcommand};

pub(super) use subject::{names, scheme};

/// Reads the audit log.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything that is on record about one citizen
    Subject(subject::Args),
    /// What each grant was used for in a half-year, and how far its quota went
    Usage(usage::Args),
    /// Whom a breach concerns: subjects, fields and counts of a time
    Breach(breach::Args),
    /// Build the index by subject
    Reindex(reindex::Args),
}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the log can't be read or the output not be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    match &args.command {
        Command::Subject(args) => subject::run(args, out),
        Command::Usage(args) => usage::run(args, out),
        Command::Breach(args) => breach::run(args, out),
        Command::Reindex(args) => reindex::run(args, out),
    }
}
