//! `loket completions` and `loket man`: the command line described, for shells and for `man`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args as ClapArgs, Command};
use clap_complete::Shell;

/// Writes what a shell needs to complete commands and options.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  loket completions bash > /usr/share/bash-completion/completions/loket
  loket completions fish > ~/.config/fish/completions/loket.fish")]
pub struct Completions {
    /// Which shell
    shell: Shell,
}

/// Writes the manual: the first page to standard output, or a page per command into a directory.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  loket man | man -l -
  loket man --directory /usr/share/man/man1")]
pub struct Man {
    /// Where the pages go; it must exist
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

/// Runs the command for this command line; the process's exit code.
///
/// # Errors
/// When the output can't be written.
pub fn completions(
    args: &Completions,
    mut command: Command,
    out: &mut dyn Write,
) -> anyhow::Result<u8> {
    // Written at once, since the generator panics where output fails.
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command, "loket", &mut text);
    out.write_all(&text)?;
    Ok(0)
}

/// Runs the command for this command line; the process's exit code.
///
/// # Errors
/// When the output can't be written.
pub fn man(args: &Man, command: Command, out: &mut dyn Write) -> anyhow::Result<u8> {
    match &args.directory {
        None => clap_mangen::Man::new(command).render(&mut Through(out))?,
        Some(directory) => clap_mangen::generate_to(command, directory)
            .with_context(|| format!("pages can't be written to {}", directory.display()))?,
    }
    Ok(0)
}

/// The renderer takes no trait object.
struct Through<'a>(&'a mut dyn Write);

impl Write for Through<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
