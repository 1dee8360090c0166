//! `loket audit schema`: what whoever owns the database runs in it once.

use std::io::Write;

use clap::Args as ClapArgs;

use crate::audit::store::postgres::SCHEMA;

/// Prints the schema of the audit log's database, with the roles of gateways and readers.
///
/// loket audit schema | psql --single-transaction --set ON_ERROR_STOP=1 DATABASE
#[derive(Debug, ClapArgs)]
pub(super) struct Args {}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the output can't be written.
pub(super) fn run(_: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    out.write_all(SCHEMA.as_bytes())?;
    Ok(0)
}
