//! `loket justifications`: entries of the audit log in, why each glass was broken out, for the auditor.
//!
//! Takes lines of the log as they are, so that it doesn't matter where they are kept; those that break
//! no glass are passed over. The configuration is read for the key of subjects and nothing else.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use clap::Args as ClapArgs;
use serde::Deserialize;

use super::check;
use crate::audit::{self, seal};
use crate::config::Config;

/// Shows why each glass was broken.
///
/// Reads entries of the audit log from standard input, one a line. What it shows may tell of citizens.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Example:
  loket justifications --config loket.toml < audit-lines

Exit codes:
  0 all were read   1 failed   3 the configuration is wrong   8 one can't be opened by this key")]
pub struct Args {
    /// Configuration with the key under which they were sealed
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
}

/// One can't be opened: another key, or it was changed.
const BROKEN: u8 = 8;

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the input can't be read or the output written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let loaded = Config::load(&args.config);
    let Ok(config) = &loaded else {
        check::text(&loaded, false, &mut io::stderr())?;
        return Ok(check::WRONG);
    };
    let key = config.audit.subject_key.expose();
    Ok(show(key, &mut io::stdin().lock(), out)?)
}

fn show(key: &[u8], input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<u8> {
    #[derive(Deserialize)]
    struct Line {
        entry: u64,
        at: String,
        trace_id: String,
        kind: String,
        member: Option<String>,
        clerk: Option<String>,
        break_glass: Glass,
    }
    #[derive(Deserialize)]
    struct Glass {
        ground: String,
        justification: String,
    }
    let key = audit::subject_key(key);
    let mut code = check::FINE;
    for line in input.lines() {
        let line = line?;
        // Whatever stands before the entry, as its hash.
        let entry = line.find('{').and_then(|at| line.get(at..));
        let entry = entry.and_then(|entry| serde_json::from_str::<Line>(entry).ok());
        let Some(entry) = entry else { continue };
        let (glass, said) = (&entry.break_glass, |text: &Option<String>| {
            text.clone().unwrap_or_default()
        });
        let opened = seal::unseal(&key, &entry.trace_id, &glass.justification);
        let text = match &opened {
            Some(text) => printable(text.expose()),
            None => {
                code = BROKEN;
                "can't be opened by this key".to_owned()
            }
        };
        let (member, clerk) = (said(&entry.member), said(&entry.clerk));
        writeln!(
            out,
            "{} {} {} {member} {clerk} {}: {text}",
            entry.entry, entry.at, entry.kind, glass.ground
        )?;
    }
    Ok(code)
}

fn printable(text: &str) -> String {
    super::lookup::table::printable(text)
}

#[cfg(test)]
mod tests {
    use loket_sdk::sensitive::Sensitive;
    use serde_json::json;

    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn shown(key: &[u8], lines: &str) -> (u8, String) {
        let mut out = Vec::new();
        let code = show(key, &mut lines.as_bytes(), &mut out).unwrap();
        (code, String::from_utf8(out).unwrap())
    }

    #[test]
    fn an_auditor_reads_why() {
        let why = Sensitive::new("A family is missing\nafter the flood.".to_owned());
        let sealed = seal::seal(&audit::subject_key(&KEY), "trace", &why).unwrap();
        let mut entry = json!({
            "entry": 17, "at": "2026-11-24T05:00:00Z", "kind": "break_glass", "trace_id": "trace",
            "member": "dinsos", "clerk": "clk-1",
            "break_glass": {"ground": "disaster", "justification": sealed},
        });
        let other = json!({"entry": 18, "kind": "lookup", "trace_id": "trace"});
        let lines = format!("{} {entry}\n{other}\nnothing\n", "ab".repeat(32));
        let (code, out) = shown(&KEY, &lines);
        let expected = "17 2026-11-24T05:00:00Z break_glass dinsos clk-1 disaster: \
                        A family is missing\u{fffd}after the flood.\n";
        assert_eq!((code, out.as_str()), (0, expected));
        assert_eq!(shown(&[8; 32], &lines).0, BROKEN);
        entry["trace_id"] = json!("another");
        assert_eq!(shown(&KEY, &entry.to_string()).0, BROKEN);
    }
}
