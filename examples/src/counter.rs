//! A counter: asks a journey's questions with the client, as a counter's own software would.

use std::time::Duration;

use loket_sdk::client::{Client, LookupBuilder};
use loket_sdk::ids::Nik;
use loket_sdk::message::{Answer, Locale, Lookup, PresentedAs};

use crate::journeys::{Journey, Wanted};

/// Asks, and waits for every agency or the deadline.
///
/// # Errors
/// When there is no answer. That an agency refused or failed is in the answer.
pub async fn ask(client: &Client, journey: &Journey) -> anyhow::Result<Answer> {
    Ok(lookup(client, journey)?.send().await?)
}

/// As [`ask`], with the sentences of the answer in this language.
///
/// # Errors
/// As [`ask`].
pub async fn ask_in(client: &Client, journey: &Journey, locale: Locale) -> anyhow::Result<Answer> {
    Ok(lookup(client, journey)?.locale(locale).send().await?)
}

/// The message that [`ask`] would send.
///
/// # Errors
/// When the journey isn't a lookup.
pub fn message(client: &Client, journey: &Journey) -> anyhow::Result<Lookup> {
    Ok(lookup(client, journey)?.build()?)
}

fn lookup(client: &Client, journey: &Journey) -> anyhow::Result<LookupBuilder> {
    let mut lookup = client
        .lookup(Nik::parse(journey.nik)?)
        .presented_as(PresentedAs::CardReader)
        .purpose(journey.purpose)
        .case(journey.case)
        .legal_basis(journey.basis.0, journey.basis.1)
        .deadline(Duration::from_millis(journey.deadline_ms));
    for asked in journey.asked {
        lookup = match asked.wanted {
            Wanted::All => lookup.record(asked.record),
            Wanted::Fields(fields) => lookup.record_fields(asked.record, fields.iter().copied()),
            Wanted::Claims(claims) => claims.iter().fold(lookup, |lookup, claim| {
                lookup.claim(asked.record, claim.field, claim.op, claim.value)
            }),
        };
        if asked.required {
            lookup = lookup.required(asked.record);
        }
    }
    Ok(lookup)
}
