//! `loket explain`: a question on the command line in, why it would or wouldn't be asked out.
//!
//! A caller asks its gateway, which tells of the caller's own grants. An operator names a
//! configuration and a caller's certificate instead; then nothing is connected, and all is told.

mod offline;
mod table;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::builder::TypedValueParser;
use clap::{Args as ClapArgs, ValueEnum};
use loket_sdk::client;
use loket_sdk::message::{Explanation, Purpose, Verdict};
use serde_json::json;
use uuid::Uuid;

use super::lookup;
use super::lookup::arguments::{Gateway, Glass, Question, Right, words};
use super::lookup::question::Basis;
use super::lookup::table::Showing;
use super::lookup::{code, voice};

/// Says why a lookup would be carried out or refused.
///
/// Nobody is asked about the citizen and no quota is drawn. The gateway records that it was asked.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  echo 3510161405889901 | loket explain --purpose business_licence \\
    --legal-basis 'legal_obligation:PP 28/2025' --case MPP-3510-20261124-000123 \\
    --clerk clk-7f3a --counter B07 --record taxpayer/1=npwp,registered_name
  loket explain --config loket.toml --certificate counter.pem \\
    --purpose business_licence --record taxpayer/1=npwp,registered_name

Exit codes:
  0 all of it would be asked   1 failed   2 usage   3 the configuration is wrong
  5 none of it would be asked   6 some of it would be asked   7 the gateway didn't answer in time")]
pub struct Args {
    #[command(flatten)]
    question: Box<Question>,
    /// Why it is asked for, such as business_licence
    #[arg(help_heading = "Right", long, hide_possible_values = true, value_parser = words(Purpose::ALL.iter().map(|w| w.as_str())).try_map(|w| w.parse::<Purpose>()))]
    purpose: Purpose,
    /// By which right, and the law or document that says so: legal_obligation:"PP 28/2025"
    #[arg(
        help_heading = "Right",
        long,
        value_name = "KIND:REFERENCE",
        required_unless_present = "config"
    )]
    legal_basis: Option<Basis>,
    /// Agreement between the organisations
    #[arg(help_heading = "Right", long, value_name = "ID")]
    agreement: Option<String>,
    /// The citizen's consent, where that is the legal basis
    #[arg(help_heading = "Right", long, value_name = "ID")]
    consent: Option<String>,
    /// Case at the counter, under which it is audited
    #[arg(help_heading = "Right", long, required_unless_present = "config")]
    case: Option<String>,
    /// Who asks
    #[arg(
        help_heading = "Right",
        long,
        env = "LOKET_CLERK",
        required_unless_present = "config"
    )]
    clerk: Option<String>,
    /// At which counter
    #[arg(
        help_heading = "Right",
        long,
        env = "LOKET_COUNTER",
        required_unless_present = "config"
    )]
    counter: Option<String>,
    #[command(flatten)]
    glass: Glass,
    /// For people or for programs
    #[arg(help_heading = "Answer", long, short, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Configuration to explain by, without a gateway
    #[arg(help_heading = "Operator", long, short, requires = "certificate")]
    config: Option<PathBuf>,
    /// PEM file of the caller's certificate, and what leads to its authority
    #[arg(help_heading = "Operator", long, requires = "config")]
    certificate: Option<PathBuf>,
    /// https://host[:port]
    #[arg(
        help_heading = "Gateway",
        long,
        env = "LOKET_URL",
        required_unless_present = "config"
    )]
    url: Option<String>,
    /// PEM file of our certificate
    #[arg(
        help_heading = "Gateway",
        long,
        env = "LOKET_CERT",
        required_unless_present = "config"
    )]
    cert: Option<PathBuf>,
    /// PEM file of its key
    #[arg(
        help_heading = "Gateway",
        long,
        env = "LOKET_KEY",
        required_unless_present = "config"
    )]
    key: Option<PathBuf>,
    /// PEM file of the gateway's authority
    #[arg(
        help_heading = "Gateway",
        long,
        env = "LOKET_CA",
        required_unless_present = "config"
    )]
    ca: Option<PathBuf>,
    /// PEM file of the authority's revocation list
    #[arg(help_heading = "Gateway", long, env = "LOKET_CRL")]
    crl: Vec<PathBuf>,
    /// Name in the gateway's certificate, where it isn't the URL's host
    #[arg(help_heading = "Gateway", long)]
    server_name: Option<String>,
}

/// What the explanation looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// One document.
    Json,
}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the output can't be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    run_with(args, &mut io::stdin().lock(), out, &mut io::stderr())
}

fn run_with(
    args: &Args,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<u8> {
    let explained = match args.online() {
        Some(lookup) => online(args, &lookup, input, out, err)?,
        None => offline::explain(args, input, err)?,
    };
    let explanation = match explained {
        Ok(explanation) => explanation,
        Err(code) => return Ok(code),
    };
    match args.output {
        Output::Json => writeln!(out, "{:#}", json!(explanation))?,
        Output::Table => table::write(&explanation, Showing::new(false), out)?,
    }
    Ok(match explanation.verdict {
        Verdict::Allowed => code::COMPLETE,
        Verdict::InPart => code::PARTIAL,
        Verdict::Denied => code::DENIED,
    })
}

impl Args {
    /// As the arguments of a lookup; none when there is a configuration to explain by, since only then
    /// one of these may be missing.
    fn online(&self) -> Option<lookup::Args> {
        if self.config.is_some() {
            return None;
        }
        Some(lookup::Args {
            question: self.question.clone(),
            right: Box::new(Right {
                purpose: self.purpose,
                legal_basis: self.legal_basis.clone()?,
                agreement: self.agreement.clone(),
                consent: self.consent.clone(),
                case: self.case.clone()?,
                clerk: self.clerk.clone()?,
                counter: self.counter.clone()?,
            }),
            glass: self.glass.clone(),
            request_id: Some(Uuid::now_v7()),
            deadline: Duration::from_secs(3),
            lang: None,
            output: match self.output {
                Output::Table => lookup::arguments::Output::Table,
                Output::Json => lookup::arguments::Output::Json,
            },
            expose: false,
            gateway: Box::new(Gateway {
                url: self.url.clone()?,
                cert: self.cert.clone()?,
                key: self.key.clone()?,
                ca: self.ca.clone()?,
                crl: self.crl.clone(),
                replay_secret: None,
                server_name: self.server_name.clone(),
            }),
        })
    }
}

/// Asks the gateway; the inner error is an exit code, and has been said.
fn online(
    args: &Args,
    lookup: &lookup::Args,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Result<Explanation, u8>> {
    let prepared = match lookup::prepare(lookup, input, err)? {
        Ok(prepared) => prepared,
        Err(what) => {
            voice::usage(&what, err)?;
            return Ok(Err(code::USAGE));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime can't start")?;
    // Within the runtime, since the connection pool starts a task.
    let explained: client::Result<Explanation> =
        runtime.block_on(async { prepared.build()?.explain().await });
    match explained {
        Ok(explanation) => Ok(Ok(explanation)),
        Err(error) => {
            let output = match args.output {
                Output::Table => lookup::arguments::Output::Table,
                Output::Json => lookup::arguments::Output::Json,
            };
            voice::failure(&error, output, out, err)?;
            Ok(Err(code::of_error(&error)))
        }
    }
}
