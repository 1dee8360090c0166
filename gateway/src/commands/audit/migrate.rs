//! `loket audit migrate`: the audit log from one store to another, as it is.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args as ClapArgs;

use super::BROKEN;
use super::progress::Progress;
use super::source::Place;
use crate::audit::store::copy::{CopyError, copy, target};
use crate::audit::store::{self, OpenError};
use crate::audit::verify::{Asked, Violation};
use crate::config::{AuditSettings, AuditStore, Config};

/// Exit code: the configuration is wrong.
const WRONG: u8 = 3;

/// Copies the audit log into another store: from files to a database, or back.
///
/// Stop every gateway that writes to it first. The whole log is verified before anything is copied, and
/// the copy has to have its root: every receipt stays good. The target is empty, or has what an earlier
/// run that was broken off left there.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Configuration whose log is copied
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// Configuration that names the store to copy it to
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When a store can't be opened, read or written.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let (Some(from), Some(to)) = (load(&args.from, out)?, load(&args.to, out)?) else {
        return Ok(WRONG);
    };
    if from.origin != to.origin {
        bail!(
            "the logs have different names, {} and {}: give both one origin",
            from.origin,
            to.origin
        );
    }
    if from.store == to.store {
        bail!("both configurations name the same store");
    }
    match migrate(&from, &to, out) {
        Ok(()) => Ok(0),
        Err(error) if is_broken(&error) => {
            writeln!(out, "{error:#}")?;
            Ok(BROKEN)
        }
        Err(error) => Err(error),
    }
}

fn load(path: &Path, out: &mut dyn Write) -> io::Result<Option<AuditSettings>> {
    match Config::load(path) {
        Ok(config) => Ok(Some(config.audit)),
        Err(errors) => writeln!(out, "{errors}").map(|()| None),
    }
}

fn is_broken(error: &anyhow::Error) -> bool {
    let broken = |cause: &(dyn std::error::Error + 'static)| {
        let opened = cause.downcast_ref::<OpenError>();
        cause.is::<Violation>() || matches!(opened, Some(OpenError::Broken { .. }))
    };
    error.chain().any(broken)
}

fn migrate(from: &AuditSettings, to: &AuditSettings, out: &mut dyn Write) -> anyhow::Result<()> {
    let keys = to.keys().map_err(CopyKeys)?;
    let signer = to.signer().context("the signing keys of the target")?;
    // Held open, so that no gateway writes to the files meanwhile.
    let source = store::open(from).context("the log to be copied")?;
    let mut target = target(to).context("the target")?;
    let total = source.head().tree.size();
    whole(from, total).context("the log to be copied")?;
    let reader = source.reader();
    let mut progress = Progress::of(total);
    let there = copy(&*reader, &mut *target, &signer, &keys, &mut |count| {
        progress.at(count);
    });
    progress.end();
    let there = there?;
    if reader.checkpoint()?.size != there.size {
        // Only a database can be written to by others while it is open here.
        return Err(CopyError::Differs.into());
    }
    writeln!(out, "{} entries copied; root {}", there.size, there.root)?;
    Ok(())
}

#[derive(Debug, thiserror::Error)]
#[error("the verifier keys of the target: {0}")]
struct CopyKeys(crate::checkpoint::NoteError);

/// Whether the log is as it was written. The copy is signed for, so that it has to be.
fn whole(settings: &AuditSettings, total: u64) -> anyhow::Result<()> {
    let keys = settings.keys().map_err(CopyKeys)?;
    let asked = Asked {
        keys: Some(&keys),
        ..Asked::default()
    };
    let place = match settings.store.clone() {
        AuditStore::Files { directory, .. } => Place::Directory(directory),
        AuditStore::Postgres(database) => Place::Database(database),
    };
    let mut progress = Progress::of(total);
    let verified = place.verify(asked, |count| progress.at(count));
    progress.end();
    verified.map(drop).map_err(Into::into)
}
