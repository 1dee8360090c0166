//! `loket audit verify`: a log in, whether it is whole out.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args as ClapArgs, ValueEnum};
use serde_json::{Value, json};

use super::BROKEN;
use super::progress::Progress;
use super::source;
use crate::audit::store::Flaw;
use crate::audit::verify::{Asked, Verified, Violation, consistent};

/// Verifies that the log is whole: every entry, every hash above it, every signed checkpoint.
///
/// Exit codes: 0 it is whole, 1 it can't be read, 8 something was altered, removed, added, reordered or
/// dated back; the first such entry is named.
///
/// Whoever has the signing key could have written another log, and whoever has the directory could have
/// put an earlier copy there. Hold it against a checkpoint that was kept elsewhere: --from.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    source: source::Source,
    /// Signed checkpoint that was kept elsewhere, such as a receipt's: the log must hold it, and what
    /// comes after it is verified
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    /// Verify what comes before that checkpoint as well
    #[arg(long, requires = "from")]
    whole: bool,
    /// Whether the log of one signed checkpoint is the beginning of another's, and nothing else
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with = "from")]
    consistent: Option<Vec<PathBuf>>,
    /// For people or for programs
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// One JSON document, `loket.audit-verify/1`.
    Json,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let (place, keys) = (args.source.place()?, args.source.keys()?);
    let signed = keys.is_some();
    if let Some(pair) = &args.consistent {
        let [old, new] = [&pair[0], &pair[1]].map(note);
        let (old, new) = (old?, new?);
        let reader = place.read(keys.as_ref()).map_err(Violation::from);
        let found = reader.and_then(|reader| consistent(&*reader, keys.as_ref(), &old, &new));
        return match found {
            Ok((old, new)) => {
                match args.output {
                    Output::Json => show(out, json!({ "signed": signed, "old": old, "new": new }))?,
                    Output::Text => writeln!(out, "the {old} entries are the first of the {new}")?,
                }
                Ok(0)
            }
            Err(violation) => refuse(args, &violation, out),
        };
    }
    let kept = args.from.as_ref().map(note).transpose()?;
    let asked = Asked {
        keys: keys.as_ref(),
        kept: kept.as_deref(),
        from: !args.whole,
    };
    let mut progress = Progress::of(place.size());
    let verified = place.verify(asked, |done| progress.at(done));
    progress.end();
    match verified {
        Ok(verified) => {
            tell(args, &verified, signed, out)?;
            Ok(0)
        }
        Err(violation) => refuse(args, &violation, out),
    }
}

fn note(path: &PathBuf) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

fn tell(args: &Args, verified: &Verified, signed: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let Verified {
        entries,
        first,
        checkpoint,
        checkpoints,
    } = verified;
    if args.output == Output::Json {
        let root = checkpoint.root.to_string();
        return show(
            out,
            json!({
                "entries": entries, "first": first, "checkpoints": checkpoints, "signed": signed,
                "root": root, "checkpoint": *checkpoint.note,
            }),
        );
    }
    writeln!(out, "{entries} entries are as they were written")?;
    if *first > 1 {
        writeln!(
            out,
            "those before {first} were deleted at the end of their term; their hashes are there"
        )?;
    }
    if !signed {
        writeln!(out, "no --key was given: who signed this wasn't looked at")?;
    }
    write!(out, "\n{}", checkpoint.note)?;
    Ok(())
}

fn refuse(args: &Args, violation: &Violation, out: &mut dyn Write) -> anyhow::Result<u8> {
    let Violation { entry, place, what } = violation;
    if let Flaw::Unreadable(error) = what {
        anyhow::bail!("can't read {place}: {error}");
    }
    match args.output {
        Output::Json => {
            let what = what.to_string();
            let violation = json!({ "entry": entry, "place": place, "what": what });
            show(out, json!({ "violation": violation }))?;
        }
        Output::Text => writeln!(out, "entry {entry} in {place}: {what}")?,
    }
    Ok(BROKEN)
}

fn show(out: &mut dyn Write, mut document: Value) -> anyhow::Result<()> {
    document["schema"] = "loket.audit-verify/1".into();
    Ok(writeln!(out, "{document:#}")?)
}
