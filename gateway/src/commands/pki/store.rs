//! Store: the files of a development CA.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(super) const INDEX_SCHEMA: &str = "loket.pki/1";

/// What the CA did so far.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Index {
    pub(super) schema: String,
    pub(super) trust_domain: String,
    pub(super) crl_number: u64,
    pub(super) crl_days: u32,
    pub(super) issued: Vec<Entry>,
    pub(super) revoked: Vec<Entry>,
}

/// A certificate, and when it was issued or revoked.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) serial: String,
    pub(super) name: String,
    pub(super) at: Timestamp,
}

/// Writes a file that isn't there yet.
pub(in crate::commands) fn create(path: &Path, content: &[u8], mode: u32) -> anyhow::Result<()> {
    let mut options = fs::File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    let write = || options.open(path)?.write_all(content);
    write().with_context(|| format!("can't write {}; nothing is overwritten", path.display()))
}

/// Writes a file whole or not at all.
pub(in crate::commands) fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let new = path.with_extension("new");
    let write = || fs::write(&new, content).and_then(|()| fs::rename(&new, path));
    write().with_context(|| format!("can't write {}", path.display()))
}
