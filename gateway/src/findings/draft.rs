//! A finding before it is put into words.

use loket_sdk::ids::AgencyId;
use loket_sdk::message::{Finding, Locale, RecordRef, Severity, SourceResult};
use loket_sdk::schema;

use super::code::Code;
use super::messages;

/// A finding without its message. The order of drafts is that of the findings.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Draft {
    rule: &'static str,
    records: Vec<RecordRef>,
    code: Code,
    fields: Vec<&'static str>,
    owner: Option<AgencyId>,
    severity: Severity,
}

impl Code {
    pub(super) fn info(self) -> Draft {
        self.at(Severity::Info)
    }

    pub(super) fn warning(self) -> Draft {
        self.at(Severity::Warning)
    }

    pub(super) fn blocking(self) -> Draft {
        self.at(Severity::Blocking)
    }

    pub(super) fn at(self, severity: Severity) -> Draft {
        Draft {
            rule: self.rule(),
            records: Vec::new(),
            code: self,
            fields: Vec::new(),
            owner: None,
            severity,
        }
    }
}

impl Draft {
    /// Names a record and those of its fields that were compared.
    pub(super) fn on(mut self, result: &SourceResult, fields: &[&'static str]) -> Self {
        if !self.records.contains(&result.record) {
            self.records.push(result.record.clone());
        }
        for field in fields {
            if !self.fields.contains(field) {
                self.fields.push(field);
            }
        }
        self
    }

    /// Names the agency behind a record as the one that can mend it.
    pub(super) fn mended_by(mut self, result: &SourceResult) -> Self {
        self.owner = agency(result);
        self
    }

    pub(super) fn finish(self, locale: Locale) -> Finding {
        Finding {
            rule: self.rule.to_owned(),
            code: self.code.as_str().to_owned(),
            severity: self.severity,
            records: self.records,
            fields: self.fields.into_iter().map(str::to_owned).collect(),
            owner: self.owner,
            message: messages::text(self.code, locale).to_owned(),
        }
    }
}

fn agency(result: &SourceResult) -> Option<AgencyId> {
    match &result.source {
        Some(source) => Some(source.agency.clone()),
        None => AgencyId::parse(&schema::record(&result.record)?.owner).ok(),
    }
}
