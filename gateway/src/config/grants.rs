//! Grants: the directory of signed files and the operator's narrowings in, the directory's grants
//! out. Names each file that doesn't count, why, and who can mend it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::directory::{Entries, Surroundings, convert};
use super::document::{Keys, Report, Section};
use super::finding::{Severity, Text};
use super::unsigned::{self, purposes};
use super::{file, files, material, services};
use crate::directory::{Grant, Member, ServiceGrant};
use crate::grants::{EXTENSION, Granted, MAX_BYTES, Narrowing, admit, narrow};

/// Most grants that a directory may hold.
const MAX_FILES: usize = 4_096;

/// Where a grant comes from.
pub(super) enum Origin<'a> {
    /// An entry of the configuration's file.
    Entry(&'a Keys),
    /// A signed file.
    File(PathBuf),
}

impl Origin<'_> {
    pub(super) fn error(&self, key: &str, message: String, remedy: String, out: &mut Report) {
        match self {
            Self::Entry(at) => out.error(at, key, message, remedy),
            Self::File(path) => out.push(finding(Severity::Error, path, message, remedy)),
        }
    }
}

/// A finding about a file of a grant, of which nothing is shown.
pub(super) fn finding(
    severity: Severity,
    path: &Path,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> super::Finding {
    Text::bare(path, "").finding(severity, 0..0, "grants_dir", message, remedy)
}

/// The grants that count, each with where it comes from.
#[derive(Default)]
pub(super) struct Granting<'a> {
    pub(super) grants: Vec<Grant>,
    pub(super) origins: Vec<Origin<'a>>,
    pub(super) service_grants: Vec<ServiceGrant>,
    pub(super) service_origins: Vec<Origin<'a>>,
    /// Whether every entry and file could be read.
    pub(super) all: bool,
}

/// Reads the entries and, with the members whose keys may have signed them, the files.
pub(super) fn read<'a>(
    entries: &'a Entries,
    members: Option<&Vec<Member>>,
    around: &Surroundings<'_>,
    out: &mut Report,
) -> Granting<'a> {
    refuse_unsigned(entries, out);
    let (records, record_keys) = convert(&entries.grants, unsigned::grant, out);
    let (calls, call_keys) = convert(&entries.service_grants, services::grant, out);
    let all = records.len() == entries.grants.len() && calls.len() == entries.service_grants.len();
    let records = records.into_iter().map(Granted::Record);
    let calls = calls.into_iter().map(Granted::Service);
    let keys = record_keys.into_iter().chain(call_keys);
    let origins = keys.map(Origin::Entry);
    let mut granted: Vec<(Granted, Origin<'a>)> = records.chain(calls).zip(origins).collect();
    if let (Some(dir), Some(members)) = (&entries.grants_dir, members) {
        let signed = signed(dir, members, around, out);
        granted.extend(
            signed
                .into_iter()
                .map(|(it, path)| (it, Origin::File(path))),
        );
    }
    narrow_all(&entries.narrowings, &mut granted, out);
    let mut read = Granting {
        all,
        ..Granting::default()
    };
    for (granted, origin) in granted {
        match granted {
            Granted::Record(grant) => {
                read.grants.push(grant);
                read.origins.push(origin);
            }
            Granted::Service(grant) => {
                read.service_grants.push(grant);
                read.service_origins.push(origin);
            }
        }
    }
    read
}

fn refuse_unsigned(entries: &Entries, out: &mut Report) {
    if entries.unsigned != Some(false) {
        return;
    }
    let first = entries.grants.iter().flatten().map(|it| &it.at).next();
    let calls = entries.service_grants.iter().flatten();
    for at in [first, calls.map(|it| &it.at).next()].into_iter().flatten() {
        let message = "an operator can't grant what an agency owns";
        let remedy = "let the agency sign it with `loket grant sign` and put the file into \
                      grants_dir; for development, danger_unsigned_grants = true under [gateway]";
        out.error(at, "grant_id", message, remedy);
    }
}

/// The grants of a directory, in the order of their names.
fn signed(
    dir: &Section<String>,
    members: &[Member],
    around: &Surroundings<'_>,
    out: &mut Report,
) -> Vec<(Granted, PathBuf)> {
    let key = "grants_dir";
    let Some(path) = material::path(&dir.at, key, &dir.raw, around.base, out) else {
        return Vec::new();
    };
    let found = match files::within(&path) {
        Ok(found) => found,
        Err(error) => {
            let message = format!("{} can't be read: {}", path.display(), error.kind());
            let remedy = "name the directory of the agencies' signed grants";
            out.error(&dir.at, key, message, remedy);
            return Vec::new();
        }
    };
    if found.len() > MAX_FILES {
        let message = format!("{} holds more than {MAX_FILES} files", path.display());
        out.error(&dir.at, key, message, "take out grants that have ended");
        return Vec::new();
    }
    let mut granted = Vec::with_capacity(found.len());
    for path in found {
        match one(&path, members, around) {
            Ok(grant) => granted.push((grant, path)),
            Err((message, remedy)) => {
                out.push(finding(Severity::Error, &path, message, remedy));
            }
        }
    }
    granted
}

fn one(
    path: &Path,
    members: &[Member],
    around: &Surroundings<'_>,
) -> Result<Granted, (String, &'static str)> {
    let is_grant = path.extension().is_some_and(|it| it == EXTENSION) && path.is_file();
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let Some(stem) = stem.filter(|_| is_grant) else {
        let message = "this isn't a grant, and nothing else belongs here".to_owned();
        return Err((message, "take it out; a grant's file is <grant_id>.jws"));
    };
    let text = bounded(path).map_err(|error| {
        let message = format!("the file can't be read: {}", error.kind());
        (
            message,
            "let the gateway's user read it, as one line of text",
        )
    })?;
    let granted = admit(stem, &text, members, around.zone, around.now);
    granted.map_err(|fault| (fault.to_string(), fault.remedy()))
}

/// One byte and a line's end more than is allowed are enough to tell that it is too long.
fn bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(MAX_BYTES as u64 + 2).read_to_string(&mut text)?;
    Ok(text)
}

fn narrow_all(
    narrowings: &[Option<Section<file::Narrowing>>],
    granted: &mut [(Granted, Origin<'_>)],
    out: &mut Report,
) {
    let mut seen = HashSet::new();
    for section in narrowings.iter().flatten() {
        let Some(narrowing) = narrowing(section, out) else {
            continue;
        };
        let (id, at) = (&section.raw.grant_id, &section.at);
        if !seen.insert(id) {
            let message = format!("the grant {id} is narrowed twice");
            out.error(at, "grant_id", message, "merge the two entries");
            continue;
        }
        // Taking a grant out takes more away than any narrowing, so that stands in no one's way.
        let Some((granted, _)) = granted.iter_mut().find(|(it, _)| it.id() == id) else {
            let message = format!("there is no grant {id} to narrow");
            out.warn(
                at,
                "grant_id",
                message,
                "correct the id, or take the entry out",
            );
            continue;
        };
        for widening in narrow(granted, &narrowing).err().into_iter().flatten() {
            let remedy = "an operator may only narrow; ask the agency to sign a wider grant";
            out.error(at, widening.key, widening.to_string(), remedy);
        }
    }
}

fn narrowing(section: &Section<file::Narrowing>, out: &mut Report) -> Option<Narrowing> {
    let (raw, at) = (&section.raw, &section.at);
    let mut wrong = false;
    let mut say = |key, message, remedy| {
        wrong = true;
        out.error(at, key, message, remedy);
    };
    if raw.reason.trim().is_empty() {
        say(
            "reason",
            "is empty",
            "say why, for the agency and the auditor",
        );
    }
    if raw.fields.as_ref().is_some_and(Vec::is_empty) {
        say("fields", "leaves no field", "write suspended = true");
    }
    if raw.daily_quota == Some(0) {
        say(
            "daily_quota",
            "is 0, which lets nothing through",
            "write suspended = true",
        );
    }
    let nothing = raw.fields.is_none()
        && raw.purposes.is_none()
        && raw.daily_quota.is_none()
        && raw.valid_to.is_none()
        && !raw.suspended;
    if nothing {
        let remedy = "add fields, purposes, daily_quota, valid_to or suspended = true";
        say("grant_id", "narrows nothing", remedy);
    }
    let purposes = raw.purposes.as_ref().map(|raw| {
        let purposes = purposes(raw, at, out);
        wrong |= purposes.len() != raw.len();
        purposes
    });
    if wrong {
        return None;
    }
    Some(Narrowing {
        fields: raw
            .fields
            .clone()
            .map(|fields| fields.into_iter().collect()),
        purposes,
        daily_quota: raw.daily_quota,
        valid_to: raw.valid_to.map(|day| day.0),
        suspended: raw.suspended,
        reason: raw.reason.clone(),
    })
}
