//! `loket grant`: an agency's grants, from the draft to the signed file, and an operator's look at
//! those in force.

mod diff;
mod draft;
mod list;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args as ClapArgs, Subcommand};
use jiff::Timestamp;
use loket_sdk::ids::MemberId;
use loket_sdk::jws::{self, PublicKey, SigningKey};

use super::check::Output;
use super::pki::store::{create, replace};
use crate::config::Config;
use crate::grants::{self, Document, EXTENSION, Fault, Granted, Signed};

/// Exit code: a grant doesn't count, or is wider than the one before.
const WRONG: u8 = 3;

/// Writes, signs, verifies, lists and compares grants.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make an agency's key pair for its grants
    Key {
        /// Directory of both files
        #[arg(long)]
        dir: PathBuf,
        /// Agency that owns the data
        #[arg(long)]
        agency: String,
        /// The key's id, unique within the agency
        #[arg(long)]
        id: String,
    },
    /// Write a draft to be edited, with all fields of its record
    New(draft::Args),
    /// Sign drafts, each as it stands, into <grant_id>.jws
    Sign {
        /// PEM private key (PKCS#8) of the agency
        #[arg(long)]
        key: PathBuf,
        /// How gateways know the key: <agency>/<key id>
        #[arg(long)]
        kid: String,
        /// Directory of the signed files; that of each draft when it isn't given
        #[arg(long)]
        out: Option<PathBuf>,
        /// Write the present moment into issued_at
        #[arg(long)]
        now: bool,
        /// Drafts in JSON
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Verify signed grants, with the agency's key or as a gateway would
    Verify {
        /// PEM public key of the agency
        #[arg(long, required_unless_present = "config", conflicts_with = "config")]
        key: Option<PathBuf>,
        /// Configuration with the agencies' keys
        #[arg(long)]
        config: Option<PathBuf>,
        /// Signed files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Show the grants of a configuration
    List {
        /// Configuration file
        #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
        config: PathBuf,
        /// For people or for programs
        #[arg(long, short, value_enum, default_value_t = Output::Text)]
        output: Output,
    },
    /// Say in words what differs; 3 when the second lets more through
    Diff {
        /// What was: a draft or a signed file
        old: PathBuf,
        /// What is to be
        new: PathBuf,
    },
}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When it can't be done.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    match &args.command {
        Command::Key { dir, agency, id } => key(dir, agency, id, out)?,
        Command::New(args) => draft::write(args, out)?,
        Command::Sign {
            key,
            kid,
            out: dir,
            now,
            files,
        } => {
            let pem = fs::read(key).with_context(|| format!("can't read {}", key.display()))?;
            let key = SigningKey::from_pem(&pem)
                .map_err(|error| anyhow::anyhow!("{} {error}", key.display()))?;
            for file in files {
                let signed = sign(file, &key, kid, dir.as_deref(), *now)
                    .with_context(|| file.display().to_string())?;
                writeln!(out, "{}", signed.display())?;
            }
        }
        Command::Verify { key, config, files } => {
            let with = match (key, config) {
                (Some(key), _) => Verifier::Key(public_key(key)?),
                (None, Some(config)) => Verifier::Config(Box::new(Config::load(config)?)),
                (None, None) => bail!("--key or --config says whom to believe"),
            };
            return verify(&with, files, out);
        }
        Command::List { config, output } => list::write(&Config::load(config)?, *output, out)?,
        Command::Diff { old, new } => return diff::write(&read(old)?, &read(new)?, out),
    }
    Ok(0)
}

fn key(dir: &Path, agency: &str, id: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    let agency = MemberId::parse(agency).context("--agency")?;
    if id.contains(['/', '.']) {
        bail!("--id: write letters, digits and dashes, such as 2026-1");
    }
    fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
    let key = SigningKey::generate()?;
    let file = |ending: &str| dir.join(format!("{agency}-{id}.{ending}"));
    create(&file("key"), key.to_pem()?.expose().as_bytes(), 0o600)?;
    create(&file("pub"), key.public_key().to_pem().as_bytes(), 0o644)?;
    writeln!(out, "{}", file("key").display())?;
    writeln!(out, "{}", file("pub").display())?;
    writeln!(out, "\n# For the gateway, under [[members]] of {agency}:")?;
    writeln!(out, "[[members.keys]]\nid = \"{id}\"\nuse = \"grant\"")?;
    writeln!(out, "public_key_file = \"keys/{agency}-{id}.pub\"")?;
    Ok(())
}

fn sign(
    file: &Path,
    key: &SigningKey,
    kid: &str,
    dir: Option<&Path>,
    now: bool,
) -> anyhow::Result<PathBuf> {
    let json = fs::read(file).context("can't be read")?;
    let mut document = grants::read(&json).map_err(told)?;
    if now {
        document.issued_at = Timestamp::from_second(Timestamp::now().as_second())?;
    }
    let text = grants::sign(&serde_json::to_vec(&document)?, key, kid).map_err(told)?;
    let dir = dir.or(file.parent()).unwrap_or(Path::new(""));
    fs::create_dir_all(dir).with_context(|| format!("can't make {}", dir.display()))?;
    let signed = dir.join(format!("{}.{EXTENSION}", document.grant_id));
    if let Ok(before) = fs::read_to_string(&signed)
        && before != text
        && let Ok(before) = unverified(&before)
        && before.serial >= document.serial
    {
        let serial = before.serial;
        bail!(
            "{} has the serial {serial}: gateways only take a higher one",
            signed.display()
        );
    }
    replace(&signed, text.as_bytes())?;
    Ok(signed)
}

fn told(fault: Fault) -> anyhow::Error {
    anyhow::anyhow!("{fault} ({})", fault.remedy())
}

fn public_key(path: &Path) -> anyhow::Result<PublicKey> {
    let pem = fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
    PublicKey::from_pem(&pem).map_err(|error| anyhow::anyhow!("{} {error}", path.display()))
}

enum Verifier {
    Key(PublicKey),
    Config(Box<Config>),
}

impl Verifier {
    fn verify(&self, file: &Path) -> anyhow::Result<String> {
        let text = fs::read_to_string(file).context("can't be read")?;
        match self {
            Self::Key(key) => {
                let signed = Signed::open(&text, |_| Some(key)).map_err(told)?;
                let Document {
                    grant_id,
                    serial,
                    state,
                    ..
                } = &signed.document;
                let (kid, state) = (&signed.kid, state.as_str());
                Ok(format!(
                    "{grant_id} serial {serial}, {state}, signed by {kid}"
                ))
            }
            Self::Config(config) => {
                let stem = file.file_stem().and_then(|it| it.to_str()).unwrap_or("");
                let members = config.directory.members();
                let now = Timestamp::now();
                let granted = grants::admit(stem, &text, members, &config.time_zone, now);
                let (id, signature, state) = match granted.map_err(told)? {
                    Granted::Record(it) => (it.id, it.signature, it.state),
                    Granted::Service(it) => (it.id, it.signature, it.state),
                };
                let signature = signature.context("isn't signed")?;
                let (serial, kid) = (signature.serial, signature.kid);
                let state = state.as_str();
                Ok(format!("{id} serial {serial}, {state}, signed by {kid}"))
            }
        }
    }
}

fn verify(with: &Verifier, files: &[PathBuf], out: &mut dyn Write) -> anyhow::Result<u8> {
    let mut code = 0;
    for file in files {
        match with.verify(file) {
            Ok(said) => writeln!(out, "√ {}: {said}", file.display())?,
            Err(error) => {
                code = WRONG;
                writeln!(out, "× {}: {error:#}", file.display())?;
            }
        }
    }
    Ok(code)
}

/// A draft, or what a signed file says; whether the signature counts is for `verify`.
fn read(path: &Path) -> anyhow::Result<Document> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let document = match text.trim_start().starts_with('{') {
        true => grants::read(text.as_bytes()).map_err(told),
        false => unverified(&text),
    };
    document.with_context(|| path.display().to_string())
}

fn unverified(text: &str) -> anyhow::Result<Document> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    grants::read(&jws::read_unverified(text)?.payload).map_err(told)
}

#[cfg(test)]
mod tests;
