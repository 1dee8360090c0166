//! Opened: a configuration's path in, the configuration and its log to read out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::audit::index::Index;
use crate::audit::store::{Reader, files, postgres};
use crate::audit::subject_key;
use crate::config::{AuditStore, Config};

pub(super) struct Opened {
    pub(super) config: Config,
    pub(super) reader: Arc<dyn Reader>,
    /// Where runs of an index by subject belong, for a store that has none itself.
    index: Option<PathBuf>,
}

impl Opened {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let config = Config::load(path).map_err(|errors| anyhow::anyhow!("{errors}"))?;
        let keys = config.audit.keys().context("the log's keys are none")?;
        match &config.audit.store {
            AuditStore::Files { directory, .. } => {
                let reader = files::read(directory, Some(&keys))?;
                Ok(Self {
                    index: Some(directory.join("index")),
                    reader: Arc::new(reader),
                    config,
                })
            }
            AuditStore::Postgres(database) => {
                let reader = postgres::Found::read(database, Some(&keys))?.reader();
                Ok(Self {
                    index: None,
                    reader,
                    config,
                })
            }
        }
    }

    /// The index by subject, if the store needs one.
    pub(super) fn index(&self) -> Option<Index> {
        let directory = self.index.clone()?;
        let key = subject_key(self.config.audit.subject_key.expose());
        Some(Index::new(directory, self.reader.clone(), &key))
    }
}
