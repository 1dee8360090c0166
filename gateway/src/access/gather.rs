//! Gather: a citizen's references in, the entries that they may be told of out.

use std::collections::{BTreeSet, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::ids::{AgencyId, CaseId, MemberId};
use loket_sdk::message::{HeldBack, LegalBasis, Outcome, Purpose, Reason, RecordRef};
use serde::Deserialize;

use crate::audit::Audit;
use crate::audit::reads::Caller;
use crate::audit::store::Found;
use crate::refusal::Refusal;

/// Entries of the log that one page is made of.
pub(super) const PAGE: usize = 500;
/// How many entries may come between a part of a lookup and the whole of it: all of a busy
/// gateway's during the longest lookup.
const NEAR: u64 = 65_536;

/// Whose entries, and which of them.
pub(super) struct Wanted {
    pub(super) references: Vec<String>,
    pub(super) from: Option<Timestamp>,
    pub(super) to: Option<Timestamp>,
    pub(super) before: Option<u64>,
    pub(super) today: Date,
}

/// A page of entries.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Those that the citizen may be told of, newest first.
    pub(super) told: Vec<Line>,
    pub(super) held_back: HeldBack,
    pub(super) next: Option<u64>,
}

/// What is read of an entry.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    #[serde(skip)]
    pub(super) entry: u64,
    pub(super) at: Timestamp,
    pub(super) kind: String,
    pub(super) trace_id: String,
    pub(super) member: Option<MemberId>,
    pub(super) counter: Option<String>,
    pub(super) purpose: Option<Purpose>,
    pub(super) legal_basis: Option<LegalBasis>,
    pub(super) case_id: Option<CaseId>,
    pub(super) visibility: Option<String>,
    pub(super) deferred_to: Option<Date>,
    pub(super) ground: Option<String>,
    #[serde(default)]
    pub(super) sources: Vec<Asked>,
}

/// What one source was asked.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) record: RecordRef,
    pub(super) agency: Option<AgencyId>,
    #[serde(default)]
    pub(super) fields: Vec<String>,
    #[serde(default)]
    pub(super) claims: Vec<String>,
    pub(super) outcome: Outcome,
    pub(super) reason: Reason,
}

impl Line {
    fn read((place, leaf): &Found) -> Result<Self, Refusal> {
        let line: Self = serde_json::from_slice(leaf).map_err(|_| {
            // A citizen isn't told less because we can't read what we wrote.
            Refusal::Internal(format!("audit entry {} can't be read", place + 1))
        })?;
        Ok(Self {
            entry: place + 1,
            ..line
        })
    }

    /// Whether it holds all of its lookup, so that the parts before it say nothing more.
    fn is_whole(&self) -> bool {
        self.kind == "lookup" || self.kind == "abandoned"
    }
}

/// Reads one page of the log; it blocks.
pub(super) fn gather(
    audit: &Audit,
    wanted: &Wanted,
    caller: &Caller,
) -> Result<Gathered, Refusal> {
    let mut before = wanted
        .before
        .map_or(u64::MAX, |entry| entry.saturating_sub(1));
    if let Some(to) = wanted.to {
        let since = audit.log().reader().since(to)?;
        before = before.min(since);
    }
    let found = audit.of_subject(&wanted.references, 0..before, PAGE + 1, caller)?;
    let mut gathered = Gathered::default();
    let mut lines = Vec::with_capacity(found.len().min(PAGE));
    for leaf in found.iter().take(PAGE) {
        let line = Line::read(leaf)?;
        if wanted.from.is_some_and(|from| line.at < from) {
            break;
        }
        lines.push(line);
    }
    if found.len() > PAGE && lines.len() == PAGE {
        gathered.next = lines.last().map(|line| line.entry);
    }
    let mut whole: HashSet<String> = HashSet::new();
    whole.extend(
        lines
            .iter()
            .filter(|line| line.is_whole())
            .map(|line| line.trace_id.clone()),
    );
    let is_lone = |line: &&Line| line.kind == "result" && !whole.contains(&line.trace_id);
    if lines.iter().any(|line| is_lone(&line)) && before != u64::MAX {
        // The whole may stand on the page before this one.
        let end = before.saturating_add(NEAR);
        let near = audit.of_subject(&wanted.references, 0..end, PAGE, caller)?;
        for leaf in near.iter().filter(|(place, _)| *place >= before) {
            let line = Line::read(leaf)?;
            whole.extend(line.is_whole().then_some(line.trace_id));
        }
    }
    let mut grounds = BTreeSet::new();
    for line in lines {
        if line.kind == "result" && whole.contains(&line.trace_id) {
            continue;
        }
        let held_back = &mut gathered.held_back;
        match (line.visibility.as_deref(), line.deferred_to) {
            (None | Some("now"), _) => gathered.told.push(line),
            (Some("deferred"), Some(day)) if day <= wanted.today => gathered.told.push(line),
            (Some("deferred"), Some(day)) => {
                held_back.deferred += 1;
                held_back.earliest = Some(held_back.earliest.map_or(day, |first| first.min(day)));
            }
            _ => {
                held_back.withheld += 1;
                grounds.extend(line.ground);
            }
        }
    }
    gathered.held_back.grounds = grounds.into_iter().collect();
    Ok(gathered)
}
