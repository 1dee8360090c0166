//! Asked: the lines of the audit log in, what quotas have used of today out.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use uuid::Uuid;

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
    /// Calls whose opening was counted and whose end hasn't come.
    open: HashSet<Uuid>,
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
            open: HashSet::new(),
            day,
        }
    }

    /// Counts the questions of one entry; a streamed result is counted with its lookup, an answer
    /// that was given again with its first, a call that
    /// has two entries by the first, which is all there is when the process ended before the call.
    pub(super) fn count(&mut self, line: &str) {
        #[derive(Deserialize)]
        struct Line {
            at: Timestamp,
            clock: Option<Timestamp>,
            kind: String,
            request_id: Option<Uuid>,
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
        if !(self.since..self.until).contains(&line.clock.unwrap_or(line.at))
            || matches!(line.kind.as_str(), "result" | "replay")
        {
            return;
        }
        let is_counted = match line.request_id {
            Some(id) if line.kind == "call_opened" => !self.open.insert(id),
            Some(id) => self.open.remove(&id),
            None => false,
        };
        let calls = line.call.iter();
        let calls = calls.filter(|call| !is_counted && call.asked != Some(false));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::{now, services, town};

    /// `kind request grant asked`, one entry a line; how many calls each grant has then used.
    fn count(entries: &[&str]) -> [u64; 2] {
        let mut parts = services::with_calls(town::parts());
        for grant in &mut parts.service_grants {
            grant.daily_quota = Some(10);
        }
        let directory = Directory::new(parts).unwrap();
        let mut asked = Asked::today(&directory, &town::zone(), now());
        for entry in entries {
            let [kind, request, grant, sent] = entry.split(' ').collect::<Vec<_>>()[..] else {
                panic!("four words: {entry}");
            };
            let id = format!("0192f0c4-7d1a-7e55-9b61-00000000000{request}");
            let call = json!({"grant": grant, "asked": sent == "asked"});
            let entry = json!({"at": now(), "kind": kind, "request_id": id, "call": call});
            asked.count(&entry.to_string());
        }
        ["S-001", "S-002"].map(|grant| asked.grants[grant].1)
    }

    #[test]
    fn a_call_counts_once_if_it_may_have_been_seen() {
        let whole = ["call 1 S-001 asked", "call 2 S-002 asked"];
        assert_eq!(count(&whole), [1, 1]);
        let unasked = ["refusal 1 S-001 unasked", "refusal 2 S-001 asked"];
        assert_eq!(count(&unasked), [1, 0]);
        let opened = ["call_opened 1 S-001 asked", "call_opened 2 S-001 asked"];
        let ended = ["call 2 S-001 asked", "abandoned 1 S-001 asked"];
        assert_eq!(count(&[opened, ended].concat()), [2, 0]);
    }

    /// The process ended before the call did.
    #[test]
    fn a_call_that_was_open_when_the_process_ended_counts() {
        assert_eq!(count(&["call_opened 1 S-001 asked"]), [1, 0]);
    }

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
