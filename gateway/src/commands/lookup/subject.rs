//! The subject: an argument or a line of standard input in, an identifier in normal form out.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use loket_sdk::ids::{self, Scheme};
use loket_sdk::sensitive::Sensitive;

/// Longer is no identifier; more isn't read.
const LONGEST: u64 = 256;

/// The inner error is a sentence for the caller, without the value.
pub(in crate::commands) fn read(
    argument: Option<&Sensitive<String>>,
    scheme: Scheme,
    input: &mut dyn BufRead,
    err: &mut dyn Write,
) -> io::Result<Result<Sensitive<String>, String>> {
    let given = argument.filter(|argument| argument.expose() != "-");
    let raw = if let Some(argument) = given {
        writeln!(
            err,
            "warning: an identifier among the arguments stays in the shell's history and in the list of processes; leave it out and give it on standard input"
        )?;
        argument.clone()
    } else {
        if io::stdin().is_terminal() {
            write!(err, "{scheme}: ")?;
            err.flush()?;
        }
        match line(input)? {
            Ok(line) => line,
            Err(what) => return Ok(Err(what)),
        }
    };
    let normal = ids::normalise(scheme, raw.expose().trim());
    Ok(normal
        .map(Sensitive::new)
        .map_err(|error| error.to_string()))
}

fn line(input: &mut dyn BufRead) -> io::Result<Result<Sensitive<String>, String>> {
    let mut bytes = Vec::new();
    input.take(LONGEST).read_until(b'\n', &mut bytes)?;
    let text = String::from_utf8(bytes).ok();
    let line = text.filter(|text| !text.trim().is_empty());
    let missing =
        || "the subject is missing: write the identifier on the first line of standard input";
    Ok(line.map(Sensitive::new).ok_or_else(|| missing().to_owned()))
}
