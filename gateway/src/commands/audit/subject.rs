//! `loket audit subject`: a citizen's number on standard input, every entry about them out, those too
//! that a citizen isn't told of.

use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;

use clap::Args as ClapArgs;
use loket_sdk::ids::Scheme;
use loket_sdk::message::{Subject, SubjectKey};
use loket_sdk::sensitive::Sensitive;
use serde_json::json;

use super::entry::Entry;
use super::opened::Opened;
use crate::audit::reads::Caller;
use crate::audit::store::newest;
use crate::audit::{subject_key, subject_ref};
use crate::commands::rows::{Output, Rows};
use crate::validate;

/// Reads what is on record about one citizen, newest first, for whoever answers for the log.
///
/// The number is read from standard input, so that it stands in no history and no list of processes.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Configuration file
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
    /// Which kind of number it is
    #[arg(long, default_value = "nik", value_parser = scheme)]
    scheme: Scheme,
    /// Entries at most
    #[arg(long, default_value_t = 500)]
    limit: usize,
    /// For people or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(crate) fn scheme(word: &str) -> Result<Scheme, String> {
    serde_json::from_value(json!(word)).map_err(|_| "isn't a kind of number".to_owned())
}

/// A number from the first line, under each scheme that the log may have it under. The error is a
/// sentence without it.
pub(crate) fn names(scheme: Scheme, input: &mut dyn BufRead) -> anyhow::Result<Vec<SubjectKey>> {
    let mut line = String::new();
    input.take(256).read_line(&mut line)?;
    let subject = Subject {
        scheme,
        value: Sensitive::new(line.trim().to_owned()),
        presented_as: None,
    };
    let names = validate::names(&subject);
    names.map_err(|_| anyhow::anyhow!("write one {scheme} on the first line of standard input"))
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    read(args, &mut io::stdin().lock(), out)
}

pub(super) fn read(
    args: &Args,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let names = names(args.scheme, input)?;
    let opened = Opened::open(&args.config)?;
    let key = subject_key(opened.config.audit.subject_key.expose());
    let references: Vec<String> = names.iter().map(|name| subject_ref(&key, name)).collect();
    let (all, caller) = (0..u64::MAX, Caller::default());
    let found = match opened.index() {
        Some(index) => {
            index.catch_up(&caller)?;
            index.of_subject(&references, all, args.limit, &caller)?
        }
        None => newest(&*opened.reader, &references, &all, args.limit, &caller)?,
    };
    let mut rows = Rows::new(vec![
        "entry",
        "at",
        "kind",
        "member",
        "system",
        "counter",
        "clerk",
        "case_id",
        "purpose",
        "visibility",
        "sources",
    ]);
    for (place, leaf) in &found {
        let entry = Entry::read(leaf)?;
        let sources = entry.sources.iter().map(|source| {
            let (record, outcome) = (&source.record, &source.outcome);
            let fields: Vec<&str> = source.fields.iter().map(String::as_str).collect();
            let claims: Vec<&str> = source.claims.iter().map(String::as_str).collect();
            let (fields, claims) = (fields.join("+"), claims.join("+"));
            format!("{record}:{outcome}:given={fields}:verified={claims}")
        });
        let sources: Vec<String> = sources.collect();
        rows.push(vec![
            json!(place + 1),
            json!(entry.at),
            json!(entry.kind),
            json!(entry.member),
            json!(entry.system),
            json!(entry.counter),
            json!(entry.clerk),
            json!(entry.case_id),
            json!(entry.purpose),
            json!(entry.visibility.as_deref().unwrap_or("now")),
            json!(sources),
        ]);
    }
    rows.write(args.output, out)?;
    Ok(0)
}
