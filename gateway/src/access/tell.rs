//! Tell: an entry in, what it says to the citizen out.

use jiff::tz::TimeZone;
use loket_sdk::ids::MemberId;
use loket_sdk::message::{
    AccessEntry, AccessKind, AccessPurpose, AccessVisibility, AccessedField, AccessedRecord,
    Locale, Organisation,
};
use loket_sdk::schema::{self, RecordSchema};

use super::gather::{Asked, Line};
use super::messages::{self, Phrase};
use crate::directory::Directory;

/// In whose words.
pub(super) struct Teller<'a> {
    pub(super) directory: &'a Directory,
    pub(super) zone: &'a TimeZone,
    pub(super) locale: Locale,
}

impl Teller<'_> {
    pub(super) fn entry(&self, line: &Line) -> AccessEntry {
        let what = match line.kind.as_str() {
            // The same data, given again.
            "lookup" | "replay" => AccessKind::Lookup,
            "result" | "break_glass" => AccessKind::Part,
            "abandoned" => AccessKind::Abandoned,
            "access_report" => AccessKind::AccessReport,
            _ => AccessKind::Refused,
        };
        let organisation = self.organisation(line.member.as_ref().map_or("", MemberId::as_str));
        AccessEntry {
            entry: line.entry,
            at: line.at,
            what,
            summary: self.summary(what, &organisation.name, line),
            organisation,
            counter: line.counter.clone(),
            purpose: line.purpose.map(|code| AccessPurpose {
                code,
                text: messages::purpose(code, self.locale).to_owned(),
            }),
            legal_basis: line.legal_basis.clone(),
            case_id: line.case_id.clone(),
            records: line
                .sources
                .iter()
                .map(|asked| self.record(asked))
                .collect(),
            visibility: match line.deferred_to {
                Some(_) => AccessVisibility::Deferred,
                None => AccessVisibility::Now,
            },
        }
    }

    fn summary(&self, what: AccessKind, organisation: &str, line: &Line) -> String {
        let say = |phrase| messages::say(phrase, self.locale);
        let when = messages::moment(&self.zone.to_datetime(line.at), self.locale);
        let at = match &line.counter {
            Some(counter) => format!(", {} {counter},", say(Phrase::Counter)),
            None => String::new(),
        };
        let did = match what {
            AccessKind::AccessReport => say(Phrase::MadeReport),
            _ => say(Phrase::AskedForData),
        };
        let mut text = format!("{when}: {organisation}{at} {did}.");
        if let (Some(purpose), false) = (line.purpose, what == AccessKind::AccessReport) {
            let purpose = messages::purpose(purpose, self.locale);
            text += &format!(" {}: {purpose}.", say(Phrase::Purpose));
        }
        let more = match what {
            AccessKind::Lookup | AccessKind::AccessReport => None,
            AccessKind::Part => Some(Phrase::OnePart),
            AccessKind::Abandoned => Some(Phrase::BrokeOff),
            AccessKind::Refused => Some(Phrase::WasRefused),
        };
        if let Some(more) = more {
            text += &format!(" {}", say(more));
        }
        text
    }

    fn record(&self, asked: &Asked) -> AccessedRecord {
        let schema = schema::record(&asked.record);
        let fields = |names: &[String]| {
            let fields = names.iter().map(|name| self.field(schema, name));
            fields.collect::<Vec<_>>()
        };
        let given = fields(&asked.fields);
        let verified = fields(&asked.claims);
        let phrase = messages::outcome(asked.outcome, asked.reason, !given.is_empty());
        let own = messages::record(asked.record.name(), self.locale);
        let named = own.or_else(|| schema.and_then(|schema| self.label(&schema.label)));
        AccessedRecord {
            label: named.unwrap_or(asked.record.name()).to_owned(),
            record: asked.record.clone(),
            agency: asked
                .agency
                .as_ref()
                .map(|agency| self.organisation(agency.as_str())),
            given,
            verified,
            outcome: asked.outcome,
            reason: asked.reason,
            text: messages::say(phrase, self.locale).to_owned(),
        }
    }

    fn field(&self, schema: Option<&RecordSchema>, name: &str) -> AccessedField {
        let field = schema.and_then(|schema| schema.field(name));
        let label = field.and_then(|field| self.label(&field.label));
        AccessedField {
            name: name.to_owned(),
            label: label.unwrap_or(name).to_owned(),
        }
    }

    /// A schema's label; English where it has none in the language.
    fn label<'s>(&self, labels: &'s std::collections::HashMap<String, String>) -> Option<&'s str> {
        let label = labels.get(self.locale.as_str());
        label.or_else(|| labels.get("en")).map(String::as_str)
    }

    fn organisation(&self, id: &str) -> Organisation {
        Organisation {
            name: self.directory.name_of(id).to_owned(),
            id: id.to_owned(),
        }
    }
}
