//! `loket register`: a configuration in, the register of processing out: who may know which field for
//! which purpose, by which grant.

use std::io::Write;
use std::path::PathBuf;

use clap::Args as ClapArgs;
use loket_sdk::message::Purpose;
use loket_sdk::schema;
use serde_json::{Value, json};

use super::rows::{Output, Rows};
use crate::config::Config;
use crate::directory::{Directory, GrantState, Mode};

/// Writes the register of processing that UU 27/2022 art. 31 asks for: one row per purpose, record,
/// field and grant, in force or not.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Configuration file
    #[arg(long, short, env = "LOKET_CONFIG", default_value = "loket.toml")]
    config: PathBuf,
    /// For people, programs or documents
    #[arg(long, short, value_enum, default_value_t = Output::Csv)]
    output: Output,
}

/// Runs the command; the process's exit code.
///
/// # Errors
/// When the configuration is wrong, or the output can't be written.
pub fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<u8> {
    let config = Config::load(&args.config).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    rows(&config.directory).write(args.output, out)?;
    Ok(0)
}

fn state(state: GrantState) -> &'static str {
    match state {
        GrantState::Draft => "draft",
        GrantState::ProofOfConcept => "proof_of_concept",
        GrantState::Active => "active",
        GrantState::Suspended => "suspended",
        GrantState::Ended => "ended",
    }
}

/// The legal bases and laws that a purpose rests on, as `purposes.json` has them.
fn basis(purpose: Purpose) -> (Value, Value) {
    let purposes: Value = serde_json::from_str(loket_schemas::PURPOSES).unwrap_or_default();
    let entries = purposes["purposes"].as_array();
    let mut entries = entries.into_iter().flatten();
    let entry = entries.find(|entry| entry["purpose"] == purpose.as_str());
    let member = |name: &str| entry.map_or(Value::Null, |entry| entry[name].clone());
    (member("legal_bases"), member("laws"))
}

fn rows(directory: &Directory) -> Rows {
    let mut rows = Rows::new(vec![
        "purpose",
        "legal_bases",
        "laws",
        "consumer",
        "source",
        "record",
        "field",
        "class_id",
        "mode",
        "grant",
        "agreement",
        "valid_from",
        "valid_to",
        "state",
        "told_to_subject",
    ]);
    for purpose in Purpose::ALL {
        let (bases, laws) = basis(*purpose);
        let hidden = directory
            .visibility_rules()
            .iter()
            .any(|rule| rule.purposes.contains(purpose));
        let grants = directory.grants().iter();
        for grant in grants.filter(|grant| grant.purposes.contains(purpose)) {
            let record = schema::record(&grant.record);
            for field in &grant.fields {
                let field_schema = record.and_then(|record| record.field(field));
                rows.push(vec![
                    json!(purpose),
                    bases.clone(),
                    laws.clone(),
                    json!(grant.consumer),
                    json!(grant.source),
                    json!(grant.record),
                    json!(field),
                    json!(field_schema.and_then(|field| field.class_id.clone())),
                    json!(match grant.mode {
                        Mode::Read => "read",
                        Mode::Verify => "verify",
                    }),
                    json!(grant.id),
                    json!(grant.agreement),
                    json!(grant.valid_from),
                    json!(grant.valid_to),
                    json!(state(grant.state)),
                    json!(if hidden { "by rule" } else { "at once" }),
                ]);
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::town;

    #[test]
    fn every_field_of_every_grant_is_in_the_register() {
        let directory = town::directory();
        let mut out = Vec::new();
        rows(&directory).write(Output::Json, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let grants = directory.grants().iter();
        let expected: usize = grants
            .map(|grant| grant.fields.len() * grant.purposes.len())
            .sum();
        assert_eq!(text.lines().count(), expected);
        for line in text.lines() {
            let row: Value = serde_json::from_str(line).unwrap();
            for (name, cell) in row.as_object().unwrap() {
                assert!(!cell.is_null(), "{name}: {row}");
            }
        }
    }
}
