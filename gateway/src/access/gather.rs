//! Gather: a citizen's references in, the entries that they may be told of out.

use std::collections::HashSet;
use std::ops::ControlFlow;

use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::ids::{AgencyId, CaseId, MemberId};
use loket_sdk::message::{LegalBasis, Outcome, Purpose, Reason, RecordRef};
use serde::Deserialize;

use crate::audit::Audit;
use crate::audit::reads::Caller;
use crate::audit::store::Found;
use crate::refusal::Refusal;

/// Entries that one page tells of.
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
    /// Number of the last of them, when there are more.
    pub(super) next: Option<u64>,
}

/// What is read of an entry.
#[derive(Debug, Deserialize)]
pub(super) struct Line {
    #[serde(skip)]
    pub(super) entry: u64,
    pub(super) at: Timestamp,
    pub(super) kind: String,
    pub(super) member: Option<MemberId>,
    pub(super) counter: Option<String>,
    pub(super) purpose: Option<Purpose>,
    pub(super) legal_basis: Option<LegalBasis>,
    pub(super) case_id: Option<CaseId>,
    pub(super) visibility: Option<String>,
    pub(super) deferred_to: Option<Date>,
    #[serde(default)]
    pub(super) sources: Vec<Asked>,
    /// Entries that say nothing that this one doesn't.
    #[serde(default)]
    parts: Vec<u64>,
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

    /// Whether the citizen may be told of it by now.
    fn is_told(&self, today: Date) -> bool {
        match (self.visibility.as_deref(), self.deferred_to) {
            (None | Some("now"), _) => true,
            (Some("deferred"), Some(day)) => day <= today,
            _ => false,
        }
    }

    /// Whether it holds all of its lookup, so that its parts say nothing more.
    fn is_whole(&self) -> bool {
        self.kind == "lookup" || self.kind == "abandoned"
    }
}

/// Reads one page of the log; it blocks. It goes on past what isn't told, so that neither the length of a
/// page nor where it ends says that there is such an entry.
pub(super) fn gather(audit: &Audit, wanted: &Wanted, caller: &Caller) -> Result<Gathered, Refusal> {
    let reader = audit.log().reader();
    let since = |moment: Option<Timestamp>| moment.map(|moment| reader.since(moment)).transpose();
    let from = since(wanted.from)?.unwrap_or(0);
    let before = wanted
        .before
        .map_or(u64::MAX, |entry| entry.saturating_sub(1));
    let to = since(wanted.to)?.map_or(before, |to| to.min(before));
    let mut gathered = Gathered::default();
    let mut wholes = Wholes::before(to);
    let mut take = |found: Found| {
        let line = Line::read(&found)?;
        if wholes.say_all_of(&line, audit, wanted, caller)? || !line.is_told(wanted.today) {
            return Ok(ControlFlow::Continue(()));
        }
        if gathered.told.len() == PAGE {
            gathered.next = gathered.told.last().map(|line| line.entry);
            return Ok(ControlFlow::Break(()));
        }
        gathered.told.push(line);
        Ok(ControlFlow::Continue(()))
    };
    let mut refused = None;
    audit.each_of_subject(&wanted.references, from..to, caller, &mut |found| {
        take(found).unwrap_or_else(|refusal| {
            refused = Some(refusal);
            ControlFlow::Break(())
        })
    })?;
    refused.map_or(Ok(gathered), Err)
}

/// The parts of which the whole is on record, as far as that is known going back. The whole names them:
/// any other entry, as one with the same trace, of which the caller chooses the id, says nothing of them.
struct Wholes {
    known: HashSet<u64>,
    /// Where the page begins, until what comes just after it was read.
    begins: Option<u64>,
}

impl Wholes {
    fn before(place: u64) -> Self {
        Self {
            known: HashSet::new(),
            begins: Some(place).filter(|place| *place != u64::MAX),
        }
    }

    /// Whether another entry says all that this one does.
    fn say_all_of(
        &mut self,
        line: &Line,
        audit: &Audit,
        wanted: &Wanted,
        caller: &Caller,
    ) -> Result<bool, Refusal> {
        self.hear_of(line);
        if line.kind != "result" {
            return Ok(false);
        }
        if !self.known.contains(&line.entry)
            && let Some(begins) = self.begins.take()
        {
            // The whole may stand on the page before this one.
            let places = begins..begins.saturating_add(NEAR);
            let near = audit.of_subject(&wanted.references, places, PAGE, caller)?;
            for found in &near {
                self.hear_of(&Line::read(found)?);
            }
        }
        Ok(self.known.contains(&line.entry))
    }

    fn hear_of(&mut self, line: &Line) {
        if line.is_whole() {
            self.known.extend(&line.parts);
        }
    }
}
