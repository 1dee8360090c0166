//! Matrix: the directory in, who may know what and why out, as a text for lawyers.

use std::collections::BTreeMap;
use std::fmt::Write;

use http::Method;
use jiff::civil::Date;
use loket_sdk::claims::Verify;
use loket_sdk::ids::{AgencyId, MemberId};
use loket_sdk::message::{Purpose, RecordRef};
use loket_sdk::schema::{self, Field};

use crate::directory::{Directory, Grant, Mode, ServiceGrant};

type Place<'a> = (&'a MemberId, Purpose, &'a RecordRef, &'a AgencyId);

/// Every consumer, purpose, record and source with a grant in force today, and what may be known of
/// each field, by the purpose and with the glass broken. What isn't there isn't granted.
#[must_use]
pub fn matrix(directory: &Directory, today: Date) -> String {
    let mut granted: BTreeMap<Place<'_>, Vec<&Grant>> = BTreeMap::new();
    for grant in directory
        .grants()
        .iter()
        .filter(|grant| grant.is_in_force(today))
    {
        for &purpose in &grant.purposes {
            let place = (&grant.consumer, purpose, &grant.record, &grant.source);
            granted.entry(place).or_default().push(grant);
        }
    }
    let mut text = format!(
        "Who may know what, by the grants in force on {today}.\n\
         \n\
         read    the value is given, and claims on it are answered\n\
         verify  claims are answered with match or mismatch; the value isn't given\n\
         -       neither\n\
         \n\
         The second word is what a lookup that breaks the glass may know: of that record, for\n\
         whatever purpose and in spite of a hold.\n\
         \n\
         What isn't listed isn't granted.\n"
    );
    let mut above: Option<(&MemberId, Purpose)> = None;
    for ((consumer, purpose, record, source), grants) in &granted {
        if above.is_none_or(|(other, _)| other != *consumer) {
            line(
                &mut text,
                format_args!("\n\n{consumer}\n{}", "=".repeat(consumer.as_str().len())),
            );
        }
        if above != Some((*consumer, *purpose)) {
            line(&mut text, format_args!("\n  for {purpose}"));
        }
        above = Some((*consumer, *purpose));
        line(&mut text, format_args!("\n    {record} @ {source}"));
        for grant in grants {
            let Grant {
                id,
                agreement,
                valid_from,
                valid_to,
                ..
            } = grant;
            line(
                &mut text,
                format_args!("    by {id}, {agreement}, {valid_from} to {valid_to}"),
            );
        }
        let own = |grant: &&Grant| {
            grant.break_glass_ok
                && (&grant.consumer, &grant.record, &grant.source) == (*consumer, *record, *source)
        };
        let in_force = |grant: &&Grant| grant.is_in_force(today);
        let marked: Vec<&Grant> = directory
            .grants()
            .iter()
            .filter(own)
            .filter(in_force)
            .collect();
        let fields = schema::record(record).map_or(&[] as &[Field], |schema| schema.fields());
        let width = fields
            .iter()
            .map(|field| field.name.len())
            .max()
            .unwrap_or(0);
        for field in fields {
            line(
                &mut text,
                format_args!(
                    "      {:width$}  {:6}  {}",
                    field.name,
                    word(grants, field),
                    word(&marked, field)
                ),
            );
        }
    }
    calls(directory, today, &mut text);
    text
}

/// Every service that a consumer may call, by the grants in force today.
fn calls(directory: &Directory, today: Date, text: &mut String) {
    let mut granted: Vec<&ServiceGrant> = directory
        .service_grants()
        .iter()
        .filter(|grant| grant.is_in_force(today))
        .collect();
    if granted.is_empty() {
        return;
    }
    granted.sort_by_key(|grant| (&grant.consumer, &grant.agency, &grant.service, &grant.id));
    line(text, format_args!("\n\nRouted calls\n============"));
    for grant in granted {
        let (consumer, service, agency) = (&grant.consumer, &grant.service, &grant.agency);
        line(
            text,
            format_args!("\n  {consumer} may call {service} @ {agency}"),
        );
        let ServiceGrant {
            id,
            agreement,
            valid_from,
            valid_to,
            ..
        } = grant;
        line(
            text,
            format_args!("    by {id}, {agreement}, {valid_from} to {valid_to}"),
        );
        let methods: Vec<&str> = grant.methods.iter().map(Method::as_str).collect();
        for path in &grant.paths {
            line(text, format_args!("      {} {path}", methods.join(", ")));
        }
    }
}

fn word(grants: &[&Grant], field: &Field) -> &'static str {
    let named = |mode| {
        grants
            .iter()
            .any(|grant| grant.mode == mode && grant.fields.contains(&field.name))
    };
    if named(Mode::Read) {
        "read"
    } else if named(Mode::Verify) && field.verify != Verify::None {
        "verify"
    } else {
        "-"
    }
}

fn line(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{words}");
}
