//! Meter: what went by of a body: how much, its hash, and how it ended.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{Context, SHA256, digest};
use bytes::Bytes;

use super::passing::Fault;
use crate::audit::{BodySum, hex};

/// Measures a body that another task may be sending.
#[derive(Default)]
pub(super) struct Meter(Mutex<Tally>);

/// What went by so far.
#[derive(Default)]
pub(super) struct Tally {
    bytes: u64,
    /// None before the first byte, as most requests have no body.
    hash: Option<Context>,
    fault: Option<Fault>,
    whole: bool,
}

impl Tally {
    pub(super) fn data(&mut self, data: &Bytes) {
        self.bytes += data.len() as u64;
        let hash = self.hash.get_or_insert_with(|| Context::new(&SHA256));
        hash.update(data);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn whole(&mut self) {
        self.whole = true;
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.fault = Some(fault);
    }

    /// Bytes so far; the hash only of a whole body.
    pub(super) fn sum(&self) -> BodySum {
        BodySum {
            bytes: self.bytes,
            sha256: self.whole.then(|| {
                let digest = match &self.hash {
                    Some(hash) => hash.clone().finish(),
                    None => digest(&SHA256, &[]),
                };
                hex(digest.as_ref())
            }),
        }
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").finish_non_exhaustive()
    }
}

impl Meter {
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why it didn't come to its end; none if it did, or hasn't yet.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.tally().fault
    }

    pub(super) fn sum(&self) -> BodySum {
        self.tally().sum()
    }
}
