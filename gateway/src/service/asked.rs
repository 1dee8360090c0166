//! Asked: the lines of the audit log in, what quotas have used of today out.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::directory::Directory;
use crate::snapshot::Snapshot;

/// Which of the directory's lists a grant stands in, and where.
#[derive(Clone, Copy)]
enum Granted {
    Record(usize),
    Service(usize),
}

/// Questions asked today before this process started, by grant.
pub(super) struct Asked {
    pub(super) since: Timestamp,
    /// What claims to be later was written under a clock that ran ahead.
    until: Timestamp,
    grants: HashMap<String, (Granted, u64)>,
    day: Date,
}

impl Asked {
    pub(super) fn today(directory: &Directory, zone: &TimeZone, now: Timestamp) -> Self {
        let day = zone.to_datetime(now).date();
        let since = zone.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(now);
        let tomorrow = day.tomorrow().unwrap_or(day);
        let until = zone.to_timestamp(tomorrow.at(0, 0, 0, 0)).unwrap_or(now);
        let records = directory.grants().iter().enumerate();
        let records = records
            .filter(|(_, grant)| grant.daily_quota.is_some())
            .map(|(index, grant)| (grant.id.clone(), (Granted::Record(index), 0)));
        let services = directory.service_grants().iter().enumerate();
        let services = services
            .filter(|(_, grant)| grant.daily_quota.is_some())
            .map(|(index, grant)| (grant.id.clone(), (Granted::Service(index), 0)));
        let grants = records.chain(services).collect();
        Self {
            since,
            until,
            grants,
            day,
        }
    }

    /// Counts the questions of one entry; a streamed result is counted with its lookup.
    pub(super) fn count(&mut self, line: &str) {
        #[derive(Deserialize)]
        struct Line {
            at: Timestamp,
            kind: String,
            #[serde(default)]
            sources: Vec<Source>,
            call: Option<Call>,
        }
        #[derive(Deserialize)]
        struct Call {
            grant: String,
            asked: Option<bool>,
        }
        #[derive(Deserialize)]
        struct Source {
            #[serde(default)]
            grants: Vec<String>,
        }
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            return;
        };
        if !(self.since..self.until).contains(&line.at)
            || matches!(line.kind.as_str(), "result" | "call_opened")
        {
            return;
        }
        let calls = line.call.iter().filter(|call| call.asked != Some(false));
        let calls = calls.map(|call| &call.grant);
        let records = line.sources.iter().flat_map(|source| &source.grants);
        for grant in records.chain(calls) {
            if let Some((_, asked)) = self.grants.get_mut(grant) {
                *asked += 1;
            }
        }
    }

    pub(super) fn recount(&self, snapshot: &Snapshot) {
        for &(grant, asked) in self.grants.values().filter(|(_, asked)| *asked > 0) {
            let admission = &snapshot.admission;
            match grant {
                Granted::Record(grant) => admission.recount(grant, self.day, asked),
                Granted::Service(grant) => admission.recount_calls(grant, self.day, asked),
            }
        }
    }
}
