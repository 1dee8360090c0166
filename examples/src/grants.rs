//! Grants of the sample world, made from the list of purposes in `loket_schemas::PURPOSES`.
//!
//! In a real mall each agency writes and signs its grants; here every agency grants just what the
//! list says a purpose needs, to every member that the list names for it. Who is named only as
//! `any` gets nothing, since that means anyone with a grant and there is none to go by.

use anyhow::Context;
use jiff::ToSpan;
use jiff::civil::Date;
use loket_gateway::directory::{Grant, GrantState, Mode, Source};
use loket_sdk::ids::MemberId;
use loket_sdk::message::{Purpose, RecordRef};
use loket_sdk::schema;
use serde::Deserialize;

#[derive(Deserialize)]
struct Document {
    purposes: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    purpose: Purpose,
    consumers: Vec<String>,
    records: Vec<Needed>,
}

#[derive(Deserialize)]
struct Needed {
    record: RecordRef,
    mode: Word,
    fields: Option<Vec<String>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "snake_case")]
enum Word {
    Verify,
    Read,
}

/// The grants of these consumers at these sources, in force from `today` for a year.
///
/// # Errors
/// When the list isn't as expected or names a record that no schema knows.
pub fn from_purposes(
    consumers: &[MemberId],
    sources: &[Source],
    today: Date,
) -> anyhow::Result<Vec<Grant>> {
    let document: Document =
        serde_json::from_str(loket_schemas::PURPOSES).context("the list of purposes")?;
    let mut grants = Vec::new();
    for entry in &document.purposes {
        let named = |member: &&MemberId| entry.consumers.iter().any(|kind| is_a(member, kind));
        for consumer in consumers.iter().filter(named) {
            for needed in &entry.records {
                let owners = sources
                    .iter()
                    .filter(|source| source.records.contains(&needed.record));
                for owner in owners {
                    grants.push(grant(entry.purpose, consumer, owner, needed, today)?);
                }
            }
        }
    }
    Ok(grants)
}

/// The id of such a grant.
#[must_use]
pub fn id(consumer: &str, purpose: Purpose, record: &str, mode: Mode) -> String {
    let mode = match mode {
        Mode::Verify => "verify",
        Mode::Read => "read",
    };
    format!("{consumer}:{purpose}:{record}:{mode}")
}

fn grant(
    purpose: Purpose,
    consumer: &MemberId,
    owner: &Source,
    needed: &Needed,
    today: Date,
) -> anyhow::Result<Grant> {
    let fields = match &needed.fields {
        Some(fields) => fields.iter().cloned().collect(),
        // Named one by one, so that a field that the schema gains later isn't granted with it.
        None => {
            let record = &needed.record;
            let schema = schema::record(record).with_context(|| format!("no schema: {record}"))?;
            let fields = schema.fields().iter();
            fields.map(|field| field.name.clone()).collect()
        }
    };
    let mode = match needed.mode {
        Word::Verify => Mode::Verify,
        Word::Read => Mode::Read,
    };
    Ok(Grant {
        id: id(consumer.as_str(), purpose, &needed.record.to_string(), mode),
        agreement: format!("PKS-CONTOH/{}/{consumer}", owner.agency),
        consumer: consumer.clone(),
        source: owner.agency.clone(),
        record: needed.record.clone(),
        purposes: [purpose].into(),
        fields,
        mode,
        daily_quota: None,
        valid_from: today,
        valid_to: today.checked_add(1.year())?,
        state: GrantState::Active,
        stale_ok: false,
        dpia_ref: None,
        signature: None,
        narrowed: None,
        break_glass_ok: false,
    })
}

/// Whether a member is of a kind: `dpmptsp-3510` is a `dpmptsp`, and every member is itself.
fn is_a(member: &MemberId, kind: &str) -> bool {
    let name = member.as_str();
    let without_region = name.trim_end_matches(|c: char| c.is_ascii_digit());
    name == kind || without_region.strip_suffix('-') == Some(kind)
}

#[cfg(test)]
mod tests {
    use loket_sdk::claims::Verify;

    use super::*;

    #[test]
    fn every_purpose_stands_once_and_asks_what_can_be_asked() {
        let document: Document = serde_json::from_str(loket_schemas::PURPOSES).unwrap();
        let listed: Vec<Purpose> = document
            .purposes
            .iter()
            .map(|entry| entry.purpose)
            .collect();
        for purpose in Purpose::ALL {
            let times = listed.iter().filter(|listed| *listed == purpose).count();
            assert_eq!(times, 1, "{purpose}");
        }
        for entry in &document.purposes {
            for needed in &entry.records {
                let schema = schema::record(&needed.record).unwrap();
                for name in needed.fields.iter().flatten() {
                    let place = format!("{} {} {name}", entry.purpose, needed.record);
                    let field = schema.field(name).expect(&place);
                    let verified = matches!(needed.mode, Word::Verify);
                    assert!(!verified || field.verify != Verify::None, "{place}");
                }
            }
        }
    }

    #[test]
    fn a_member_of_a_region_is_of_its_kind() {
        let member = |name| MemberId::parse(name).unwrap();
        assert!(is_a(&member("dpmptsp-3510"), "dpmptsp"));
        assert!(is_a(&member("bpjs-kesehatan"), "bpjs-kesehatan"));
        assert!(!is_a(&member("bpjs-kesehatan"), "bpjs"));
        assert!(!is_a(&member("dpmptsp-3510"), "any"));
    }
}
