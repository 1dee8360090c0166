//! Found: the database in, the log for those who only read it out.

use std::io;
use std::sync::Arc;

use super::reading::Reading;
use super::worker::Worker;
use crate::audit::store::{OpenError, ReadError, Reader};
use crate::checkpoint::Keys;
use crate::config::Database;

/// A log in a database, for those who only read it.
#[derive(Debug, Clone)]
pub struct Found(Arc<Reading>);

impl Found {
    /// The log in this database, also while gateways write to it. Its newest checkpoint is believed under
    /// these keys; without any, whoever reads looks at who signed it.
    ///
    /// # Errors
    /// When it can't be reached, or isn't believed.
    pub fn read(database: &Database, keys: Option<&Keys>) -> Result<Self, OpenError> {
        let worker = Arc::new(Worker::start().map_err(OpenError::Thread)?);
        let reading = Reading::of(worker, Arc::new(database.clone()), keys.cloned());
        reading.checkpoint()?;
        Ok(Self(Arc::new(reading)))
    }

    /// Finds out whether entries were cut off that a kept checkpoint holds.
    ///
    /// # Errors
    /// [`ReadError::Broken`].
    pub fn is_all_there(&self) -> Result<(), ReadError> {
        self.0.is_all_there(0)
    }

    /// What is in it.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn Reader> {
        self.0.clone()
    }

    /// Every signed checkpoint, in order.
    pub fn checkpoints(&self) -> impl Iterator<Item = io::Result<Vec<u8>>> + use<> {
        let reading = self.0.clone();
        let mut after = 0;
        let next = move || match reading.checkpoints_after(after) {
            Ok(notes) => {
                after = notes.last().map(|(size, _)| *size)?;
                Some(notes.into_iter().map(|(_, note)| Ok(note)).collect())
            }
            Err(error) => {
                // No checkpoint is of more.
                after = i64::MAX;
                Some(vec![Err(error)])
            }
        };
        std::iter::from_fn(next).flat_map(|notes: Vec<_>| notes)
    }
}
