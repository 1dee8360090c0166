//! The glass: a ground, and a file or standard input in, what the gateway is told out. What happened may
//! tell of a citizen, and so is no argument.

use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;

use loket_sdk::message::BreakGlass;
use loket_sdk::sensitive::Sensitive;

use super::arguments::Glass;

/// Longer is no justification; more isn't read.
const LONGEST: u64 = 4096;

/// The inner error is a sentence for the caller, without the text.
pub(in crate::commands) fn read(
    glass: &Glass,
    input: &mut dyn BufRead,
    err: &mut dyn Write,
) -> io::Result<Result<Option<BreakGlass>, String>> {
    let Some(ground) = glass.break_glass else {
        return Ok(Ok(None));
    };
    let Some(path) = &glass.justification else {
        let what = "say what happened: --justification FILE, or - for standard input";
        return Ok(Err(what.to_owned()));
    };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        if io::stdin().is_terminal() {
            write!(err, "what happened, ended by ctrl-D: ")?;
            err.flush()?;
        }
        input.take(LONGEST).read_to_end(&mut bytes)?;
    } else {
        let file = File::open(path);
        let read = file.and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
        if let Err(error) = read {
            let path = path.display();
            return Ok(Err(format!(
                "the justification can't be read from {path}: {error}"
            )));
        }
    }
    let text = String::from_utf8(bytes).unwrap_or_default();
    let text = text.trim();
    Ok(match text.chars().count() {
        20..=500 => Ok(Some(BreakGlass {
            ground,
            justification: Sensitive::new(text.to_owned()),
        })),
        _ => Err("the justification must say what happened in 20 to 500 characters".to_owned()),
    })
}
