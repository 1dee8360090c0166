//! `loket break-glass approve`: the number of an entry in, a second person's approval on record out.

use std::io::{self, Write};

use anyhow::Context;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use loket_sdk::client::{self, Error};
use loket_sdk::message::{Approval, Approved};
use serde_json::json;

use super::lookup::arguments::{Gateway, Output};
use super::lookup::{code, voice};

/// Approves lookups that broke the glass.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Approve one, as the second person
    #[command(mut_arg("replay_secret", |arg| arg.hide(true)))]
    Approve(Approve),
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  loket break-glass approve 17 --clerk spv-1 --counter B01

Where the gateway is and who approves: --url, --cert, --key and --ca, or LOKET_URL, LOKET_CERT,
LOKET_KEY and LOKET_CA in the environment.

Exit codes:
  0 on record, late or in time   1 failed   2 usage   4 nothing of yours waits under that number
  5 denied, as to the clerk who asked   7 the gateway didn't answer in time")]
struct Approve {
    /// Number of the entry, which the lookup's answer says
    entry: u64,
    /// Who approves: another clerk than the one who asked
    #[arg(long, env = "LOKET_CLERK")]
    clerk: String,
    /// At which counter
    #[arg(long, env = "LOKET_COUNTER")]
    counter: String,
    /// For people or for programs
    #[arg(long, short, value_enum, default_value_t = Shape::Text)]
    output: Shape,
    #[command(flatten)]
    gateway: Box<Gateway>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    Text,
    Json,
}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the output can't be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    run_with(args, out, &mut io::stderr())
}

fn run_with(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<u8> {
    let Command::Approve(args) = &args.command;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime can't start")?;
    let approval = Approval {
        clerk: args.clerk.clone(),
        counter: args.counter.clone(),
    };
    // Within the runtime, since the connection pool starts a task.
    let approved: client::Result<Approved> =
        runtime.block_on(async { args.gateway.client()?.approve(args.entry, &approval).await });
    match (approved, args.output) {
        (Ok(approved), Shape::Json) => writeln!(out, "{:#}", json!(approved))?,
        (
            Ok(Approved {
                entry,
                late,
                receipt,
                ..
            }),
            Shape::Text,
        ) => {
            let when = if late {
                "late, after 24 hours"
            } else {
                "in time"
            };
            let (own, at) = (receipt.entry, receipt.at);
            writeln!(out, "entry {entry} is approved {when}: entry {own} of {at}")?;
        }
        (Err(error), shape) => {
            let output = match shape {
                Shape::Text => Output::Table,
                Shape::Json => Output::Json,
            };
            voice::failure(&error, output, out, err)?;
            return Ok(match &error {
                Error::Problem { problem, .. } if problem.status == 404 => code::NOT_FOUND,
                other => code::of_error(other),
            });
        }
    }
    Ok(code::COMPLETE)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use loket_sdk::message::Purpose;
    use serde_json::Value;

    use super::*;
    use crate::commands::lookup::tests::town::Town;
    use crate::commands::lookup::tests::{NIK, ran};

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    /// Code, output, what was said.
    fn approve(town: &Town, words: &[&str]) -> (u8, String, String) {
        let file = |name: &str| town.files.path().join(name).display().to_string();
        let given = [
            format!("--url={}", town.url),
            format!("--cert={}", file("dpmptsp-3510-counter-app.pem")),
            format!("--key={}", file("dpmptsp-3510-counter-app.key")),
            format!("--ca={}", file("ca.pem")),
            "--counter=B01".to_owned(),
        ];
        let given = given.iter().map(String::as_str);
        let all = ["break-glass", "approve"].into_iter().chain(given);
        let cli = Cli::try_parse_from(all.chain(words.iter().copied())).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = run_with(&cli.args, &mut out, &mut err).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (code, text(out), text(err))
    }

    const WHY: &str = "An unconscious victim, CONTOH by the papers.";

    #[test]
    fn a_clerk_breaks_the_glass_and_another_approves() {
        let town = Town::start();
        let read = "--record=taxpayer/1=registered_name";
        let args = |more: &[&str]| {
            let mut args = town.args(&[&[read], more].concat());
            args.right.purpose = Purpose::ComplaintHandling;
            args
        };
        let (code, ..) = ran(&args(&[]), NIK);
        assert_eq!(code, code::DENIED);
        let path = town.files.path().join("why");
        std::fs::write(&path, WHY).unwrap();
        let file = format!("--justification={}", path.display());
        let piped = format!("{NIK}\n{WHY}\n");
        let breaking = "--break-glass=threat_to_life";
        let mut entries = Vec::new();
        for (why, input) in [(file.as_str(), NIK), ("--justification=-", &piped)] {
            let args = args(&[breaking, why, "--output=json"]);
            let (code, out, err) = ran(&args, input);
            assert_eq!(code, code::COMPLETE, "{out}{err}");
            let answer: Value = serde_json::from_str(&out).unwrap();
            entries.push(answer["break_glass"]["entry"].as_u64().unwrap().to_string());
            assert!(!format!("{args:?}{out}{err}").contains("CONTOH by"));
        }
        let (code, out, _) = ran(&args(&[breaking, &file]), NIK);
        assert_eq!(code, code::COMPLETE);
        assert!(out.contains("loket break-glass approve"), "{out}");
        let first = entries[0].as_str();
        let (code, _, err) = approve(&town, &[first, "--clerk=clk-7f3a"]);
        assert_eq!(code, code::DENIED, "{err}");
        let (code, out, err) = approve(&town, &[first, "--clerk=spv-1"]);
        assert_eq!((code, err.as_str()), (code::COMPLETE, ""));
        let said = format!("entry {first} is approved in time");
        assert!(out.starts_with(&said), "{out}");
        let (code, ..) = approve(&town, &[first, "--clerk=spv-1"]);
        assert_eq!(code, code::NOT_FOUND);
        let (code, out, _) = approve(&town, &[&entries[1], "--clerk=spv-1", "-o=json"]);
        let approved: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(
            (code, approved["entry"].to_string()),
            (0, entries[1].clone())
        );
        town.leave();
    }

    #[test]
    fn what_happened_must_be_said_and_is_no_argument() {
        let town = Town::start();
        let read = "--record=taxpayer/1=registered_name";
        let breaking = "--break-glass=threat_to_life";
        for (words, input, said) in [
            (&[][..], NIK.to_owned(), "say what happened"),
            (
                &["--justification=-"],
                format!("{NIK}\nin a hurry"),
                "20 to 500",
            ),
            (
                &["--justification=-"],
                format!("{NIK}\n{}", "x".repeat(501)),
                "20 to 500",
            ),
            (
                &["--justification=/nowhere/why"],
                NIK.to_owned(),
                "/nowhere/why",
            ),
        ] {
            let words = [&[read, breaking], words].concat();
            let (code, out, err) = ran(&town.args(&words), &input);
            assert_eq!((code, out.as_str()), (code::USAGE, ""));
            assert!(err.contains(said) && !err.contains("hurry"), "{err}");
        }
        town.leave();
    }
}
