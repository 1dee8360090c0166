//! Which log is meant.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;

use crate::audit::store::files;
use crate::audit::store::postgres::Found;
use crate::audit::store::{OpenError, Reader};
use crate::audit::verify::{Asked, Verified, Violation, verify_in, verify_with};
use crate::checkpoint::Keys;
use crate::config::{AuditSettings, AuditStore, Config, Database};

#[derive(Debug, ClapArgs)]
pub(super) struct Source {
    /// Configuration file
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    pub(super) config: PathBuf,
    /// Directory of the log, or of a copy, instead of what the configuration names
    #[arg(long)]
    pub(super) directory: Option<PathBuf>,
    /// Public key of the log, as `loket audit key` prints it; may be repeated
    #[arg(long = "key", value_name = "NAME+ID+KEY")]
    pub(super) keys: Vec<String>,
}

impl Source {
    fn settings(&self) -> anyhow::Result<AuditSettings> {
        let config = Config::load(&self.config).map_err(|errors| {
            let first = errors.errors.first();
            let first = first.map(|first| format!("{}: {}", first.key, first.message));
            anyhow::anyhow!(
                "{} can't be used ({}); see `loket check`, or name --directory and --key",
                self.config.display(),
                first.unwrap_or_default()
            )
        })?;
        Ok(config.audit)
    }

    pub(super) fn verifier_keys(&self) -> anyhow::Result<Vec<String>> {
        let settings = self.settings()?;
        let signer = settings.signer()?;
        Ok(signer
            .verifier_keys()
            .chain(settings.verifier_keys)
            .collect())
    }

    /// Where the log is.
    pub(super) fn place(&self) -> anyhow::Result<Place> {
        if let Some(directory) = &self.directory {
            return Ok(Place::Directory(directory.clone()));
        }
        Ok(match self.settings()?.store {
            AuditStore::Files { directory, .. } => Place::Directory(directory),
            AuditStore::Postgres(database) => Place::Database(database),
        })
    }

    /// The keys that are given, or those of the configuration unless only a directory is.
    pub(super) fn keys(&self) -> anyhow::Result<Option<Keys>> {
        let Some(first) = self.keys.first() else {
            return match self.directory {
                Some(_) => Ok(None),
                None => Ok(Some(self.settings()?.keys()?)),
            };
        };
        let Some((origin, _)) = first.split_once('+') else {
            bail!("{first:?} isn't a public key (name+id+key)");
        };
        let keys = Keys::new(origin, &self.keys).context("--key")?;
        Ok(Some(keys))
    }

    pub(super) fn reader(&self) -> anyhow::Result<Result<Arc<dyn Reader>, OpenError>> {
        Ok(self.place()?.read(self.keys()?.as_ref()))
    }
}

/// Where a log is.
pub(super) enum Place {
    Directory(PathBuf),
    Database(Database),
}

impl Place {
    /// What is in it, also while a gateway writes to it.
    pub(super) fn read(&self, keys: Option<&Keys>) -> Result<Arc<dyn Reader>, OpenError> {
        Ok(match self {
            Self::Directory(directory) => Arc::new(files::read(directory, keys)?),
            Self::Database(database) => Found::read(database, keys)?.reader(),
        })
    }

    /// About how many entries it has.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Directory(directory) => files::size(directory),
            Self::Database(_) => {
                let checkpoint = self.read(None).ok().and_then(|log| log.checkpoint().ok());
                checkpoint.map_or(0, |checkpoint| checkpoint.size)
            }
        }
    }

    /// Verifies the log there.
    pub(super) fn verify(
        &self,
        asked: Asked<'_>,
        progress: impl FnMut(u64),
    ) -> Result<Verified, Violation> {
        match self {
            Self::Directory(directory) => verify_with(directory, asked, progress),
            Self::Database(database) => verify_in(database, asked, progress),
        }
    }
}
