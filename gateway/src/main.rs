//! `loket`: the gateway and its tools in one binary.

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use loket_gateway::commands::{
    audit, break_glass, check, explain, grant, hold, justifications, lookup, manuals, operate, pki,
    register, serve, top, trace,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One counter asks every agency that may answer, and shows what each said.
#[derive(Debug, Parser)]
#[command(
    name = "loket",
    version,
    after_help = "\
Examples:
  loket check --config loket.toml
  loket serve --config loket.toml
  echo 3510161405889901 | loket lookup --purpose business_licence --case MPP-3510-000123 \\
      --legal-basis 'legal_obligation:PP 28/2025' --clerk clk-7f3a --counter B07 \\
      --record taxpayer/1=npwp,registered_name

Exit codes:
  0 ok   1 failed   2 usage   3 something is wrong   4 not found   5 denied
  6 partial   7 timed out   8 the audit log is broken   130 stopped at once"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve(serve::Args),
    /// Check a configuration
    Check(check::Args),
    /// Say whether a gateway takes requests
    Healthcheck(operate::Healthcheck),
    /// Have a gateway read its configuration again
    Reload(operate::Reload),
    /// Stop a gateway gently
    Drain(operate::Drain),
    /// Watch how each agency does
    Top(top::Args),
    /// Look at recent requests: what was asked, who answered, how long it took
    Trace(trace::Args),
    /// Ask a gateway about a citizen
    Lookup(lookup::Args),
    /// Approve lookups that broke the glass
    BreakGlass(break_glass::Args),
    /// Verify and read the audit log
    Audit(audit::Args),
    /// Write, sign, verify, list and compare grants
    Grant(grant::Args),
    /// Say why a lookup would be carried out or refused
    Explain(Box<explain::Args>),
    /// Hold a citizen's data, or let it go
    Hold(hold::Args),
    /// Write the register of processing
    Register(register::Args),
    /// Show an auditor why each glass was broken
    Justifications(justifications::Args),
    /// Make certificates for development, inspect any
    Pki(pki::Args),
    /// Complete commands in a shell
    Completions(manuals::Completions),
    /// Write the manual
    Man(manuals::Man),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = std::io::stdout();
    let result = match &cli.command {
        Command::Serve(args) => serve::run(args, &mut out),
        Command::Check(args) => check::run(args, &mut out),
        Command::Healthcheck(args) => operate::healthcheck(args, &mut out),
        Command::Reload(args) => operate::reload(args, &mut out),
        Command::Drain(args) => operate::drain(args, &mut out),
        Command::Top(args) => top::run(args, &mut out),
        Command::Trace(args) => trace::run(args, &mut out),
        Command::Lookup(args) => lookup::run(args, &mut out),
        Command::BreakGlass(args) => break_glass::run(args, &mut out),
        Command::Audit(args) => audit::run(args, &mut out),
        Command::Grant(args) => grant::run(args, &mut out),
        Command::Explain(args) => explain::run(args, &mut out),
        Command::Hold(args) => hold::run(args, &mut out),
        Command::Register(args) => register::run(args, &mut out),
        Command::Justifications(args) => justifications::run(args, &mut out),
        Command::Pki(args) => pki::run(args, &mut out),
        Command::Completions(args) => manuals::completions(args, Cli::command(), &mut out),
        Command::Man(args) => manuals::man(args, Cli::command(), &mut out),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Nobody is left to tell when standard error is gone.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
