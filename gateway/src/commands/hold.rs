//! `loket hold`: a citizen's number on standard input, the file of those whose data is held out.
//!
//! A hold refuses every lookup about the subject that the law doesn't oblige. It is kept by the
//! subject's reference, never by number, and comes into force with the next reload.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args as ClapArgs, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::ids::Scheme;

use super::audit::{names, scheme};
use crate::audit::{subject_key, subject_ref};
use crate::config::{Config, files};

/// What is written down of why: a file number, not a story.
const LONGEST_REASON: usize = 120;

/// Holds a citizen's data, or lets it go.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Hold the data of the citizen whose number is on standard input
    Add(Add),
    /// Let it go
    Lift(Lift),
    /// Show all holds
    List(List),
}

#[derive(Debug, ClapArgs)]
struct Add {
    /// Configuration file, which has to name a `holds_file`
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
    /// Which kind of number it is
    #[arg(long, default_value = "nik", value_parser = scheme)]
    scheme: Scheme,
    /// Why, for people: a file number; no name and no number of the citizen
    #[arg(long)]
    reason: String,
}

#[derive(Debug, ClapArgs)]
struct Lift {
    /// Configuration file
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
    /// Which kind of number it is
    #[arg(long, default_value = "nik", value_parser = scheme)]
    scheme: Scheme,
}

#[derive(Debug, ClapArgs)]
struct List {
    /// Configuration file
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
}

/// Exit code: there is no such hold.
const NOT_FOUND: u8 = 4;

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the configuration is wrong, names no file, or the file can't be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let input = &mut io::stdin().lock();
    match &args.command {
        Command::Add(args) => {
            let (references, today) = references(&args.config, args.scheme, input)?;
            add(&file(&args.config)?, &references, &args.reason, today, out)
        }
        Command::Lift(args) => {
            let (references, _) = references(&args.config, args.scheme, input)?;
            lift(&file(&args.config)?, &references, out)
        }
        Command::List(args) => list(&file(&args.config)?, out),
    }
}

/// The citizen's reference under each scheme that a lookup may name them by, theirs first; and today.
fn references(
    config: &Path,
    scheme: Scheme,
    input: &mut dyn BufRead,
) -> anyhow::Result<(Vec<String>, Date)> {
    let names = names(scheme, input)?;
    let config = Config::load(config).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    let key = subject_key(config.audit.subject_key.expose());
    let references = names.iter().map(|name| subject_ref(&key, name));
    let today = config.time_zone.to_datetime(Timestamp::now()).date();
    Ok((references.collect(), today))
}

fn file(config: &Path) -> anyhow::Result<PathBuf> {
    files::holds(config).context("the configuration names no holds_file")
}

/// The reference of a line, if it has one.
fn reference(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

fn add(
    file: &Path,
    references: &[String],
    reason: &str,
    today: Date,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    let reason = reason.trim();
    let is_plain = !reason.is_empty()
        && reason.chars().count() <= LONGEST_REASON
        && !reason.contains(|letter: char| letter.is_control());
    anyhow::ensure!(
        is_plain,
        "write the reason on one line of at most {LONGEST_REASON} letters"
    );
    change(file, |text| {
        let is_held = |line: &str| references.iter().any(|it| it == reference(line));
        if text.lines().any(is_held) {
            return None;
        }
        let reference = references.first()?;
        let break_ = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        Some(format!("{text}{break_}{reference} # {today} {reason}\n"))
    })
    .and_then(|changed| match changed {
        true => told("the citizen's data will be held", out),
        false => {
            writeln!(out, "the citizen's data is held already")?;
            Ok(0)
        }
    })
}

fn lift(file: &Path, references: &[String], out: &mut dyn Write) -> anyhow::Result<u8> {
    let changed = change(file, |text| {
        let kept: String = text
            .split_inclusive('\n')
            .filter(|line| references.iter().all(|it| it != reference(line)))
            .collect();
        (kept != text).then_some(kept)
    })?;
    match changed {
        true => told("the hold will be lifted", out),
        false => {
            writeln!(out, "there is no hold on this citizen's data")?;
            Ok(NOT_FOUND)
        }
    }
}

fn told(what: &str, out: &mut dyn Write) -> anyhow::Result<u8> {
    writeln!(
        out,
        "{what} once the configuration is reloaded: at once by SIGHUP or POST /reload on the \
         operators' listener, within seconds where [reload] watches files"
    )?;
    Ok(0)
}

fn list(file: &Path, out: &mut dyn Write) -> anyhow::Result<u8> {
    let text = read(file)?;
    for line in text.lines().filter(|line| !reference(line).is_empty()) {
        writeln!(out, "{line}")?;
    }
    Ok(0)
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))
}

/// Replaces the file as a whole, by one change at a time; whether there was anything to change.
fn change(file: &Path, to: impl FnOnce(&str) -> Option<String>) -> anyhow::Result<bool> {
    let half = file.with_extension("new");
    // That it is there is the lock.
    let new = OpenOptions::new().write(true).create_new(true).open(&half);
    let mut new = new.with_context(|| {
        let half = half.display();
        format!("can't make {half}: another change is under way, or was broken off and left it")
    })?;
    let changed = read(file).and_then(|text| {
        let Some(text) = to(&text) else {
            return Ok(false);
        };
        new.set_permissions(fs::metadata(file)?.permissions())?;
        new.write_all(text.as_bytes())?;
        new.sync_all()?;
        fs::rename(&half, file)?;
        Ok(true)
    });
    if !matches!(changed, Ok(true)) {
        // Nothing came of it, so nobody misses it.
        let _ = fs::remove_file(&half);
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(run: impl FnOnce(&mut dyn Write) -> anyhow::Result<u8>) -> (u8, String) {
        let mut out = Vec::new();
        let code = run(&mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_hold_is_added_shown_and_lifted() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("holds.txt");
        fs::write(&file, "# Holds of the mall").unwrap();
        let now = jiff::civil::date(2026, 11, 24);
        let of = |n: u8| ["a", "b"].map(|scheme| format!("{scheme}{n}").repeat(32));
        for n in [1, 2] {
            let (code, said) = said(|out| add(&file, &of(n), "Perkara 12/2026", now, out));
            assert_eq!(code, 0);
            assert!(said.contains("reload"), "{said}");
        }
        let again = said(|out| add(&file, &of(1), "twice", now, out));
        assert_eq!(
            again,
            (0, "the citizen's data is held already\n".to_owned())
        );
        let line = |n: u8| format!("{} # 2026-11-24 Perkara 12/2026\n", of(n)[0]);
        let both = line(1) + &line(2);
        assert_eq!(said(|out| list(&file, out)), (0, both.clone()));
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            format!("# Holds of the mall\n{both}")
        );
        assert_eq!(said(|out| lift(&file, &of(1), out)).0, 0);
        assert_eq!(said(|out| lift(&file, &of(1), out)).0, NOT_FOUND);
        assert_eq!(said(|out| list(&file, out)).1, line(2));
        assert!(add(&file, &of(3), "two\nlines", now, &mut Vec::new()).is_err());
        // One change at a time.
        fs::write(directory.path().join("holds.new"), "").unwrap();
        assert!(lift(&file, &of(2), &mut Vec::new()).is_err());
    }
}
