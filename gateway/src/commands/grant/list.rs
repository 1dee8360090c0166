//! The grants of a configuration: who may have what of whom, who signed it, how long it lasts.

use std::io::Write;

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use crate::audit::hex;
use crate::commands::check::Output;
use crate::config::Config;
use crate::directory::{Grant, GrantState, ServiceGrant, Signature};

/// What both kinds of grants have.
struct Row<'a> {
    id: &'a str,
    agreement: &'a str,
    consumer: &'a str,
    source: &'a str,
    what: String,
    state: GrantState,
    in_force: bool,
    days: (Date, Date),
    daily_quota: Option<u64>,
    signature: Option<&'a Signature>,
    narrowed: Option<&'a str>,
}

impl<'a> Row<'a> {
    fn record(grant: &'a Grant, today: Date) -> Self {
        Self {
            id: &grant.id,
            agreement: &grant.agreement,
            consumer: grant.consumer.as_str(),
            source: grant.source.as_str(),
            what: format!(
                "{} {} of {}",
                grant.mode.as_str(),
                grant.fields.len(),
                grant.record
            ),
            state: grant.state,
            in_force: grant.is_in_force(today),
            days: (grant.valid_from, grant.valid_to),
            daily_quota: grant.daily_quota,
            signature: grant.signature.as_ref(),
            narrowed: grant.narrowed.as_deref(),
        }
    }

    fn service(grant: &'a ServiceGrant, today: Date) -> Self {
        Self {
            id: &grant.id,
            agreement: &grant.agreement,
            consumer: grant.consumer.as_str(),
            source: grant.agency.as_str(),
            what: format!("call {} of {}", grant.paths.len(), grant.service),
            state: grant.state,
            in_force: grant.is_in_force(today),
            days: (grant.valid_from, grant.valid_to),
            daily_quota: grant.daily_quota,
            signature: grant.signature.as_ref(),
            narrowed: grant.narrowed.as_deref(),
        }
    }

    fn cells(&self, today: Date) -> [String; 6] {
        let (first, last) = self.days;
        let signed = self.signature.map_or("nobody".into(), |it| {
            format!("{}, serial {}", it.kid, it.serial)
        });
        let mut state = match (self.state, self.in_force) {
            (GrantState::Active, false) if today < first => format!("from {first}"),
            (GrantState::Active, false) => "over".into(),
            (state, _) => state.as_str().to_owned(),
        };
        if self.narrowed.is_some() {
            state += ", narrowed";
        }
        [
            self.id.to_owned(),
            format!("{} → {}", self.source, self.consumer),
            self.what.clone(),
            state,
            last.to_string(),
            signed,
        ]
    }

    fn json(&self) -> Value {
        json!({
            "grant_id": self.id,
            "agreement": self.agreement,
            "consumer": self.consumer,
            "source": self.source,
            "state": self.state,
            "in_force": self.in_force,
            "valid_from": self.days.0,
            "valid_to": self.days.1,
            "daily_quota": self.daily_quota,
            "narrowed": self.narrowed,
            "serial": self.signature.map(|it| it.serial),
            "issued_at": self.signature.map(|it| it.issued_at),
            "kid": self.signature.map(|it| &it.kid),
            "sha256": self.signature.map(|it| hex(&it.sha256)),
        })
    }
}

pub(super) fn write(config: &Config, output: Output, out: &mut dyn Write) -> anyhow::Result<()> {
    let today = config.time_zone.to_datetime(Timestamp::now()).date();
    let records = config.directory.grants().iter();
    let calls = config.directory.service_grants().iter();
    let rows: Vec<Row<'_>> = records
        .map(|grant| Row::record(grant, today))
        .chain(calls.map(|grant| Row::service(grant, today)))
        .collect();
    if output == Output::Json {
        let grants: Vec<Value> = rows.iter().map(Row::json).collect();
        let document = json!({"schema": "loket.grants/1", "grants": grants});
        writeln!(out, "{document:#}")?;
        return Ok(());
    }
    let columns = std::env::var("COLUMNS").ok();
    let width = columns.and_then(|columns| columns.parse().ok());
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_HORIZONTAL_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width.unwrap_or(140).max(60))
        .set_header([
            "grant",
            "whose → whom",
            "what",
            "state",
            "until",
            "signed by",
        ]);
    for row in &rows {
        table.add_row(row.cells(today));
    }
    for line in table.lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    let in_force = rows.iter().filter(|row| row.in_force).count();
    writeln!(out, "{} grants, {in_force} in force today", rows.len())?;
    Ok(())
}
