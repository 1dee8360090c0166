//! Replay: the table of the same name in, what is kept of answers and where out.

use std::path::{Path, PathBuf};

use super::document::{Report, Section};
use super::value::number;
use super::{AuditSettings, AuditStore, file, material};

/// Answers that are kept to be given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaySettings {
    /// Their directory, of this gateway alone.
    pub directory: PathBuf,
    /// Bytes of answers at most; the oldest go first.
    pub max_bytes: u64,
    /// Ids at most; the oldest go first.
    pub max_entries: usize,
    /// Whether the answers of callers without a key aren't kept.
    pub require_key: bool,
}

impl ReplaySettings {
    /// The defaults, at a directory.
    #[must_use]
    pub fn at(directory: PathBuf) -> Self {
        Self {
            directory,
            max_bytes: 1 << 30,
            max_entries: 1_000_000,
            require_key: false,
        }
    }
}

/// Nothing when it is turned off, or nobody can say where answers are to be kept.
pub(super) fn read(
    section: &Section<file::Replay>,
    audit: Option<&AuditSettings>,
    base: &Path,
    out: &mut Report,
) -> Option<ReplaySettings> {
    let (raw, at) = (&section.raw, &section.at);
    let directory = match &raw.directory {
        Some(text) => material::path(at, "directory", text, base, out),
        None => audit.and_then(|audit| beside(&audit.store)),
    };
    if directory.is_none() && raw.enabled == Some(true) && audit.is_some() {
        let remedy = "name a directory of this gateway's own; the audit log is in a database";
        out.error(at, "directory", "is missing", remedy);
    }
    let of_audit = audit.is_some_and(|audit| match &audit.store {
        AuditStore::Files { directory: of, .. } => directory.as_ref() == Some(of),
        AuditStore::Postgres(_) => false,
    });
    let is_file = |path: &PathBuf| path.exists() && !path.is_dir();
    if of_audit || directory.as_ref().is_some_and(is_file) {
        out.error(
            at,
            "directory",
            if of_audit {
                "is the audit log's"
            } else {
                "isn't a directory"
            },
            "name a directory of its own",
        );
    }
    let max_mib = number(at, "max_mib", raw.max_mib, 1024, 1, 1 << 20, out);
    let max_entries = number(
        at,
        "max_entries",
        raw.max_entries,
        1_000_000,
        1_000,
        50_000_000,
        out,
    );
    let settings = ReplaySettings {
        directory: directory?,
        max_bytes: max_mib << 20,
        max_entries,
        require_key: raw.require_key.unwrap_or(false),
    };
    raw.enabled.unwrap_or(true).then_some(settings)
}

/// `audit-replay` beside `audit`; a database has no place beside it.
fn beside(audit: &AuditStore) -> Option<PathBuf> {
    match audit {
        AuditStore::Files { directory, .. } => {
            let mut name = directory.file_name().unwrap_or_default().to_owned();
            name.push("-replay");
            Some(directory.with_file_name(name))
        }
        AuditStore::Postgres(_) => None,
    }
}
