//! `loket audit prune`: entries past their term in, an entry that says so and nothing of them out.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::audit::draft::Draft;
use crate::audit::index::Index;
use crate::audit::log::to_its_end;
use crate::audit::retention::RetentionError;
use crate::audit::store::{self, Claimed};
use crate::audit::{ActEntry, Asker, retention, subject_key};
use crate::config::{AuditStore, Config, SHORTEST_RETENTION};
use crate::service::grants_known_since;

/// Deletes entries past their term; their hashes stay, so that the log verifies as before.
///
/// A gateway with `retention` in its configuration does so by itself. This is for a log in files whose
/// gateway is stopped, or for one in a database. Whole bundles of 256 entries go, and the entry that says
/// so is durable before. What the next start needs to know of grants stays.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Configuration file
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
    /// Entries before this day of the gateway's time zone, such as 2021-11-24, four days ago at the latest
    #[arg(long, value_name = "DATE")]
    before: Date,
    /// Say what would go, and delete nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the log is in use or broken, or the deletion can't be recorded or done.
pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let config = Config::load(&args.config).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    let before = config.time_zone.to_timestamp(args.before.at(0, 0, 0, 0));
    let before = before.context("--before")?;
    if before > Timestamp::now() - SHORTEST_RETENTION {
        bail!("--before: entries stay for four days at least, since a start reads them back");
    }
    let mut store = store::open(&config.audit).context("the audit log can't be opened")?;
    let (reader, pruner) = (store.reader(), store.pruner());
    let pruner = pruner.context("this audit log can't delete")?;
    let claim = match pruner.claim()? {
        Claimed::Ours(claim) => claim,
        Claimed::Beside(claim, holder) => {
            writeln!(
                out,
                "the lock of those who delete is held by {holder}, who may not: it isn't heeded, and whoever \
                 owns the database has to say why it is held"
            )?;
            claim
        }
        Claimed::Held(holder) => return Err(RetentionError::Held(holder).into()),
    };
    let known = grants_known_since(&*reader, &mut to_its_end)?.unwrap_or(u64::MAX);
    let (mut claim, gone) = retention::planned(&*reader, claim, before, known)?;
    let told = retention::told(&gone, before);
    if args.dry_run {
        match told {
            Some(told) => writeln!(
                out,
                "{} entries would go, those before {}",
                told.entries, told.first
            )?,
            None => writeln!(out, "nothing would go")?,
        }
        return Ok(0);
    }
    if let Some(told) = told {
        let entry = ActEntry::pruned(Asker::Command, told);
        let draft = Draft::of(&entry).context("the entry can't be written")?;
        store
            .append(&[draft])
            .context("that entries are deleted can't be recorded")?;
    }
    // Also with nothing new: what was broken off is gone on with.
    while claim
        .prune(gone.end)
        .context("not all could be deleted; run it again")?
    {}
    if let AuditStore::Files { directory, .. } = &config.audit.store {
        let key = subject_key(config.audit.subject_key.expose());
        Index::new(directory.join("index"), reader, &key)
            .forget()
            .context("the index by subject has entries still; run it again")?;
    }
    match told {
        Some(told) => writeln!(
            out,
            "{} entries are deleted, those before {}; their hashes stay",
            told.entries, told.first
        )?,
        None => writeln!(out, "nothing is past its term by whole bundles")?,
    }
    Ok(0)
}
