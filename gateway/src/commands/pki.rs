//! `loket pki`: a CA for development and tests, and a look into anyone's certificates.
//!
//! An installation in service takes its certificates from the CA that its members agreed on; what
//! stands here has no protected keys, no ceremony and no register.

pub mod authority;
pub mod inspect;
pub(super) mod store;

use std::io::Write;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args as ClapArgs, Subcommand};
use jiff::Timestamp;
use loket_sdk::ids::{MemberId, SystemId};

pub use authority::{Authority, Issued, Leaf, Usage};
pub use inspect::{Inspection, inspect};

/// Makes certificates for development, and inspects any.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a development CA
    Init {
        /// Directory of the CA
        #[arg(long)]
        dir: PathBuf,
        /// Trust domain of every SPIFFE ID that it will issue
        #[arg(long)]
        trust_domain: String,
    },
    /// Issue a certificate and key to a member's system
    Issue {
        /// Directory of the CA
        #[arg(long)]
        dir: PathBuf,
        /// Organisation
        #[arg(long)]
        member: String,
        /// Its system
        #[arg(long)]
        system: String,
        /// DNS name; may be repeated
        #[arg(long)]
        dns: Vec<String>,
        /// IP address; may be repeated
        #[arg(long)]
        ip: Vec<IpAddr>,
        /// Days of validity
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=825))]
        days: u16,
        /// Side of a connection
        #[arg(long, value_enum, default_value_t = Usage::Both)]
        usage: Usage,
    },
    /// Put certificates on the revocation list
    Revoke {
        /// Directory of the CA
        #[arg(long)]
        dir: PathBuf,
        /// PEM files of the certificates
        #[arg(required = true)]
        certificates: Vec<PathBuf>,
    },
    /// Write the revocation list anew
    Crl {
        /// Directory of the CA
        #[arg(long)]
        dir: PathBuf,
        /// Days until it must be replaced
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
    },
    /// Show what certificates say
    Inspect {
        /// PEM file
        file: PathBuf,
    },
}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When it can't be done.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    match &args.command {
        Command::Init { dir, trust_domain } => {
            let authority = Authority::init(dir, trust_domain)?;
            writeln!(out, "{}", authority.certificate().display())?;
            writeln!(out, "{}", authority.revocation_list().display())?;
        }
        Command::Issue {
            dir,
            member,
            system,
            dns,
            ip,
            days,
            usage,
        } => {
            let member = MemberId::parse(member).context("--member")?;
            let system = SystemId::parse(system).context("--system")?;
            let (dns, ips, days) = (dns.clone(), ip.clone(), i32::from(*days));
            let leaf = Leaf {
                member,
                system,
                dns,
                ips,
                days,
                usage: *usage,
            };
            let issued = Authority::open(dir)?.issue(&leaf)?;
            writeln!(out, "{}", issued.certificate.display())?;
            writeln!(out, "{}", issued.key.display())?;
        }
        Command::Revoke { dir, certificates } => {
            let mut authority = Authority::open(dir)?;
            for serial in authority.revoke(certificates)? {
                writeln!(out, "revoked {serial}")?;
            }
            writeln!(out, "{}", authority.revocation_list().display())?;
        }
        Command::Crl { dir, days } => {
            writeln!(
                out,
                "{}",
                Authority::open(dir)?.write_crl(Some(*days))?.display()
            )?;
        }
        Command::Inspect { file } => {
            for (n, found) in inspect(file, Timestamp::now())?.iter().enumerate() {
                if n > 0 {
                    writeln!(out)?;
                }
                show(found, out)?;
            }
        }
    }
    Ok(0)
}

fn show(found: &Inspection, out: &mut dyn Write) -> std::io::Result<()> {
    let certificate = &found.certificate;
    let spiffe = match &certificate.spiffe {
        Some(id) => id.to_string(),
        None => "none; pin the key to enrol it".to_owned(),
    };
    let day =
        |seconds| Timestamp::from_second(seconds).map_or_else(|_| "?".into(), |t| t.to_string());
    let usages = match found.certificate.usages.as_slice() {
        [] => "not limited".to_owned(),
        usages => usages.join(", "),
    };
    writeln!(out, "subject    {}", certificate.subject)?;
    writeln!(out, "spiffe id  {spiffe}")?;
    writeln!(out, "serial     {}", certificate.serial)?;
    writeln!(
        out,
        "valid      {} to {}",
        day(certificate.not_before),
        day(certificate.not_after)
    )?;
    writeln!(out, "days left  {}", found.days_left)?;
    writeln!(out, "usages     {usages}")?;
    writeln!(out, "pin        {}", found.pin())
}

#[cfg(test)]
mod tests;
