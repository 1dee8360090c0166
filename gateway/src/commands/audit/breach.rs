//! `loket audit breach`: a time in, whom what was given then concerns out.
//!
//! UU 27/2022 art. 46 gives three days to tell the subjects and the authority. Subjects are named by
//! their references; whoever holds the numbers finds theirs with `loket audit subject`.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::entry::Entry;
use super::opened::Opened;
use crate::audit::store::Reader;
use crate::commands::rows::{Output, Rows};

/// Lists whom a breach concerns: subjects, the fields of them that were given, and how often.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Configuration file
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
    /// Its beginning, such as 2026-11-24T03:00:00Z
    #[arg(long)]
    from: Timestamp,
    /// Its end
    #[arg(long)]
    to: Timestamp,
    /// Only what this member asked
    #[arg(long)]
    member: Option<String>,
    /// Only what this clerk asked, as the member named them
    #[arg(long)]
    clerk: Option<String>,
    /// For people or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What was given about one subject.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Concerned {
    pub(super) lookups: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    pub(super) members: BTreeSet<String>,
    pub(super) clerks: BTreeSet<String>,
    /// `record:field`.
    pub(super) given: BTreeMap<String, u64>,
    /// `record:field`.
    pub(super) verified: BTreeMap<String, u64>,
}

/// All of a breach.
#[derive(Debug, Default)]
pub(super) struct Breach {
    pub(super) subjects: BTreeMap<String, Concerned>,
    /// Routed calls, which name no subject: `agency/service` and how many were answered.
    pub(super) calls: BTreeMap<String, u64>,
}

/// Of whom something is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    pub(super) member: Option<&'a str>,
    pub(super) clerk: Option<&'a str>,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let opened = Opened::open(&args.config)?;
    let of = Of {
        from: args.from,
        to: args.to,
        member: args.member.as_deref(),
        clerk: args.clerk.as_deref(),
    };
    let breach = gather(&*opened.reader, of)?;
    rows(&breach).write(args.output, out)?;
    if args.output == Output::Table {
        let fields = breach
            .subjects
            .values()
            .flat_map(|subject| subject.given.keys());
        let fields: BTreeSet<&String> = fields.collect();
        writeln!(
            out,
            "{} subjects, {} fields given: {}",
            breach.subjects.len(),
            fields.len(),
            fields.into_iter().cloned().collect::<Vec<_>>().join(", ")
        )?;
        for (service, calls) in &breach.calls {
            writeln!(
                out,
                "{calls} routed calls of {service} were answered; the log doesn't know about whom, its agency does"
            )?;
        }
    }
    Ok(0)
}

pub(super) fn gather(reader: &dyn Reader, of: Of<'_>) -> anyhow::Result<Breach> {
    let places = reader.since(of.from)?..reader.since(of.to)?;
    let mut breach = Breach::default();
    // A stream's results, until the whole comes that says the same.
    let mut parts = HashMap::new();
    let mut unread = None;
    reader.leaves(places, &mut |place, leaf| {
        let Ok(entry) = Entry::read(leaf) else {
            unread = Some(place + 1);
            return ControlFlow::Break(());
        };
        let is_of = |wanted: Option<&str>, is: &Option<String>| {
            wanted.is_none_or(|wanted| is.as_deref() == Some(wanted))
        };
        if is_of(of.member, &entry.member) && is_of(of.clerk, &entry.clerk) {
            match entry.kind.as_str() {
                "result" => {
                    parts.insert(place + 1, entry);
                }
                _ => {
                    entry.parts.iter().for_each(|part| {
                        parts.remove(part);
                    });
                    breach.add(&entry);
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    parts.values().for_each(|part| breach.add(part));
    match unread {
        None => Ok(breach),
        Some(entry) => anyhow::bail!("entry {entry} can't be read"),
    }
}

impl Breach {
    fn add(&mut self, entry: &Entry) {
        if let Some(call) = entry.call.as_ref().filter(|_| entry.kind == "call") {
            let service = format!("{}/{}", call.agency, call.service);
            *self.calls.entry(service).or_default() += 1;
        }
        let Some(reference) = &entry.subject_ref else {
            return;
        };
        let fields = entry.sources.iter();
        if fields
            .clone()
            .all(|it| it.fields.is_empty() && it.claims.is_empty())
        {
            return;
        }
        let mut seen = HashSet::new();
        let subject = self.subjects.entry(reference.clone()).or_default();
        subject.first = Some(subject.first.map_or(entry.at, |at| at.min(entry.at)));
        subject.last = subject.last.max(Some(entry.at));
        subject.members.extend(entry.member.clone());
        subject.clerks.extend(entry.clerk.clone());
        for source in fields {
            for (was_given, names, counts) in [
                (true, &source.fields, &mut subject.given),
                (false, &source.claims, &mut subject.verified),
            ] {
                for name in names {
                    let name = format!("{}:{name}", source.record);
                    // Two agencies may have given the same.
                    if seen.insert((was_given, name.clone())) {
                        *counts.entry(name).or_default() += 1;
                    }
                }
            }
        }
        subject.lookups += 1;
    }
}

pub(super) fn rows(breach: &Breach) -> Rows {
    let mut rows = Rows::new(vec![
        "subject_ref",
        "lookups",
        "first",
        "last",
        "members",
        "clerks",
        "given",
        "verified",
    ]);
    let counts = |counts: &BTreeMap<String, u64>| -> Value {
        let counts = counts.iter().map(|(name, count)| format!("{name}={count}"));
        json!(counts.collect::<Vec<_>>())
    };
    for (reference, subject) in &breach.subjects {
        rows.push(vec![
            json!(reference),
            json!(subject.lookups),
            json!(subject.first),
            json!(subject.last),
            json!(subject.members),
            json!(subject.clerks),
            counts(&subject.given),
            counts(&subject.verified),
        ]);
    }
    rows
}
