//! The arguments, in the groups in which the help shows them.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, ValueEnum};
use loket_sdk::ids::Scheme;
use loket_sdk::message::{Ground, Locale, PresentedAs, Purpose, RecordRef};
use loket_sdk::sensitive::Sensitive;
use uuid::Uuid;

use super::question::{Basis, RecordText};

/// Asks a gateway about a citizen.
///
/// A value is asked for with --record; whether a value is right with --claim, which shows the clerk
/// less and is the better way to use civil data.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  loket lookup --purpose business_licence --legal-basis 'legal_obligation:PP 28/2025' \\
    --case MPP-3510-20261124-000123 --clerk clk-7f3a --counter B07 \\
    --record taxpayer/1=npwp,registered_name
  echo 3510161405889901 | loket lookup --purpose driving_licence_renewal \\
    --legal-basis 'public_task:UU 22/2009' --case MPP-3510-20261124-000123 \\
    --clerk clk-7f3a --counter B07 --record driving-licence/1! \\
    --claim person-identity/1:birth_date:date_equals=1988-05-14

Break-glass, with what happened in a file that only the clerk reads, or behind the identifier:
  loket lookup … --break-glass threat_to_life --justification what-happened.txt
  loket break-glass approve ENTRY --clerk spv-1 --counter B01

Where the gateway is and who asks: --url, --cert, --key and --ca, or LOKET_URL, LOKET_CERT, LOKET_KEY
and LOKET_CA in the environment.

Exit codes:
  0 every agency gave an answer   1 failed            2 usage
  4 no agency has a record        5 denied            6 some agencies gave no answer
  7 no agency answered in time, or the gateway didn't")]
pub struct Args {
    #[command(flatten)]
    pub(in crate::commands) question: Box<Question>,
    #[command(flatten)]
    pub(in crate::commands) right: Box<Right>,
    #[command(flatten)]
    pub(in crate::commands) glass: Glass,
    /// Id of the lookup, to send one again that may have been carried out
    #[arg(help_heading = "Answer", long, value_name = "UUID")]
    pub(in crate::commands) request_id: Option<Uuid>,
    /// How long the agencies may take, 200ms to 15s
    #[arg(help_heading = "Answer", long, default_value = "3s", value_parser = duration)]
    pub(in crate::commands) deadline: Duration,
    /// Language of the answer's sentences
    #[arg(help_heading = "Answer", long, value_parser = words(Locale::ALL.iter().map(|w| w.as_str())).try_map(|w| w.parse::<Locale>()))]
    pub(in crate::commands) lang: Option<Locale>,
    /// For people, for programs, or for programs as it arrives
    #[arg(help_heading = "Answer", long, short, value_enum, default_value_t = Output::Table)]
    pub(in crate::commands) output: Output,
    /// Show identifiers in the table whole
    #[arg(help_heading = "Answer", long)]
    pub(in crate::commands) expose: bool,
    #[command(flatten)]
    pub(in crate::commands) gateway: Box<Gateway>,
}

/// About whom, and what.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Question")]
pub(in crate::commands) struct Question {
    /// The identifier; - reads it from standard input, where the shell's history doesn't see it
    #[arg(value_parser = sensitive)]
    pub(in crate::commands) subject: Option<Sensitive<String>>,
    /// Kind of identifier
    #[arg(long, default_value = "nik", value_parser = words(Scheme::ALL.map(Scheme::as_str)).try_map(|w| w.parse::<Scheme>()))]
    pub(in crate::commands) scheme: Scheme,
    /// How the citizen showed it
    #[arg(long, value_parser = words(PresentedAs::ALL.iter().map(|w| w.as_str())).try_map(|w| w.parse::<PresentedAs>()))]
    pub(in crate::commands) presented_as: Option<PresentedAs>,
    /// Record to read, with all granted fields or some; ! when the service can't go on without it
    #[arg(
        long,
        value_name = "RECORD[=FIELD,…][!]",
        required_unless_present = "claim"
    )]
    pub(in crate::commands) record: Vec<RecordText>,
    /// Value to verify; may be repeated
    #[arg(long, value_name = "RECORD:FIELD:OP[=VALUE]", value_parser = sensitive)]
    pub(in crate::commands) claim: Vec<Sensitive<String>>,
    /// Record without which the service can't go on
    #[arg(long, value_name = "RECORD")]
    pub(in crate::commands) required: Vec<RecordRef>,
}

/// Why, by which right, for whom.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Right")]
pub(in crate::commands) struct Right {
    /// Why it is asked for, such as business_licence
    #[arg(long, hide_possible_values = true, value_parser = words(Purpose::ALL.iter().map(|w| w.as_str())).try_map(|w| w.parse::<Purpose>()))]
    pub(in crate::commands) purpose: Purpose,
    /// By which right, and the law or document that says so: legal_obligation:"PP 28/2025"
    #[arg(long, value_name = "KIND:REFERENCE")]
    pub(in crate::commands) legal_basis: Basis,
    /// Agreement between the organisations
    #[arg(long, value_name = "ID")]
    pub(in crate::commands) agreement: Option<String>,
    /// The citizen's consent, where that is the legal basis
    #[arg(long, value_name = "ID")]
    pub(in crate::commands) consent: Option<String>,
    /// Case at the counter, under which the lookup is audited
    #[arg(long)]
    pub(in crate::commands) case: String,
    /// Who asks
    #[arg(long, env = "LOKET_CLERK")]
    pub(in crate::commands) clerk: String,
    /// At which counter
    #[arg(long, env = "LOKET_COUNTER")]
    pub(in crate::commands) counter: String,
}

/// What lets a lookup pass a hold or another purpose.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(next_help_heading = "Break-glass")]
pub(in crate::commands) struct Glass {
    /// Pass a hold or another purpose within grants that allow it, on this ground; a second person
    /// approves within 24 hours
    #[arg(long, value_name = "GROUND", value_parser = words(Ground::ALL.iter().map(|w| w.as_str())).try_map(|w| w.parse::<Ground>()))]
    pub(in crate::commands) break_glass: Option<Ground>,
    /// File that says what happened, in 20 to 500 characters; - reads it from standard input, after the
    /// identifier's line
    #[arg(long, value_name = "FILE", requires = "break_glass")]
    pub(in crate::commands) justification: Option<PathBuf>,
}

/// Where the gateway is, who we are, whom we trust.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Gateway")]
pub(in crate::commands) struct Gateway {
    /// https://host[:port]
    #[arg(long, env = "LOKET_URL")]
    pub(in crate::commands) url: String,
    /// PEM file of our certificate
    #[arg(long, env = "LOKET_CERT")]
    pub(in crate::commands) cert: PathBuf,
    /// PEM file of its key
    #[arg(long, env = "LOKET_KEY")]
    pub(in crate::commands) key: PathBuf,
    /// PEM file of the gateway's authority
    #[arg(long, env = "LOKET_CA")]
    pub(in crate::commands) ca: PathBuf,
    /// PEM file of the authority's revocation list
    #[arg(long, env = "LOKET_CRL")]
    pub(in crate::commands) crl: Vec<PathBuf>,
    /// File with 32 bytes or more, so that --request-id gives the same answer again for 24 hours
    #[arg(long, env = "LOKET_REPLAY_SECRET", value_name = "FILE")]
    pub(in crate::commands) replay_secret: Option<PathBuf>,
    /// Name in the gateway's certificate, where it isn't the URL's host
    #[arg(long)]
    pub(in crate::commands) server_name: Option<String>,
}

/// What the answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::commands) enum Output {
    /// For people.
    Table,
    /// The gateway's answer, one document.
    Json,
    /// One event a line, as the agencies answer.
    Ndjson,
}

pub(in crate::commands) fn words(
    all: impl IntoIterator<Item = &'static str>,
) -> PossibleValuesParser {
    PossibleValuesParser::new(all)
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the shape that clap calls for; whatever is said here may be a number"
)]
fn sensitive(text: &str) -> Result<Sensitive<String>, std::convert::Infallible> {
    Ok(Sensitive::new(text.to_owned()))
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "write it with its unit, such as 800ms or 5s".to_owned())
}
