//! `loket audit tail`: the last entries, and those to come.

use std::io::Write;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::filter::Filter;
use super::{export, source};

/// So often it is looked whether there are more.
const EVERY: Duration = Duration::from_millis(500);

/// Shows the last entries, one JSON object a line.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    #[command(flatten)]
    source: source::Source,
    /// How many
    #[arg(long, short = 'n', default_value_t = 10)]
    lines: u64,
    /// Go on with those to come
    #[arg(long, short)]
    follow: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut next = None;
    loop {
        let reader = match args.source.reader()? {
            Ok(reader) => reader,
            Err(error) => return export::broken(error.into()),
        };
        let first = match reader.first() {
            Ok(first) => first,
            Err(error) => return export::broken(error.into()),
        };
        let begin = reader.checkpoint()?.size.saturating_sub(args.lines);
        let from = next.unwrap_or(begin).max(first);
        let mut each = |entry: &str| writeln!(out, "{entry}");
        match Filter::default().each(&*reader, from, &mut each) {
            Ok(size) => next = Some(size),
            Err(error) => return export::broken(error.into()),
        }
        out.flush()?;
        if !args.follow {
            return Ok(0);
        }
        std::thread::sleep(EVERY);
    }
}
