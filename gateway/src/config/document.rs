//! Document: TOML text in, its tables out, each read on its own so that one mistake hides no other.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::explain::{explain, nearest};
use super::finding::{ConfigErrors, Finding, Severity, Text};

/// Collects findings while a file is read.
pub(crate) struct Report {
    text: Text,
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
}

impl Report {
    pub(crate) fn new(path: &Path, text: &str) -> Self {
        Self {
            text: Text::new(path, text),
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Notes an error at a key of a table.
    pub(crate) fn error(
        &mut self,
        at: &Keys,
        key: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.error_at(at.span(key), &at.path(key), message, remedy);
    }

    /// Notes an error at a place.
    pub(crate) fn error_at(
        &mut self,
        span: Range<usize>,
        key: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.errors.push(
            self.text
                .finding(Severity::Error, span, key, message, remedy),
        );
    }

    /// Notes an error in another file.
    pub(crate) fn push(&mut self, finding: Finding) {
        self.errors.push(finding);
    }

    /// Notes a warning in another file.
    pub(crate) fn push_warning(&mut self, finding: Finding) {
        self.warnings.push(finding);
    }

    /// Notes a warning at a key of a table.
    pub(crate) fn warn(
        &mut self,
        at: &Keys,
        key: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (span, key) = (at.span(key), at.path(key));
        self.warnings.push(
            self.text
                .finding(Severity::Warning, span, &key, message, remedy),
        );
    }

    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Errors and warnings, each in the order of the file.
    pub(crate) fn into_errors(mut self) -> ConfigErrors {
        self.errors
            .sort_by_key(|finding| (finding.line, finding.column));
        ConfigErrors::new(std::mem::take(&mut self.errors), self.into_warnings())
    }

    /// The warnings alone, in the order of the file.
    pub(crate) fn into_warnings(mut self) -> Vec<Finding> {
        self.warnings
            .sort_by_key(|finding| (finding.line, finding.column));
        self.warnings
    }
}

/// A table that was read, and where its keys stand.
pub(crate) struct Section<T> {
    pub(crate) raw: T,
    pub(crate) at: Keys,
}

/// Where the keys of a table stand.
#[derive(Clone)]
pub(crate) struct Keys {
    name: String,
    whole: Range<usize>,
    keys: HashMap<String, (Range<usize>, Range<usize>)>,
}

impl Keys {
    fn of(name: String, value: &Spanned<DeValue<'_>>) -> Self {
        let mut keys = HashMap::new();
        for (key, value) in value.get_ref().as_table().into_iter().flatten() {
            let name = key.get_ref().to_string();
            // One level down, for the tables within an entry.
            let inner = value.get_ref().as_array().into_iter().flatten().enumerate();
            for (i, item) in inner.filter(|(_, item)| item.get_ref().is_table()) {
                let name = format!("{name}[{i}]");
                for (key, value) in item.get_ref().as_table().into_iter().flatten() {
                    let name = format!("{name}.{}", key.get_ref());
                    keys.insert(name, (key.span(), value.span()));
                }
                keys.insert(name, (item.span(), item.span()));
            }
            for (key, value) in value.get_ref().as_table().into_iter().flatten() {
                let name = format!("{name}.{}", key.get_ref());
                keys.insert(name, (key.span(), value.span()));
            }
            keys.insert(name, (key.span(), value.span()));
        }
        let whole = value.span();
        Self { name, whole, keys }
    }

    /// Where the value of a key stands; the table, when the key isn't there.
    pub(crate) fn span(&self, key: &str) -> Range<usize> {
        self.keys
            .get(key)
            .map_or(self.whole.clone(), |(_, value)| value.clone())
    }

    /// The key with its table.
    pub(crate) fn path(&self, key: &str) -> String {
        match (self.name.as_str(), key) {
            ("", key) => key.to_owned(),
            (table, "") => table.to_owned(),
            (table, key) => format!("{table}.{key}"),
        }
    }

    /// The innermost key that holds a place.
    fn at(&self, place: &Range<usize>) -> Option<&str> {
        let holds = |span: &Range<usize>| span.start <= place.start && place.end <= span.end;
        let spans = self
            .keys
            .iter()
            .flat_map(|(name, (key, value))| [(name, key), (name, value)]);
        let innermost = spans
            .filter(|(_, span)| holds(span))
            .min_by_key(|(name, span)| (span.len(), std::cmp::Reverse(name.len())));
        innermost.map(|(name, _)| name.as_str())
    }
}

/// The tables that haven't been read yet.
pub(crate) struct Document<'i> {
    tables: DeTable<'i>,
    asked: HashSet<&'static str>,
}

impl<'i> Document<'i> {
    /// Parses the text; every syntax error is reported.
    pub(crate) fn parse(text: &'i str, report: &mut Report) -> Self {
        let (tables, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let remedy = "write it as TOML: key = value under a [table]";
            report.error_at(
                error.span().unwrap_or(0..0),
                "",
                error.message().replace('\n', " "),
                remedy,
            );
        }
        Self {
            tables: tables.into_inner(),
            asked: HashSet::new(),
        }
    }

    fn remove(&mut self, name: &'static str) -> Option<Spanned<DeValue<'i>>> {
        self.asked.insert(name);
        self.tables.remove(name)
    }

    /// Takes a table that must be there.
    pub(crate) fn required<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        report: &mut Report,
    ) -> Option<Section<T>> {
        let Some(value) = self.remove(name) else {
            let remedy = format!("add it; loket.example.toml shows a complete [{name}]");
            report.error_at(0..0, name, format!("there is no table [{name}]"), remedy);
            return None;
        };
        read(name.to_owned(), value, report)
    }

    /// Takes a table whose keys all have defaults.
    pub(crate) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        report: &mut Report,
    ) -> Option<Section<T>> {
        let empty = || Spanned::new(0..0, DeValue::Table(DeTable::new()));
        let value = self.remove(name).unwrap_or_else(empty);
        read(name.to_owned(), value, report)
    }

    /// Takes the entries of `[[name]]`; an entry that can't be read is `None`.
    pub(crate) fn entries<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        report: &mut Report,
    ) -> Vec<Option<Section<T>>> {
        let Some(value) = self.remove(name) else {
            return Vec::new();
        };
        let span = value.span();
        let DeValue::Array(entries) = value.into_inner() else {
            let remedy = format!("write one [[{name}]] for each entry");
            report.error_at(span, name, "isn't a list of tables", remedy);
            return Vec::new();
        };
        let entries = entries.into_iter().enumerate();
        entries
            .map(|(i, entry)| read(format!("{name}[{i}]"), entry, report))
            .collect()
    }

    /// Takes a string that stands outside the tables.
    pub(crate) fn string(
        &mut self,
        name: &'static str,
        report: &mut Report,
    ) -> Option<Section<String>> {
        let value = self.remove(name)?;
        let mut at = Keys::of(String::new(), &value);
        at.keys
            .insert(name.to_owned(), (value.span(), value.span()));
        let Some(text) = value.get_ref().as_str() else {
            report.error(&at, name, "isn't a string", "quote it");
            return None;
        };
        Some(Section {
            raw: text.to_owned(),
            at,
        })
    }

    /// Reports what nobody asked for.
    pub(crate) fn finish(self, report: &mut Report) {
        for key in self.tables.keys() {
            let name = key.get_ref();
            let known: Vec<&str> = self.asked.iter().copied().collect();
            report.error_at(
                key.span(),
                name,
                format!("there is no table or key {name}"),
                nearest(name, known),
            );
        }
    }
}

fn read<T: DeserializeOwned>(
    name: String,
    value: Spanned<DeValue<'_>>,
    report: &mut Report,
) -> Option<Section<T>> {
    let at = Keys::of(name, &value);
    match T::deserialize(ValueDeserializer::from(value)) {
        Ok(raw) => Some(Section { raw, at }),
        Err(error) => {
            let span = error.span().unwrap_or(at.whole.clone());
            let (missing, message, remedy) = explain(error.message());
            let key = match (at.at(&span).filter(|_| span != at.whole), missing) {
                (Some(table), Some(missing)) => format!("{table}.{missing}"),
                (None, Some(missing)) => missing.to_owned(),
                (key, None) => key.unwrap_or_default().to_owned(),
            };
            report.error_at(span, &at.path(&key), message, remedy);
            None
        }
    }
}
