//! A draft: what two parties agreed on in, a document to be edited out, and what its parts mean.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args as ClapArgs;
use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::ids::{AgencyId, MemberId, SystemId};
use loket_sdk::message::{Purpose, RecordRef};
use loket_sdk::schema;

use super::super::pki::store::create;
use crate::directory::{GrantState, Mode};
use crate::grants::Document;

/// What the two parties agreed on.
#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Name of the grant
    #[arg(long)]
    id: String,
    /// Agreement number (MoU or PKS)
    #[arg(long)]
    agreement: String,
    /// Who is granted
    #[arg(long)]
    consumer: String,
    /// The agency that owns the data
    #[arg(long)]
    source: String,
    /// Record and major version, such as person-identity/1
    #[arg(long, required_unless_present = "service", conflicts_with = "service")]
    record: Option<RecordRef>,
    /// Purpose; may be repeated
    #[arg(long, required_unless_present = "service")]
    purpose: Vec<Purpose>,
    /// Field; may be repeated. All of the record, to be cut down, when there is none
    #[arg(long)]
    field: Vec<String>,
    /// Values too, not only claims
    #[arg(long)]
    read: bool,
    /// Service of routed calls, in place of a record
    #[arg(long)]
    service: Option<String>,
    /// Method of routed calls; may be repeated
    #[arg(long, requires = "service")]
    method: Vec<String>,
    /// Path pattern of routed calls, such as /people/*/status; may be repeated
    #[arg(long, requires = "service")]
    path: Vec<String>,
    /// Questions or calls a day
    #[arg(long)]
    daily_quota: Option<u64>,
    /// First day
    #[arg(long)]
    valid_from: Date,
    /// Last day
    #[arg(long)]
    valid_to: Date,
    /// File of the draft; <id>.json when it isn't given
    #[arg(long)]
    out: Option<PathBuf>,
}

pub(super) fn write(args: &Args, out: &mut dyn Write) -> anyhow::Result<()> {
    let document = document(args)?;
    let default = PathBuf::from(format!("{}.json", args.id));
    let path = args.out.as_ref().unwrap_or(&default);
    let text = serde_json::to_string_pretty(&document)? + "\n";
    create(path, text.as_bytes(), 0o644)?;
    writeln!(out, "{}\n", path.display())?;
    explain(&document, out)?;
    Ok(())
}

fn document(args: &Args) -> anyhow::Result<Document> {
    let fields = match &args.record {
        Some(record) if args.field.is_empty() => {
            let known = schema::record(record);
            let known = known.with_context(|| format!("there is no schema of {record}"))?;
            known
                .fields()
                .iter()
                .map(|field| field.name.clone())
                .collect()
        }
        _ => args.field.iter().cloned().collect(),
    };
    if args.service.is_some() && (args.method.is_empty() || args.path.is_empty()) {
        bail!("routed calls need --method and --path: what isn't named isn't forwarded");
    }
    let mode = if args.read { Mode::Read } else { Mode::Verify };
    let service = args.service.as_deref().map(SystemId::parse).transpose();
    Ok(Document {
        grant_id: args.id.clone(),
        serial: 1,
        issued_at: Timestamp::from_second(Timestamp::now().as_second())?,
        agreement: args.agreement.clone(),
        consumer: MemberId::parse(&args.consumer).context("--consumer")?,
        source: AgencyId::parse(&args.source).context("--source")?,
        record: args.record.clone(),
        purposes: args.purpose.iter().copied().collect(),
        fields,
        mode: args.record.is_some().then_some(mode),
        service: service.context("--service")?,
        methods: args.method.iter().cloned().collect(),
        paths: args.path.iter().cloned().collect(),
        daily_quota: args.daily_quota,
        valid_from: args.valid_from,
        valid_to: args.valid_to,
        state: GrantState::Draft,
        stale_ok: false,
        break_glass_ok: false,
        onward_transfer: false,
        dpia_ref: None,
    })
}

fn explain(document: &Document, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "state        draft, proof_of_concept, active, suspended or ended; only active counts"
    )?;
    writeln!(
        out,
        "serial       one more with each change, or gateways refuse it"
    )?;
    writeln!(
        out,
        "issued_at    when it is signed; `loket grant sign --now` writes it"
    )?;
    writeln!(
        out,
        "daily_quota  questions or calls a day; left out, there is no bound"
    )?;
    let Some(record) = &document.record else {
        return Ok(());
    };
    writeln!(
        out,
        "mode         verify tells match or mismatch, read gives values"
    )?;
    writeln!(out, "purposes     data is given for these and no other")?;
    writeln!(
        out,
        "dpia_ref     impact assessment, for fields of the class specific"
    )?;
    writeln!(out, "fields       take out what the purposes don't need:\n")?;
    let known = schema::record(record).map_or(&[] as &[schema::Field], |it| it.fields());
    let width = known.iter().map(|it| it.name.len()).max().unwrap_or(0);
    for field in known.iter().filter(|it| document.fields.contains(&it.name)) {
        let class = field.class_id.as_ref().or(field.class_az.as_ref());
        let class = class.map_or("", String::as_str);
        let label = field.label.get("en").map_or("", String::as_str);
        writeln!(out, "  {:width$}  {class:10}  {label}", field.name)?;
    }
    Ok(())
}
