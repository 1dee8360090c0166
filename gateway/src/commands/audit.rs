//! `loket audit`: the audit log verified, read, reported on, exported and moved to another store.

mod breach;
mod entry;
mod export;
mod filter;
mod migrate;
mod opened;
mod progress;
mod prune;
mod reindex;
mod schema;
mod source;
mod subject;
mod tail;
mod usage;
mod verify;

#[cfg(test)]
mod report_tests;

use std::io::Write;

use clap::{Args as ClapArgs, Subcommand};

pub(super) use subject::{names, scheme};

/// Exit code: the audit log has been changed.
pub const BROKEN: u8 = 8;

/// Verifies and reads the audit log.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Verify that the log is whole
    Verify(verify::Args),
    /// Print the public keys, for those who verify
    Key(KeyArgs),
    /// Show the last entries
    Tail(tail::Args),
    /// Write entries for other programs
    Export(export::Args),
    /// Copy the log into another store
    Migrate(migrate::Args),
    /// Print the schema of the log's database
    Schema(schema::Args),
    /// Everything that is on record about one citizen
    Subject(subject::Args),
    /// What each grant was used for in a half-year, and how far its quota went
    Usage(usage::Args),
    /// Whom a breach concerns: subjects, fields and counts of a time
    Breach(breach::Args),
    /// Build the index by subject
    Reindex(reindex::Args),
    /// Delete entries past their term
    Prune(prune::Args),
}

#[derive(Debug, ClapArgs)]
struct KeyArgs {
    #[command(flatten)]
    source: source::Source,
}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the log can't be read, or the output can't be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    match &args.command {
        Command::Verify(args) => verify::run(args, out),
        Command::Key(args) => {
            for key in args.source.verifier_keys()? {
                writeln!(out, "{key}")?;
            }
            Ok(0)
        }
        Command::Tail(args) => tail::run(args, out),
        Command::Export(args) => export::run(args, out),
        Command::Migrate(args) => migrate::run(args, out),
        Command::Schema(args) => schema::run(args, out),
        Command::Subject(args) => subject::run(args, out),
        Command::Usage(args) => usage::run(args, out),
        Command::Breach(args) => breach::run(args, out),
        Command::Reindex(args) => reindex::run(args, out),
        Command::Prune(args) => prune::run(args, out),
    }
}

#[cfg(test)]
mod tests;
