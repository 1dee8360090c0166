//! Unsigned: grants that stand in the file itself, for development; the file's entries in, the
//! directory's out.

use std::collections::BTreeSet;

use loket_sdk::ids::{AgencyId, MemberId};
use loket_sdk::message::{Purpose, RecordRef};
use loket_sdk::schema;

use super::directory::{id, record};
use super::document::{Keys, Report, Section};
use super::explain::nearest;
use super::file::{self, Fields};
use crate::directory::Grant;

pub(super) fn grant(section: &Section<file::Grant>, out: &mut Report) -> Option<Grant> {
    let (raw, at) = (&section.raw, &section.at);
    for (key, text) in [("grant_id", &raw.grant_id), ("agreement", &raw.agreement)] {
        if text.trim().is_empty() {
            out.error(
                at,
                key,
                "is empty",
                "write what the agreement between the two says",
            );
        }
    }
    let consumer = id(at, "consumer", &raw.consumer, MemberId::parse, out);
    let source = id(at, "source", &raw.source, AgencyId::parse, out);
    let record = record(at, "record", &raw.record, at.span("record"), out);
    let purposes = purposes(&raw.purposes, at, out);
    let fields = record
        .as_ref()
        .map(|record| fields(&raw.fields, record, at, out));
    if raw.onward_transfer {
        let message = "is true, and no answer may be passed on to third parties";
        out.error(
            at,
            "onward_transfer",
            message,
            "give the third party a grant of its own",
        );
    }
    if raw.daily_quota == Some(0) {
        let remedy = "set state to \"suspended\", or leave the quota out for none";
        out.error(
            at,
            "daily_quota",
            "is 0, which lets nothing through",
            remedy,
        );
    }
    Some(Grant {
        id: raw.grant_id.clone(),
        agreement: raw.agreement.clone(),
        consumer: consumer?,
        source: source?,
        record: record?,
        purposes,
        fields: fields?,
        mode: raw.mode.0,
        daily_quota: raw.daily_quota,
        valid_from: raw.valid_from.0,
        valid_to: raw.valid_to.0,
        state: raw.state.0,
        stale_ok: raw.stale_ok,
        break_glass_ok: raw.break_glass_ok,
        dpia_ref: raw.dpia_ref.clone(),
        signature: None,
        narrowed: None,
    })
}

pub(super) fn purposes(
    raw: &[toml::Spanned<String>],
    at: &Keys,
    out: &mut Report,
) -> BTreeSet<Purpose> {
    if raw.is_empty() {
        out.error(
            at,
            "purposes",
            "names no purpose",
            "data is given for a purpose or not at all",
        );
    }
    let mut known = BTreeSet::new();
    for purpose in raw {
        match purpose.get_ref().parse() {
            Ok(purpose) => drop(known.insert(purpose)),
            Err(_) => {
                let all = Purpose::ALL
                    .iter()
                    .map(|purpose| purpose.as_str())
                    .collect();
                let remedy = nearest(purpose.get_ref(), all);
                out.error_at(
                    purpose.span(),
                    &at.path("purposes"),
                    "isn't a purpose",
                    remedy,
                );
            }
        }
    }
    known
}

/// The fields by name. What a name stands for is the directory's affair.
fn fields(raw: &Fields, record: &RecordRef, at: &Keys, out: &mut Report) -> BTreeSet<String> {
    match raw {
        Fields::All => schema::record(record)
            .map(|schema| {
                schema
                    .fields()
                    .iter()
                    .map(|field| field.name.clone())
                    .collect()
            })
            .unwrap_or_default(),
        Fields::Named(names) => {
            if names.is_empty() {
                out.error(
                    at,
                    "fields",
                    "names no field",
                    "name fields, or write \"all\"",
                );
            }
            names.iter().map(|name| name.get_ref().clone()).collect()
        }
    }
}
