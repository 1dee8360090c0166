//! Which log is meant.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;

use crate::audit::store::files;
use crate::audit::store::{OpenError, Reader};
use crate::checkpoint::Keys;
use crate::config::{AuditSettings, AuditStore, Config};

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

    /// The log's directory.
    pub(super) fn directory(&self) -> anyhow::Result<PathBuf> {
        if let Some(directory) = &self.directory {
            return Ok(directory.clone());
        }
        match self.settings()?.store {
            AuditStore::Files { directory, .. } => Ok(directory),
        }
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

    pub(super) fn reader(&self) -> anyhow::Result<Result<Box<dyn Reader>, OpenError>> {
        let read = files::read(&self.directory()?, self.keys()?.as_ref());
        Ok(read.map(|reader| Box::new(reader) as Box<dyn Reader>))
    }
}
