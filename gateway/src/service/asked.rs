//! Asked: the lines of the audit log in, what quotas have used of today out.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;

use crate::directory::Directory;
use crate::snapshot::Snapshot;

/// Questions asked today before this process started, by grant.
pub(super) struct Asked {
    pub(super) since: Timestamp,
    grants: HashMap<String, (usize, u64)>,
    day: Date,
}

impl Asked {
    pub(super) fn today(directory: &Directory, zone: &TimeZone, now: Timestamp) -> Self {
        let day = zone.to_datetime(now).date();
        let since = zone.to_timestamp(day.at(0, 0, 0, 0)).unwrap_or(now);
        let limited = directory
            .grants()
            .iter()
            .enumerate()
            .filter(|(_, g)| g.daily_quota.is_some());
        let grants = limited
            .map(|(index, grant)| (grant.id.clone(), (index, 0)))
            .collect();
        Self { since, grants, day }
    }

    /// Counts the questions of one entry; a streamed result is counted with its lookup.
    pub(super) fn count(&mut self, line: &str) {
        #[derive(Deserialize)]
        struct Line {
            at: Timestamp,
            kind: String,
            #[serde(default)]
            sources: Vec<Source>,
        }
        #[derive(Deserialize)]
        struct Source {
            #[serde(default)]
            grants: Vec<String>,
        }
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            return;
        };
        if line.at < self.since || line.kind == "result" {
            return;
        }
        for grant in line.sources.iter().flat_map(|source| &source.grants) {
            if let Some((_, asked)) = self.grants.get_mut(grant) {
                *asked += 1;
            }
        }
    }

    pub(super) fn recount(&self, snapshot: &Snapshot) {
        for &(grant, asked) in self.grants.values().filter(|(_, asked)| *asked > 0) {
            snapshot.admission.recount(grant, self.day, asked);
        }
    }
}
