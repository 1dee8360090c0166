//! Which entries are meant, and how they are gone through.

use std::io;
use std::ops::ControlFlow;

use clap::Args as ClapArgs;
use jiff::Timestamp;
use serde::Deserialize;

use crate::audit::draft::dated;
use crate::audit::store::{ReadError, Reader};
use crate::audit::verify::text;

#[derive(Debug, Default, ClapArgs)]
pub(super) struct Filter {
    /// Entries from this moment on, such as 2026-11-24T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(super) since: Option<Timestamp>,
    /// Entries before this moment
    #[arg(long, value_name = "TIME")]
    pub(super) until: Option<Timestamp>,
    /// Entries of this member
    #[arg(long)]
    pub(super) member: Option<String>,
    /// Entries with this purpose
    #[arg(long)]
    pub(super) purpose: Option<String>,
    /// Entries of this kind
    #[arg(long)]
    pub(super) kind: Option<String>,
}

/// What a filter asks of an entry. None of it needs escapes.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    kind: Option<&'a str>,
    #[serde(borrow)]
    member: Option<&'a str>,
    #[serde(borrow)]
    purpose: Option<&'a str>,
}

impl Filter {
    fn takes(&self, leaf: &[u8]) -> bool {
        let asked = [&self.kind, &self.member, &self.purpose];
        if asked.iter().all(|asked| asked.is_none()) {
            return true;
        }
        let Ok(Head {
            kind,
            member,
            purpose,
        }) = serde_json::from_slice(leaf)
        else {
            return false;
        };
        let found = [kind, member, purpose];
        let mut both = asked.iter().zip(found);
        both.all(|(asked, found)| asked.is_none() || asked.as_deref() == found)
    }

    /// The first place that may be meant.
    pub(super) fn start(&self, reader: &dyn Reader) -> Result<u64, ReadError> {
        let first = reader.first()?;
        let since = self.since.map_or(Ok(first), |since| reader.since(since))?;
        Ok(since.max(first))
    }

    /// Gives `each` the entries that are meant, from a place on, with their numbers. Where it ended.
    pub(super) fn each(
        &self,
        reader: &dyn Reader,
        from: u64,
        each: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, ReadError> {
        let size = reader.checkpoint()?.size;
        let mut failed = Ok(());
        reader.leaves(from..size.max(from), &mut |place, leaf| {
            if let Some(until) = self.until
                && dated(leaf).is_some_and(|at| at >= until)
            {
                return ControlFlow::Break(());
            }
            if self.takes(leaf)
                && let Some(entry) = text(place, leaf)
            {
                failed = each(&entry);
            }
            match failed {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        })?;
        failed?;
        Ok(size)
    }
}
