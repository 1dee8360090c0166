//! `loket audit usage`: a half-year of the log in, what each grant was used for out.
//!
//! Questions are counted as quotas count them: a lookup by its own entry, a routed call by its first.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use loket_sdk::message::Outcome;
use serde_json::{Value, json};

use super::entry::Entry;
use super::opened::Opened;
use crate::audit::store::Reader;
use crate::commands::rows::{Output, Rows};
use crate::directory::Directory;

/// Counts what grants were used for, for the report that each agreement asks for twice a year.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Configuration file
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
    /// Which half-year: 2026H1 or 2026H2
    #[arg(long, value_parser = half_year)]
    half_year: HalfYear,
    /// Only this grant
    #[arg(long)]
    grant: Option<String>,
    /// One row a month, or one a day with what was left of the quota
    #[arg(long, value_enum, default_value_t = By::Month)]
    by: By,
    /// For people or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum By {
    /// A grant's month.
    Month,
    /// A grant's day.
    Day,
}

/// Six months.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HalfYear {
    pub(super) first: Date,
    /// The day after it.
    pub(super) end: Date,
}

pub(super) fn half_year(word: &str) -> Result<HalfYear, String> {
    let wrong = || "isn't a half-year such as 2026H2".to_owned();
    let (year, half) = word.split_once(['H', 'h']).ok_or_else(wrong)?;
    let year: i16 = year.parse().map_err(|_| wrong())?;
    if !(2000..9999).contains(&year) {
        return Err(wrong());
    }
    let (first, end) = match half {
        "1" => (date(year, 1, 1), date(year, 7, 1)),
        "2" => (date(year, 7, 1), date(year + 1, 1, 1)),
        _ => return Err(wrong()),
    };
    Ok(HalfYear { first, end })
}

/// What a grant was used for on one day.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Day {
    /// Those that count against the quota.
    pub(super) questions: u64,
    /// By what became of them; calls by their own words.
    pub(super) outcomes: BTreeMap<String, u64>,
}

/// By grant and day.
pub(super) type Days = BTreeMap<(String, Date), Day>;

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let opened = Opened::open(&args.config)?;
    let days = count(&*opened.reader, &opened.config.time_zone, args.half_year)?;
    rows(
        &days,
        &opened.config.directory,
        args.by,
        args.grant.as_deref(),
    )
    .write(args.output, out)?;
    Ok(0)
}

/// Reads the half-year's entries.
pub(super) fn count(reader: &dyn Reader, zone: &TimeZone, half: HalfYear) -> anyhow::Result<Days> {
    let moment =
        |day: Date| -> anyhow::Result<Timestamp> { Ok(zone.to_timestamp(day.at(0, 0, 0, 0))?) };
    let (from, until) = (moment(half.first)?, moment(half.end)?);
    let size = reader.checkpoint()?.size;
    let mut days = Days::new();
    let mut open: HashSet<String> = HashSet::new();
    let mut unread = None;
    // To the end of the log: a clock that ran ahead dates later what was then.
    reader.leaves(reader.since(from)?..size, &mut |place, leaf| {
        let entry = match Entry::read(leaf) {
            Ok(entry) => entry,
            Err(_) => {
                unread = Some(place + 1);
                return ControlFlow::Break(());
            }
        };
        let moment = entry.moment();
        if (from..until).contains(&moment) && entry.kind != "result" {
            let day = zone.to_datetime(moment).date();
            add(&entry, day, &mut days, &mut open);
        }
        ControlFlow::Continue(())
    })?;
    match unread {
        None => Ok(days),
        Some(entry) => anyhow::bail!("entry {entry} can't be read"),
    }
}

fn add(entry: &Entry, day: Date, days: &mut Days, open: &mut HashSet<String>) {
    for source in &entry.sources {
        for grant in &source.grants {
            let counted = days.entry((grant.clone(), day)).or_default();
            counted.questions += u64::from(source.reason != "quota_used_up");
            *counted.outcomes.entry(source.outcome.clone()).or_default() += 1;
        }
    }
    let Some(call) = &entry.call else { return };
    let id = entry.request_id.clone().unwrap_or_default();
    let is_counted = match entry.kind.as_str() {
        "call_opened" => !open.insert(id),
        _ => open.remove(&id),
    };
    let counted = days.entry((call.grant.clone(), day)).or_default();
    counted.questions += u64::from(!is_counted && call.asked != Some(false));
    if entry.kind != "call_opened" {
        *counted.outcomes.entry(call.outcome.clone()).or_default() += 1;
    }
}

/// Who holds the grant, whose data it opens, and its quota; all empty for one that is gone.
fn granted(directory: &Directory, id: &str) -> (Value, Value, Value, Option<u64>) {
    let mut grants = directory.grants().iter();
    if let Some(grant) = grants.find(|grant| grant.id == id) {
        let (consumer, source) = (json!(grant.consumer), json!(grant.source));
        return (consumer, source, json!(grant.record), grant.daily_quota);
    }
    let mut grants = directory.service_grants().iter();
    if let Some(grant) = grants.find(|grant| grant.id == id) {
        let (consumer, agency) = (json!(grant.consumer), json!(grant.agency));
        return (consumer, agency, json!(grant.service), grant.daily_quota);
    }
    (Value::Null, Value::Null, Value::Null, None)
}

/// Calls have outcomes of their own, which stand under the nearest of the lookups'.
const COLUMNS: [(Outcome, &[&str]); 8] = [
    (Outcome::Found, &["found", "answered"]),
    (Outcome::NotFound, &["not_found"]),
    (Outcome::Denied, &["denied"]),
    (Outcome::TimedOut, &["timed_out"]),
    (Outcome::Unavailable, &["unavailable"]),
    (Outcome::Invalid, &["invalid", "cut_short"]),
    (Outcome::Deferred, &["deferred"]),
    (Outcome::NotAttempted, &["not_attempted", "open"]),
];

pub(super) fn rows(days: &Days, directory: &Directory, by: By, only: Option<&str>) -> Rows {
    let mut header = vec!["grant", "consumer", "source", "of"];
    header.push(match by {
        By::Month => "month",
        By::Day => "day",
    });
    header.push("questions");
    header.extend(COLUMNS.iter().map(|(outcome, _)| outcome.as_str()));
    header.push("daily_quota");
    header.extend(match by {
        By::Month => ["days_from_80_percent", "days_used_up"].as_slice(),
        By::Day => &["left"],
    });
    let mut rows = Rows::new(header);
    let mut groups: BTreeMap<(&str, String), Vec<&Day>> = BTreeMap::new();
    for ((grant, day), counted) in days {
        if only.is_none_or(|only| only == grant) {
            let period = match by {
                By::Month => format!("{:04}-{:02}", day.year(), day.month()),
                By::Day => day.to_string(),
            };
            groups.entry((grant, period)).or_default().push(counted);
        }
    }
    for ((grant, period), days) in groups {
        let (consumer, source, of, quota) = granted(directory, grant);
        let questions: u64 = days.iter().map(|day| day.questions).sum();
        let mut row = vec![
            json!(grant),
            consumer,
            source,
            of,
            json!(period),
            json!(questions),
        ];
        for (_, words) in COLUMNS {
            let named = days.iter().flat_map(|day| &day.outcomes);
            let named = named.filter(|(word, _)| words.contains(&word.as_str()));
            row.push(json!(named.map(|(_, count)| count).sum::<u64>()));
        }
        row.push(json!(quota));
        // Against today's quota: what it was then isn't in the log.
        let from = |percent: u128| {
            let quota = quota?;
            let reached =
                |day: &&&Day| u128::from(day.questions) * 100 >= u128::from(quota) * percent;
            Some(days.iter().filter(reached).count())
        };
        match by {
            By::Month => row.extend([json!(from(80)), json!(from(100))]),
            By::Day => row.push(json!(quota.map(|quota| quota.saturating_sub(questions)))),
        }
        rows.push(row);
    }
    rows
}
