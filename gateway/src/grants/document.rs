//! Document: a grant as it is written, and what the directory makes of it.

use std::collections::BTreeSet;

use http::Method;
use jiff::Timestamp;
use jiff::civil::Date;
use loket_sdk::ids::{AgencyId, MemberId, SystemId};
use loket_sdk::message::{Purpose, RecordRef};
use loket_sdk::schema;
use serde::{Deserialize, Serialize};

use super::Fault;
use crate::directory::{Grant, GrantState, Mode, PathPattern, ServiceGrant, Signature};

/// A grant of the directory, of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Granted {
    /// Of a record.
    Record(Grant),
    /// Of routed calls.
    Service(ServiceGrant),
}

impl Granted {
    /// The grant's id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Record(grant) => &grant.id,
            Self::Service(grant) => &grant.id,
        }
    }
}

/// The document of `schemas/envelope/grant.json`, in the order in which it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Name of the grant.
    pub grant_id: String,
    /// Grows with each change.
    pub serial: u64,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// Agreement number (MoU or PKS).
    pub agreement: String,
    /// Who is granted.
    pub consumer: MemberId,
    /// The agency that owns the data.
    pub source: AgencyId,
    /// Which record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordRef>,
    /// For which purposes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub purposes: BTreeSet<Purpose>,
    /// Which fields.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub fields: BTreeSet<String>,
    /// Claims or values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Which service, of routed calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<SystemId>,
    /// By which methods.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub methods: BTreeSet<String>,
    /// Below which paths.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub paths: BTreeSet<String>,
    /// Questions or calls a day; none means no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily_quota: Option<u64>,
    /// First day.
    pub valid_from: Date,
    /// Last day.
    pub valid_to: Date,
    /// Where it stands in its life.
    pub state: GrantState,
    /// Whether the last good answer may stand in when the source fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale_ok: bool,
    /// Whether a lookup that breaks the glass may pass holds and purposes within it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub break_glass_ok: bool,
    /// Always false.
    #[serde(default)]
    pub onward_transfer: bool,
    /// Data-protection impact assessment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpia_ref: Option<String>,
}

impl Document {
    /// What the schema can't say: fields are the record's, days in order, patterns patterns.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.valid_from > self.valid_to {
            return Err(Fault::Dates);
        }
        for path in &self.paths {
            pattern(path)?;
        }
        let Some(record) = &self.record else {
            return Ok(());
        };
        let known = schema::record(record).ok_or_else(|| Fault::Record(record.to_string()))?;
        let unknown = self
            .fields
            .iter()
            .filter(|name| known.field(name).is_none());
        let unknown: Vec<String> = unknown.cloned().collect();
        match unknown.is_empty() {
            true => Ok(()),
            false => Err(Fault::Wider {
                record: record.to_string(),
                fields: unknown,
            }),
        }
    }

    /// What the directory makes of it.
    pub(super) fn granted(self, signature: Signature) -> Result<Granted, Fault> {
        let signature = Some(signature);
        if let (Some(record), Some(mode)) = (self.record, self.mode) {
            return Ok(Granted::Record(Grant {
                id: self.grant_id,
                agreement: self.agreement,
                consumer: self.consumer,
                source: self.source,
                record,
                purposes: self.purposes,
                fields: self.fields,
                mode,
                daily_quota: self.daily_quota,
                valid_from: self.valid_from,
                valid_to: self.valid_to,
                state: self.state,
                stale_ok: self.stale_ok,
                break_glass_ok: self.break_glass_ok,
                dpia_ref: self.dpia_ref,
                signature,
                narrowed: None,
            }));
        }
        // The schema asks for one or the other.
        let service = self.service.ok_or(Fault::Value)?;
        let methods = self.methods.iter().map(|it| it.parse().ok());
        let methods: Option<Vec<Method>> = methods.collect();
        let paths = self.paths.iter().map(|path| pattern(path));
        Ok(Granted::Service(ServiceGrant {
            id: self.grant_id,
            agreement: self.agreement,
            consumer: self.consumer,
            agency: self.source,
            service,
            methods: methods.ok_or(Fault::Value)?,
            paths: paths.collect::<Result<_, _>>()?,
            daily_quota: self.daily_quota,
            valid_from: self.valid_from,
            valid_to: self.valid_to,
            state: self.state,
            dpia_ref: self.dpia_ref,
            signature,
            narrowed: None,
        }))
    }
}

fn pattern(path: &str) -> Result<PathPattern, Fault> {
    path.parse().map_err(|_| Fault::Path(path.to_owned()))
}
