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
            clock: Option<Timestamp>,
            kind: String,
            #[serde(default)]
            sources: Vec<Source>,
            call: Option<Call>,
        }
        #[derive(Deserialize)]
        struct Call {
            grant: String,
            outcome: String,
        }
        #[derive(Deserialize)]
        struct Source {
            #[serde(default)]
            grants: Vec<String>,
        }
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            return;
        };
        if !(self.since..self.until).contains(&line.clock.unwrap_or(line.at))
            || matches!(line.kind.as_str(), "result" | "call_opened")
        {
            return;
        }
        // A call that never reached its source wasn't counted.
        let call = line
            .call
            .iter()
            .filter(|call| call.outcome != "unavailable");
        let calls = call.map(|call| &call.grant);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::town;

    /// The entries after a clock ran ahead are dated by it, also when it has been set right; what was
    /// asked today counts all the same, and tomorrow it doesn't.
    #[test]
    fn what_was_asked_today_counts_whatever_it_is_dated() {
        let mut parts = town::parts();
        parts.grants[0].daily_quota = Some(5);
        let grant = parts.grants[0].id.clone();
        let directory = Directory::new(parts).unwrap();
        let line = |at: &str, clock: &str| {
            let own = format!(r#""at":"{at}"{clock},"kind":"lookup""#);
            format!(r#"{{{own},"sources":[{{"grants":["{grant}"]}}]}}"#)
        };
        let told = r#","clock":"2026-11-24T05:00:00Z""#;
        for (today, at, clock, expected) in [
            ("2026-11-24", "2026-11-24T05:00:00Z", "", 1),
            ("2026-11-24", "2026-11-25T17:00:00Z", "", 0),
            ("2026-11-24", "2026-11-25T17:00:00Z", told, 1),
            ("2026-11-25", "2026-11-25T05:00:00Z", told, 0),
        ] {
            let now = format!("{today}T06:00:00Z").parse().unwrap();
            let mut asked = Asked::today(&directory, &town::zone(), now);
            asked.count(&line(at, clock));
            assert_eq!(asked.grants[&grant].1, expected, "{today}: {at} {clock}");
        }
    }
}
